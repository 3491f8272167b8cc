"""What stands between the product and the bars that it does not meet, from what the bench has measured."""

from statistics import median
from typing import Any, NamedTuple

from bench.verdicts import P4_BAR_MS, growth

Data = dict[str, Any]


def limits(data: dict[str, Data]) -> str:
    """Return a paragraph for each limit that was measured; `data` holds what was measured by name."""
    said = [render(data) for render, needs in _LIMITS if needs <= data.keys()]
    return "\n\n".join(said) + "\n" if said else ""


def _cost(data: dict[str, Data]) -> str:
    ours, bare = data["chain"]["contenders"]
    costs = {each["name"]: each["cpu_per_million"] for each in data["contest"]["contenders"]}
    alone = data["streams"]["contenders"][1]["ratio"]
    cores, rounds = _shares(data["anatomy"]), data["anatomy"]["rounds"]
    low, *_, high = sorted(1 - each.own for each in cores)
    left, least = (
        1 - median(shares) for shares in ([each.own for each in cores], [each.own_and_rows for each in cores])
    )
    empty = bare["cpu_per_million"] / ours["cpu_per_million"]
    return (
        f"**P1.** A chain of the same topics with nothing in it takes {empty:.0%} of the CPU that ours takes in the "
        "same turns.\n"
        f"For twice Quix Streams ours would have to take {costs['Quix Streams'] / 2 / costs['plaudit']:.0%} of what it "
        f"takes, for Kafka Streams {costs['Kafka Streams'] / costs['plaudit']:.0%}, or {alone:.0%} beside it alone; "
        "both keep all of an event in one process.\n"
        f"Without broker and sockets our stages take {median(each.all for each in cores):.0%} of what they take with "
        f"them in the same turns; {median(each.own for each in cores):.0%} is the cores' own Python: checks, rules, "
        "double entry, ids that are a function of their cause, sequences, order of the boards. The rest is libraries' "
        "(record batches, JSON, MessagePack, RocksDB), and the rows for COPY.\n"
        f"If that Python cost nothing at all, ours would still take {left:.0%} of what it takes ({low:.0%} to "
        f"{high:.0%} in {len(rounds)} rounds), and {least:.0%} if the rows cost nothing either.\n"
        "Its profile is flat. Compiling `rules/` with Cython gained nothing (49.8 against 49.2 µs an event); compiling "
        "cores, rules, tables and formats with mypyc, in six turns, took the share of that Python from 60% to 58%, a "
        "twelfth of it: most of it makes and reads objects, which compiled Python does alike. What remains is the "
        "number of stages, which the architecture fixes, and the language."
    )


class _Shares(NamedTuple):
    """What of the product's cost its cores have without a broker, in one round."""

    all: float
    own: float  # Python
    own_and_rows: float


def _shares(anatomy: Data) -> list[_Shares]:
    found = []
    for each in anatomy["rounds"]:
        steps = each["cores"].values()
        own, rows = (sum(step[name] for step in steps) for name in ("own Python", "rows"))
        every = sum(sum(step.values()) for step in steps)
        found.append(_Shares(*(cost / each["product"] for cost in (every, own, own + rows))))
    return found


def _latency(data: dict[str, Data]) -> str:
    chain, contest = data["chain"], data["contest"]
    ours, bare = (each["latency_ms"] for each in chain["contenders"])
    beside = {each["name"]: each["latency_ms"] for each in contest["contenders"]}
    crowded, streams = beside["plaudit"], beside["Kafka Streams"]
    missed = [other["p99"] for own, other in ((ours, bare), (crowded, streams)) if own["p99"] > P4_BAR_MS]
    return (
        f"**P4.** Ours has a p99 of {ours['p99']:,.0f} ms (p50 {ours['p50']:,.0f}) in turns with a chain that makes "
        f"the same round trips with nothing in it and has {bare['p99']:,.0f} ({bare['p50']:,.0f}), on a host with the "
        f"yardstick {chain['yardstick']}.\n"
        f"It has {crowded['p99']:,.0f} ({crowded['p50']:,.0f}) in turns with all peers, of which Kafka Streams, all of "
        f"it in one process, has {streams['p99']:,.0f} ({streams['p50']:,.0f}), with the yardstick "
        f"{contest['yardstick']}.\n"
        f"{(_MACHINE if min(missed) > P4_BAR_MS else _NO_LIMIT) if missed else ''}"
        "Earlier on 2026-11-22 a slower host gave ours 174 in turns with the empty chain, which had 266.\n"
        "Broker, database, load and five workers share two cores. The first stage gathers for up to 50 ms what users "
        "send one by one, the others take its rounds over as they come, and a round costs a stage 7 to 12 ms of CPU on "
        "a host at half of its speed. With less than 50 ms the cores are full there, and everything waits for them; so "
        "they are while the broker compiles its code.\n"
        "Turns to warm up were brought in after the first results with rounds had been seen: without them ours had "
        "562 ms and the empty chain 322, with one (and one change more to ours) 452 and 209. Older figures of P4 came "
        "from one window without warming up, and can't be compared with these."
    )


_MACHINE = (
    f"Where ours misses {P4_BAR_MS} ms, the other misses them in the same turns, at the speed that the host had.\n"
)
_NO_LIMIT = f"Where ours misses {P4_BAR_MS} ms, the other holds them, so no limit is shown by that.\n"


def _moves(data: dict[str, Data]) -> str:
    low, *_, high = data["boards"]["sizes"]
    return (
        f"**P5.** A move grows {growth(data['boards'], 'moves_us'):.1f} times from {low['members']:,} to "
        f"{high['members']:,} members, a bare binary search among the same places "
        f"{growth(data['boards'], 'searches_us'):.1f} times: the comparisons grow with log n, and each costs more when "
        "what it looks at is not in a cache of the processor."
    )


_LIMITS = (
    (_cost, {"contest", "streams", "chain", "anatomy"}),
    (_latency, {"chain", "contest"}),
    (_moves, {"boards"}),
)

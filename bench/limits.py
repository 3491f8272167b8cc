"""What stands between the product and the bars that it does not meet, from what the bench has measured."""

from typing import Any

from bench.verdicts import P4_BAR_MS

Data = dict[str, Any]


# What of an event's cost is left without broker and sockets, both at the machine's full speed (a decode of 0.95 to
# 1.01 µs): 97 CPU µs in one process on 2026-11-21, 119 with all that belongs to it on 2026-11-22.
_IN_PROCESS = 97 / 119


def limits(data: dict[str, Data]) -> str:
    """Return a paragraph for each limit that was measured; `data` holds what was measured by name."""
    said = [render(data) for render, needs in _LIMITS if needs <= data.keys()]
    return "\n\n".join(said) + "\n" if said else ""


def _cost(data: dict[str, Data]) -> str:
    ours, bare = data["chain"]["contenders"]
    costs = {each["name"]: each["cpu_per_million"] for each in data["contest"]["contenders"]}
    steps = [each["steps"] for each in data["anatomy"]["stages"]]
    own, all_of_it = sum(each["own Python"] for each in steps), sum(sum(each.values()) for each in steps)
    alone = data["streams"]["contenders"][1]["ratio"]
    rows = sum(each["rows"] for each in steps)
    left, least = (1 - part / all_of_it * _IN_PROCESS for part in (own, own + rows))
    empty = bare["cpu_per_million"] / ours["cpu_per_million"]
    return (
        f"**P1.** A chain of the same topics with nothing in it takes {empty:.0%} of the CPU that ours takes in the "
        "same turns.\n"
        f"For twice Quix Streams ours would have to take {costs['Quix Streams'] / 2 / costs['plaudit']:.0%} of what it "
        f"takes, for Kafka Streams {costs['Kafka Streams'] / costs['plaudit']:.0%}, or {alone:.0%} beside it alone; "
        "both keep all of an event in one process.\n"
        f"Without broker and sockets our stages cost {all_of_it:.0f} CPU µs an event, of which {own / all_of_it:.0%} "
        "is the cores' own Python: checks, rules, double entry, ids that are a function of their cause, sequences, "
        "order of the boards. The rest is libraries' (record batches, JSON, MessagePack, RocksDB), and the rows for "
        "COPY.\n"
        f"At the machine's full speed {_IN_PROCESS:.0%} of the cost with broker and sockets is there without them, so "
        f"if that Python cost nothing at all, ours would still take {left:.0%} of what it takes, and {least:.0%} if "
        "the rows cost nothing either.\n"
        "Its profile is flat. Compiling `rules/` with Cython gained nothing (49.8 against 49.2 µs an event); compiling "
        "cores, rules, tables and formats with mypyc, in six turns, took the share of that Python from 60% to 58%, a "
        "twelfth of it: most of it makes and reads objects, which compiled Python does alike. What remains is the "
        "number of stages, which the architecture fixes, and the language."
    )


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
        "On 2026-11-22, half an hour before it ran at full speed, a slower host gave ours 174 in turns with the empty "
        "chain, which had 266.\n"
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
        f"**P5.** A move grows {high['move_us'] / low['move_us']:.1f} times from {low['members']:,} to "
        f"{high['members']:,} members, a bare binary search among the same places "
        f"{high['search_us'] / low['search_us']:.1f} times: the comparisons grow with log n, and each costs more when "
        "what it looks at is not in a cache of the processor."
    )


_LIMITS = (
    (_cost, {"contest", "streams", "chain", "anatomy"}),
    (_latency, {"chain", "contest"}),
    (_moves, {"boards"}),
)

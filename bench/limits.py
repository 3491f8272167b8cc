"""What stands between the product and the bars that it does not meet, from what the bench has measured."""

from typing import Any

Data = dict[str, Any]


def limits(data: dict[str, Data]) -> str:
    """Return a paragraph for each limit that was measured; `data` holds what was measured by name."""
    said = [render(data) for render, needs in _LIMITS if needs <= data.keys()]
    return "\n\n".join(said) + "\n" if said else ""


def _cost(data: dict[str, Data]) -> str:
    ours, bare = data["chain"]["contenders"]
    costs = {each["name"]: each["cpu_per_million"] for each in data["contest"]["contenders"]}
    steps = [each["steps"] for each in data["anatomy"]["stages"]]
    judging, all_of_it = sum(each["judging"] for each in steps), sum(sum(each.values()) for each in steps)
    return (
        f"**P1.** A chain of the same topics with nothing in it costs {bare['cpu_per_million']:.0f} CPU µs an event "
        f"where ours costs {ours['cpu_per_million']:.0f}.\n"
        f"Twice Quix Streams would be {costs['Quix Streams'] / 2:.0f}, Kafka Streams is {costs['Kafka Streams']:.0f}; "
        "both keep all of an event in one process.\n"
        f"Without broker and sockets our stages cost {all_of_it:.0f}, and {judging:.0f} of that is the cores' own "
        "Python: rules, double entry, ids that are a function of their cause, sequences, order of the boards.\n"
        "Its profile is flat, and compiling `rules/` with Cython gained nothing (49.8 against 49.2 µs an event), "
        "so what remains is the number of stages, which the architecture fixes, and the language."
    )


def _latency(data: dict[str, Data]) -> str:
    ours, bare = (each["latency_ms"] for each in data["chain"]["contenders"])
    return (
        f"**P4.** The bare chain has a p99 of {bare['p99']:,.0f} ms (p50 {bare['p50']:,.0f}) where ours has "
        f"{ours['p99']:,.0f} ({ours['p50']:,.0f}), on two cores that broker, database, load and five workers share.\n"
        "At 1,000 events/s they come in handfuls, and a run of a partition costs about 2 ms of CPU however short it "
        "is: a quarter of that is the shell and the stage's core, a fifth the sending of produce requests, the rest "
        "Faust's way of a message, fetching, and wakeups of threads.\n"
        "So a stage waits 50 ms after a fetch that brought something, which over four stages is up to 200 ms. "
        "With 20 ms the cores are nearly full: 154 ms at best, 438 ms a minute later, where 50 ms gave 212 to 257; "
        "with less before the stages behind normalize it was worse, too.\n"
        "What would help is one cycle for all partitions of a fetch instead of one for each, or more cores."
    )


def _moves(data: dict[str, Data]) -> str:
    low, *_, high = data["boards"]["sizes"]
    return (
        f"**P5.** A move grows {high['move_us'] / low['move_us']:.1f} times from {low['members']:,} to "
        f"{high['members']:,} members, a bare binary search among the same places "
        f"{high['search_us'] / low['search_us']:.1f} times: the comparisons grow with log n, and each costs more when "
        "what it looks at is not in a cache of the processor."
    )


_LIMITS = (
    (_cost, {"contest", "chain", "anatomy"}),
    (_latency, {"chain"}),
    (_moves, {"boards"}),
)

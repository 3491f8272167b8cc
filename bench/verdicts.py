"""Which of the figures P1 to P8 are met, judged from the data that the bench has kept."""

from math import log
from statistics import median
from typing import Any

from bench.tables import cost, table

Data = dict[str, Any]
_P7_EVENTS = 5_000_000
_MILLION = 1_000_000
P4_BAR_MS = 150


def verdicts(data: Data) -> str:
    """Return the table of all figures; `data` holds what was measured by name."""
    rows = [["P3 gateway, 1,000 concurrent awards", "p99 ≤ 200 ms", "there is no gateway yet", "open"]]
    for name, figure, bar, judge in _FIGURES:
        found = data.get(name)
        if found is not None and name == "contest":
            found = {**found, **{each: data[each]["contenders"] for each in ("streams", "chain") if each in data}}
        said, met = ("not measured", None) if found is None else judge(found)
        rows.append([figure, bar, said, {True: "met", False: "**not met**", None: "open"}[met]])
    return table(["figure", "bar", "measured", ""], sorted(rows))


def _p1(found: Data) -> tuple[str, bool]:
    ratios = {each["name"]: each["ratio"] for each in found["contenders"] + found.get("streams", [])[1:]}
    bars = {"idiomatic Faust": 10.0, "Quix Streams": 2.0, "Kafka Streams": 1.0}
    said = ", ".join(f"{ratios[name]:.2f} times {name}" for name in bars)
    return said, all(ratios[name] >= bar for name, bar in bars.items())


def _p2(found: Data) -> tuple[str, bool]:
    return f"{found['ratio']:.2f}", found["ratio"] >= 0.7


def _p4(found: Data) -> tuple[str, bool]:
    p99 = found["contenders"][0]["latency_ms"]["p99"]
    beside = [each["latency_ms"]["p99"] for each in found.get("chain", [])]
    bare = f"; beside a bare chain {beside[0]:,.0f} ms, where that takes {beside[1]:,.0f} ms" if beside else ""
    return f"{p99:,.0f} ms beside all peers{bare}", max([p99, *beside[:1]]) <= P4_BAR_MS


def _p5(found: Data) -> tuple[str, bool]:
    sizes = found["sizes"]
    worst = max(question["p99"] for question in sizes[-1]["questions"].values())
    low, high = sizes[0], sizes[-1]
    grows, logarithm = growth(found, "moves_us"), log(high["members"]) / log(low["members"])
    said = (
        f"p99 {worst:.1f} ms with {high['members']:,} members; a move {median(low['moves_us']):.1f} → "
        f"{median(high['moves_us']):.1f} µs, {grows:.1f} times within a round, where log n grows {logarithm:.1f} times "
        f"and a bare binary search {growth(found, 'searches_us'):.1f} times"
    )
    return said, worst <= 5 and high["members"] >= 1_000_000 and grows <= logarithm


def growth(boards: Data, of: str) -> float:
    """Return how many times as much a move or search costs on the greatest board as on the least, within a round."""
    low, *_, high = (each[of] for each in boards["sizes"])
    return median(most / least for most, least in zip(high, low, strict=True))


def _p6(found: Data) -> tuple[str, bool]:
    ratios = sorted(each["plaudit"] / each["Kafka Streams"] for each in found["rounds"])
    middle = ratios[len(ratios) // 2]
    return f"{middle:.2f} with {found['profiles']:,} profiles", middle <= 1 and found["profiles"] >= 1_000_000


def _p7_over_events(found: Data) -> tuple[str, bool | None]:
    said, flat = _p7(found)
    events = found["points"][-1]["events"]
    return f"{said}, up to {events:,} events", flat if events >= _P7_EVENTS or not flat else None


def _p7(found: Data) -> tuple[str, bool]:
    ends = _ends(found)
    if "runs" in found:  # in turns: the host was the same for all runs within a round
        rounds = list(zip(*([cost(point) for point in points] for points in ends), strict=False))
        relative = [median(costs[run] / costs[0] for costs in rounds) for run in range(len(ends))]
        measure = "within a round"
    else:
        relative = [median(cost(point) / point["yardstick_loop"] for point in points) for points in ends]
        measure = "in turns of a bare loop"
    costs = [median(map(cost, points)) for points in ends]
    spread = max(relative) / min(relative) - 1
    return (
        f"{spread:.0%} apart {measure}; {costs[0]:,.0f} → {costs[-1]:,.0f} CPU s per million as the host was",
        spread <= 0.25,
    )


def _p8(found: Data) -> tuple[str, bool]:
    first, *_, last = found["runs"]
    added = last["points"][-1]["memory"]["match"] - first["points"][-1]["memory"]["match"]
    actors = last["points"][-1]["profiles"] - first["points"][-1]["profiles"]
    return f"{added / actors:,.0f} bytes an actor over {actors:,} actors, caches included", added / actors <= 400


def _ends(found: Data) -> list[list[Data]]:
    """Return the first points of one run, those from a million events on and the last; or those of each of several.

    A tenth of a long run each time: a piece takes seconds, and the machine keeps one pace for a minute or two.
    """
    points = found.get("points")
    if not points:
        return [run["points"] for run in found["runs"]]
    some = max(1, len(points) // 10)
    million = sum(point["events"] < _MILLION for point in points[:-some])
    return [points[:some], points[million : million + some], points[-some:]]


_FIGURES = (
    (
        "contest",
        "P1 end to end, events per CPU second",
        "≥ 10 times Faust, 2 times Quix, 1 times Kafka Streams (ratios)",
        _p1,
    ),
    ("sink", "P2 ledger sink against a bare COPY", "≥ 0.7 (ratio)", _p2),
    ("contest", "P4 append to balance, 1,000 events/s", "p99 ≤ 150 ms", _p4),
    ("boards", "P5 board of 1,000,000", "p99 ≤ 5 ms, a move no faster than log n", _p5),
    ("recovery", "P6 recovery of 1,000,000 profiles", "≤ 1 of the time of Kafka Streams (ratio)", _p6),
    ("events", "P7 cost over the events", "flat within 25 % up to 5,000,000 (ratio)", _p7_over_events),
    ("actors", "P7 cost over the actors", "flat within 25 % (ratio)", _p7),
    ("actors", "P8 memory of match", "≤ 400 bytes an actor", _p8),
)

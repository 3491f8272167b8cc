"""The page of figures: each is judged by its bar, and what was not measured is not claimed."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.limits import limits
from bench.page import write_page
from bench.verdicts import verdicts


def contest(**ratios: float) -> dict[str, Any]:
    """Return what the contest leaves, with these ratios to the peers."""
    names = {"faust": "idiomatic Faust", "quix": "Quix Streams", "streams": "Kafka Streams"}
    return {
        "contenders": [
            {"name": name, "ratio": ratio, "latency_ms": {"p99": 100.0}}
            for name, ratio in [("plaudit", 1.0), *((names[key], ratio) for key, ratio in ratios.items())]
        ]
    }


def growth(*costs: float, events: int = 5_000_000, slow: int = 0) -> dict[str, Any]:
    """Return what a long run over so many events leaves, with these costs of its pieces.

    The host is at half of its speed in the first `slow` of them.
    """
    return {
        "points": [
            {
                "events": events * piece // len(costs),
                "cpu_per_million": {"match": cost * speed / 2, "ledger": cost * speed / 2},
                "yardstick_loop": 50.0 * speed,
            }
            for piece, cost, speed in zip(range(1, len(costs) + 1), costs, [2] * slow + [1] * len(costs), strict=False)
        ]
    }


def run(actors: int, memory: int, *costs: float) -> dict[str, Any]:
    """Return a run over a number of actors, with these costs of its pieces."""
    return {
        "actors": actors,
        "points": [
            {"memory": {"match": memory}, "profiles": actors, "cpu_per_million": {"match": cost}}
            for cost in costs or (1.0,)
        ],
    }


@pytest.mark.parametrize(
    ("figure", "data", "verdict"),
    [
        ("P1", {"contest": contest(faust=10.0, quix=2.0, streams=1.0)}, "met"),
        ("P1", {"contest": contest(faust=9.9, quix=2.0, streams=1.0)}, "**not met**"),
        ("P1", {"contest": contest(faust=30.0, quix=1.9, streams=1.0)}, "**not met**"),
        ("P1", {"contest": contest(faust=30.0, quix=2.0, streams=0.9)}, "**not met**"),
        ("P2", {"sink": {"ratio": 0.7}}, "met"),
        ("P2", {"sink": {"ratio": 0.69}}, "**not met**"),
        ("P2", {}, "open"),
        ("P3", {}, "open"),
        ("P4", {"contest": contest(faust=10.0, quix=2.0, streams=1.0)}, "met"),
        ("P6", {"recovery": {"profiles": 1_000_000, "rounds": [{"plaudit": 9.0, "Kafka Streams": 10.0}]}}, "met"),
        ("P6", {"recovery": {"profiles": 1_000, "rounds": [{"plaudit": 9.0, "Kafka Streams": 10.0}]}}, "**not met**"),
        ("P7 cost over the events", {"events": growth(100, 90, 124)}, "met"),
        ("P7 cost over the events", {"events": growth(100, 90, 126)}, "**not met**"),
        ("P7 cost over the events", {"events": growth(*[100] * 58, 200, 100)}, "met"),
        ("P7 cost over the events", {"events": growth(*[100] * 11, *[126] * 6, *[100] * 43)}, "**not met**"),
        ("P7 cost over the events", {"events": growth(100, 90, 124, slow=1)}, "met"),
        ("P7 cost over the events", {"events": growth(100, 90, 126, slow=2)}, "**not met**"),
        ("P7 cost over the events", {"events": growth(100, 90, 124, events=4_999_999)}, "open"),
        ("P7 cost over the events", {"events": growth(100, 90, 126, events=4_999_999)}, "**not met**"),
        ("P7 cost over the actors", {"actors": {"runs": [run(1_000, 0, 1, 2, 1), run(2, 0, 1.2, 2.4, 9)]}}, "met"),
        ("P7 cost over the actors", {"actors": {"runs": [run(1, 0, 1, 2, 1), run(2, 0, 1.3, 2.6, 1)]}}, "**not met**"),
        ("P8", {"actors": {"runs": [run(1_000, 10_000_000), run(101_000, 50_000_000)]}}, "met"),
        ("P8", {"actors": {"runs": [run(1_000, 10_000_000), run(101_000, 50_100_000)]}}, "**not met**"),
    ],
)
def test_a_figure_is_judged_by_its_bar(figure: str, data: dict[str, Any], verdict: str) -> None:
    """Exactly on the bar is met; what was not measured is open, never met."""
    (line,) = [line for line in verdicts(data).splitlines() if line.startswith(f"| {figure}")]

    assert line.split(" | ")[-1].rstrip(" |") == verdict


def test_the_page_says_what_was_not_measured(tmp_path: Path) -> None:
    """And how to measure it; what was measured has its date, machine and yardsticks beside it."""
    found = {
        "date": "2026-11-21",
        "machine": "a machine",
        "versions": {"Faust": "0.15.3"},
        "yardsticks": ["before", "after"],
        "rounds": [{"sink": 70.0, "bare": 100.0}],
        "ratio": 0.7,
        "rows": 1_000,
        "batch": 100,
    }
    (tmp_path / "sink.json").write_text(json.dumps(found))

    write_page(tmp_path / "performance.md", tmp_path)

    page = (tmp_path / "performance.md").read_text()
    assert "| 1 | 70 | 100 | 0.70 |" in page
    assert "2026-11-21; a machine." in page
    assert "Yardstick before: before." in page
    assert "python -m bench full --only recovery" in page
    assert "python -m bench full --only sink" not in page


@pytest.mark.parametrize(
    ("crowded", "streams", "limit"),
    [
        (151.0, 151.0, "the other misses them in the same turns"),
        (151.0, 150.0, "no limit is shown"),
        (150.0, 151.0, None),
    ],
)
def test_a_limit_of_latency_is_claimed_only_where_the_other_misses_the_bar_too(
    crowded: float, streams: float, limit: str | None
) -> None:
    """A peer that holds the bar in the same turns shows that ours could."""

    def contenders(**p99: float) -> dict[str, Any]:
        latencies = [(name.replace("_", " "), {"p50": 1.0, "p99": each}) for name, each in p99.items()]
        return {
            "yardstick": "a yardstick",
            "contenders": [{"name": name, "latency_ms": latency} for name, latency in latencies],
        }

    contest = contenders(plaudit=crowded, Kafka_Streams=streams)
    said = limits({"chain": contenders(plaudit=100, bare=90), "contest": contest})

    assert (limit or "") in said
    assert ("Where ours misses" in said) == (limit is not None)

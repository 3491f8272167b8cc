"""The full form: all peers and all figures, kept as data, then written as tables and pictures to docs/performance.md.

Figures can be measured one at a time (`--only`), on a machine that is quiet for minutes, not for hours: what was
measured before stays, with its own date and yardstick.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import yardstick
from bench.figures import anatomy, boards, contest, flames, growth, recovery, sink
from bench.machine import machine, processor, versions
from bench.page import write_page
from bench.peer import BareChain, KafkaStreams, Peer
from bench.race import Plan
from bench.stand import Stand
from bench.workload import Workload

DOCS = Path(__file__).parents[1] / "docs"
DATA = DOCS / "performance"
console = Console(stderr=True, soft_wrap=True)


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Add this command's options. The defaults are the whole bench, which takes hours."""
    arguments.add_argument("--only", nargs="+", choices=sorted(FIGURES), help="measure these only")
    arguments.add_argument("--page", action="store_true", help="measure nothing, write the page from the data")
    arguments.add_argument("--seed", type=int, default=1, help="seed of the workload (default 1)")
    arguments.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    arguments.add_argument("--records", type=int, default=100_000, help="events of a round of the contest")
    arguments.add_argument("--open-loop", type=int, default=10, help="seconds of a turn of the open loop")
    arguments.add_argument("--events", type=int, nargs="+", default=[100_000, 1_000_000, 5_000_000], help="for growth")
    arguments.add_argument("--actors", type=int, nargs="+", default=[1_000, 100_000, 1_000_000], help="for growth")
    arguments.add_argument("--rules", type=int, nargs="+", default=[10, 30, 1_000], help="for growth")
    arguments.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3, 4], help="for growth")
    arguments.add_argument("--members", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    arguments.add_argument("--profiles", type=int, default=1_000_000, help="for recovery")


def run(arguments: argparse.Namespace) -> bool:
    """Measure, keep the data, write the page; return whether every result equals the model's."""
    wanted = [] if arguments.page else arguments.only or list(FIGURES)
    right = True
    for name in wanted:
        console.print(f"[bold]{name}[/bold]")
        before = yardstick.measure()
        found = FIGURES[name](arguments, console.print)
        kept = {
            "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "machine": f"{processor()}, {machine()}",
            "versions": versions(),
            "yardsticks": [str(before), str(yardstick.measure())],
            **found,
        }
        DATA.mkdir(parents=True, exist_ok=True)
        (DATA / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        right = right and not any(each.get("wrong") for each in found.get("contenders", []))
    write_page(DOCS / "performance.md", DATA)
    console.print(f"{DOCS / 'performance.md'} is written.")
    return right


Report = Callable[[str], None]


def _contest(arguments: argparse.Namespace, report: Report) -> dict[str, Any]:
    return _race(arguments, arguments.records, arguments.open_loop, contest.PEERS, report)


def _streams(arguments: argparse.Namespace, report: Report) -> dict[str, Any]:
    return _race(arguments, 4 * arguments.records, 0, (KafkaStreams,), report)


def _chain(arguments: argparse.Namespace, report: Report) -> dict[str, Any]:
    return _race(arguments, arguments.records // 5, arguments.open_loop, (BareChain,), report)


def _race(
    arguments: argparse.Namespace, records: int, open_loop_s: int, peers: Sequence[type[Peer]], report: Report
) -> dict[str, Any]:
    # A virtual machine compiles while it runs: it gets twice a round to do so before it is measured.
    plan = Plan(2 * records, records, arguments.rounds, open_loop_s, per_second=1_000)
    with Stand() as stand:
        return contest.measure(stand, plan, Workload(events=plan.events, seed=arguments.seed), peers, report)


def _sink(arguments: argparse.Namespace, report: Report) -> dict[str, Any]:
    with Stand("embedded") as stand:
        return sink.measure(stand, Workload(events=200_000, seed=arguments.seed), max(5, arguments.rounds), report)


def _boards(arguments: argparse.Namespace, report: Report) -> dict[str, Any]:
    return boards.measure(arguments.members, report)


def _recovery(arguments: argparse.Namespace, report: Report) -> dict[str, Any]:
    with Stand() as stand:
        return recovery.measure(stand, arguments.profiles, arguments.rounds, report)


def _events(arguments: argparse.Namespace, report: Report) -> dict[str, Any]:
    work = Workload(events=max(arguments.events), actors=100_000, seed=arguments.seed)
    with Stand() as stand:
        return growth.over_events(stand, work, min(arguments.events) // 2, report)


def _actors(arguments: argparse.Namespace, report: Report) -> dict[str, Any]:
    work = Workload(events=2 * min(arguments.events), seed=arguments.seed)
    with Stand() as stand:
        return growth.over_actors(stand, work, arguments.actors, min(arguments.events) // 2, report)


def _rules(arguments: argparse.Namespace, report: Report) -> dict[str, Any]:
    work = Workload(events=2 * min(arguments.events), seed=arguments.seed)
    with Stand() as stand:
        return growth.over_rules(stand, work, arguments.rules, min(arguments.events) // 2, report)


def _workers(arguments: argparse.Namespace, report: Report) -> dict[str, Any]:
    work = Workload(events=2 * min(arguments.events), seed=arguments.seed)
    with Stand() as stand:
        return growth.over_workers(stand, work, arguments.workers, report)


def _anatomy(arguments: argparse.Namespace, report: Report) -> dict[str, Any]:
    rounds = max(9, arguments.rounds)
    work = Workload(events=(rounds + 1) * min(arguments.events) // 4, seed=arguments.seed)
    with Stand() as stand:
        return anatomy.measure(stand, work, rounds, report)


def _flames(arguments: argparse.Namespace, report: Report) -> dict[str, Any]:
    with Stand() as stand:
        return flames.measure(stand, Workload(events=arguments.records, seed=arguments.seed), DATA, report)


FIGURES: dict[str, Callable[[argparse.Namespace, Report], dict[str, Any]]] = {
    "contest": _contest,
    "streams": _streams,
    "chain": _chain,
    "sink": _sink,
    "boards": _boards,
    "recovery": _recovery,
    "events": _events,
    "actors": _actors,
    "rules": _rules,
    "workers": _workers,
    "anatomy": _anatomy,
    "flames": _flames,
}

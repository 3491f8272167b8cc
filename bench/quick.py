"""The quick form: the product against idiomatic Faust and the plain loop, in about two minutes, in one table."""

import argparse
import sys

from rich.console import Console
from rich.table import Table

from bench import yardstick
from bench.contender import Contender
from bench.machine import machine
from bench.peer import FaustIdiomatic, PlainLoop
from bench.product import Product
from bench.race import Plan, Race, Result, ratio
from bench.stand import Stand
from bench.workload import Workload

console = Console(stderr=True)


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    arguments.add_argument("--records", type=int, default=20_000, help="events of one round (default 20,000)")
    arguments.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    arguments.add_argument("--actors", type=int, default=20_000, help="actors (default 20,000)")
    arguments.add_argument("--seed", type=int, default=1, help="seed of the workload (default 1)")
    arguments.add_argument("--open-loop", type=int, default=1, help="seconds of a turn of the open loop (default 1)")
    arguments.add_argument("--per-second", type=int, default=1_000, help="its arrivals (default 1,000 a second)")


def run(arguments: argparse.Namespace) -> bool:
    """Measure and print; return whether every contender's result equals the model's."""
    plan = Plan(
        warm_up=arguments.records,
        records=arguments.records,
        rounds=arguments.rounds,
        open_loop_s=arguments.open_loop,
        per_second=arguments.per_second,
    )
    work = Workload(events=plan.events, actors=arguments.actors, seed=arguments.seed)
    console.print("Starting Apache Kafka and PostgreSQL …")
    with Stand() as stand:
        contenders: list[Contender] = [Product(stand, work), FaustIdiomatic(stand, work), PlainLoop(stand, work)]
        results = Race(stand, work, contenders, console.print).run(plan)
    print_tables(work, plan, results)
    wrong = [f"{result.name}: {line}" for result in results for line in result.wrong]
    for line in wrong:
        console.print(f"[red]differs from the model:[/red] {line}")
    return not wrong


def print_tables(work: Workload, plan: Plan, results: list[Result]) -> None:
    """Print what was measured; the first result is the product's."""
    out = Console(width=None if sys.stdout.isatty() else 160)
    product = results[0]
    sticks = [each.yardstick for result in results for each in result.rounds]
    table = Table(
        title=f"{plan.rounds} rounds of {plan.records:,} events in turns, {work.actors:,} actors, {work.rules} rules, "
        f"seed {work.seed}; {machine()}",
        caption="Medians of the rounds. Ratio: how many times as many events a CPU second of ours takes, in the same "
        f"rounds. Latency: open loop, {plan.per_second:,} arrivals a second on schedule, until the row and its balance "
        f"are committed. Yardstick: {yardstick.middle(sticks)}.",
    )
    for title in ("", "events/s", "CPU s per million", "p50 ms", "p99 ms", "p99.9 ms", "peak MiB", "ratio", "result"):
        table.add_column(title, justify="right" if title else "left")
    for result in results:
        table.add_row(
            result.name,
            f"{result.rate:,.0f}",
            f"{result.cpu_per_million:,.1f}",
            *(f"{result.latency(share) * 1000:,.0f}" for share in (0.5, 0.99, 0.999)),
            f"{sum(result.peak_bytes.values()) / 2**20:,.0f}",
            "" if result is product else f"{ratio(product, result):.2f}",
            "wrong" if result.wrong else "right",
        )
        if len(result.peak_bytes) > 1:
            cpu = result.cpu_by_process()
            for name, peak in result.peak_bytes.items():
                table.add_row(f"  {name}", "", f"{cpu[name]:,.1f}", "", "", "", f"{peak / 2**20:,.0f}", "", "")
        for name, seconds in result.cpu_of_servers().items():
            table.add_row(f"  ({name})", "", f"({seconds:,.1f})", "", "", "", "", "", "", style="dim")
    out.print(table)

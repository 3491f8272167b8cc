"""Each stage alone over the whole workload, then the ledger and the boards held against the model.

With `--against FOLDER` another state of the product, such as a git worktree, is measured in turns with this one. With
`--economy game` the same events play a whole game, in turns with the rules alone, so that its cost can be told.
"""

import argparse
import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench import yardstick
from bench.check import arrived
from bench.contender import differences
from bench.feed import Feed, burst
from bench.machine import machine
from bench.measure import StageResult, watch
from bench.product import SETTINGS, prepare
from bench.stand import Stand
from bench.workload import Workload
from bench.yardstick import Yardstick
from pipeline.metrics import STEPS
from pipeline.topology import EVENTS_RAW, LEADERBOARDS, STAGES, topic_name
from tests.end_to_end.deployment import PARTITIONS, ROOT, Deployment
from tests.wait import until_sync

STAGE_DEADLINE_S = 600.0
PY_SPY = str(Path(sys.executable).parent / "py-spy")
console = Console(stderr=True)


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    arguments.add_argument("--events", type=int, default=200_000, help="distinct events (default 200,000)")
    arguments.add_argument("--actors", type=int, default=20_000, help="actors (default 20,000)")
    arguments.add_argument("--rules", type=int, default=30, help="rules of each economy (default 30)")
    arguments.add_argument("--seed", type=int, default=1, help="seed of the workload (default 1)")
    arguments.add_argument(
        "--economy", choices=("rules", "game"), default="rules", help="with streaks, badges, quests, … (default: rules)"
    )
    arguments.add_argument("--rounds", type=int, default=1, help="in how many pieces the events come (default 1)")
    arguments.add_argument("--stages", nargs="+", metavar="STAGE", help="only these, and what comes before them")
    arguments.add_argument("--against", type=Path, metavar="FOLDER", help="measure another checkout in turns with this")
    arguments.add_argument("--broker", choices=("kafka", "embedded"), default="kafka", help="default: kafka")
    arguments.add_argument("--profile", type=Path, metavar="FOLDER", help="write a flame graph of each stage there")


class Tree:
    """One state of the product under one economy: its deployment, and what its stages did, round by round."""

    def __init__(self, stand: Stand, name: str, root: Path, work: Workload) -> None:
        self.name = name
        self.work = work
        self.prefix = f"{name}."
        self.database = stand.database()
        self.deployment = Deployment(
            stand.household,
            broker=stand.broker,
            database=self.database,
            prefix=self.prefix,
            settings=SETTINGS,
            root=root.resolve(),
        )
        self.results: dict[str, list[StageResult]] = {stage.name: [] for stage in STAGES}

    def wrong(self) -> list[str]:
        """Return in what the ledger and the boards differ from the model, the whole workload being done."""
        expected = self.work.expected()
        url = start_again(self.deployment, LEADERBOARDS.name)
        self.deployment.plaudit("ledger", "verify")
        found = differences(expected, *arrived(self.database, url, expected))
        self.deployment.stop(LEADERBOARDS.name)
        return found


def run(arguments: argparse.Namespace) -> bool:
    """Measure and print; return whether every result equals the model's."""
    work = Workload(
        events=arguments.events,
        actors=arguments.actors,
        tenants=4,
        rules=arguments.rules,
        seed=arguments.seed,
        game=arguments.economy == "game",
    )
    wanted = arguments.stages or [stage.name for stage in STAGES]
    last = max(index for index, stage in enumerate(STAGES) if stage.name in wanted)
    chosen = [stage.name for stage in STAGES[: last + 1]]
    console.print(f"Starting the broker ({arguments.broker}) and PostgreSQL …")
    with Stand(arguments.broker) as stand:
        trees = planted(stand, work, arguments.against)
        sticks = measure(stand, trees, arguments, chosen, wanted)
        print_table(work, trees, [stage for stage in chosen if stage in wanted], sticks)
        if last + 1 < len(STAGES):
            return True
        wrong = [f"{tree.name}: {each}" for tree in trees for each in tree.wrong()]
    for line in wrong:
        console.print(f"[red]differs from the model:[/red] {line}")
    if not wrong:
        console.print("Every balance and every board equals the model's.")
    return not wrong


def planted(stand: Stand, work: Workload, against: Path | None) -> list[Tree]:
    """Return the trees that are measured in turns, their economies in force: this one, and what it is held against."""
    trees = [Tree(stand, "game" if work.game else "bench", ROOT, work)]
    if against:
        trees.append(Tree(stand, "against", against, work))
    elif work.game:
        trees.append(Tree(stand, "rules", ROOT, replace(work, game=False)))
    for tree in trees:
        prepare(tree.deployment, tree.work)
    return trees


def measure(
    stand: Stand, trees: list[Tree], arguments: argparse.Namespace, chosen: list[str], wanted: list[str]
) -> list[Yardstick]:
    """Let every tree do the workload, stage by stage and piece by piece; return what the host was worth meanwhile."""
    sticks: list[Yardstick] = []
    feed = Feed(trees[0].work, PARTITIONS)
    size = -(-int(arguments.events * 1.02) // arguments.rounds)
    for _ in range(arguments.rounds):
        piece = feed.take(size)
        for tree in trees:
            asyncio.run(burst(stand.broker, topic_name(tree.prefix, EVENTS_RAW), piece))
        for stage in chosen:
            for tree in trees:
                sticks.append(yardstick.measure())
                profile = arguments.profile if stage in wanted else None
                tree.results[stage].append(run_stage(tree.deployment, stage, profile))
    sticks.append(yardstick.measure())
    return sticks


def record_flame_graph(file: Path, pid: int) -> None:
    """Sample the worker's stacks into a picture until it ends.

    Only of the thread that holds the interpreter: what a pool's threads wait for looks like work to the sampler, and
    was up to two thirds of the picture. The picture's title is this command line, which therefore names no folder.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    output = ["--output", file.name, "--format", "flamegraph", "--rate", "200", "--gil"]
    subprocess.Popen(
        ["py-spy", "record", "--pid", str(pid), *output],  # noqa: S607 - `executable` is whole
        executable=PY_SPY,
        cwd=file.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def run_stage(deployment: Deployment, stage: str, profile: Path | None) -> StageResult:
    """Run one worker of a stage until its input is finished, then stop it."""
    records = deployment.waiting_records(stage)
    worker = deployment.start(stage)
    if profile is not None:
        until_sync(lambda: deployment.unready(stage) == [], STAGE_DEADLINE_S, f"{stage} is ready")
        record_flame_graph(profile / f"{stage}.svg", worker.pid)
    result = watch(stage, deployment.url(stage), worker.pid, records, STAGE_DEADLINE_S)
    deployment.stop(stage)
    console.print(f"{deployment.prefix}{stage}: {result.rate:,.0f} records/s, {result.cpu_per_million:.1f} CPU µs each")
    return result


def start_again(deployment: Deployment, stage: str) -> str:
    """Start a stage's worker on the state that it left, to be asked for it; return its address once it is ready."""
    deployment.start(stage)
    until_sync(lambda: deployment.unready(stage) == [], STAGE_DEADLINE_S, f"{stage} is ready")
    return deployment.url(stage)


def print_table(work: Workload, trees: list[Tree], stages: list[str], sticks: list[Yardstick]) -> None:
    """Print medians of the rounds, and the ratio of the trees where there are two."""
    compared, played = len(trees) > 1, f"{work.rules} rules{' and a game' if work.game else ''}"
    table = Table(
        title=f"{work.events:,} events, {work.actors:,} actors, {played}, seed {work.seed}; {machine()}",
        caption=f"One worker of each stage, alone; median of {len(trees[0].results[stages[0]])} rounds. "
        "Records/s while every partition has records waiting; to the last: until all are done, though one partition "
        "holds more than the others. Steps: seconds, those of different partitions overlap. "
        f"Yardstick: {yardstick.middle(sticks)}.",
    )
    titles = ["stage", "records/s", "to the last", "CPU s per million", "peak MiB", *STEPS]
    for title in [*titles, "CPU against"] if compared else titles:
        table.add_column(title, justify="left" if title == "stage" else "right")
    for stage in stages:
        results = trees[0].results[stage]
        cells = [
            stage,
            f"{median(each.full_rate for each in results):,.0f}",
            f"{median(each.rate for each in results):,.0f}",
            f"{median(each.cpu_per_million for each in results):.1f}",
            f"{max(each.peak_bytes for each in results) / 2**20:.0f}",
            *(f"{median(each.steps.get(step, 0) for each in results):.2f}" for step in STEPS),
        ]
        if compared:
            pairs = zip(results, trees[1].results[stage], strict=True)
            cells.append(f"{median(one.cpu_per_million / other.cpu_per_million for one, other in pairs):.2f}")
        table.add_row(*cells)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    if compared:
        print_pairs(trees, stages)


def print_pairs(trees: list[Tree], stages: list[str]) -> None:
    """Print what a record of each stage costs in the one tree and in the other."""
    for stage in stages:
        costs = [
            sum(each.cpu_seconds for each in tree.results[stage]) / sum(each.records for each in tree.results[stage])
            for tree in trees
        ]
        said = " against ".join(
            f"{cost * 1e6:.1f} CPU µs ({tree.name})" for cost, tree in zip(costs, trees, strict=True)
        )
        console.print(f"{stage}: {said}, x {costs[0] / costs[1]:.2f}")

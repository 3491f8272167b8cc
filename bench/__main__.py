"""`make bench`: each stage alone over the whole workload, then the ledger and the boards held against the model."""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from bench.check import differences
from bench.measure import StageResult, watch
from bench.workload import Workload
from pipeline.embedded.processes import Household
from pipeline.metrics import STEPS
from pipeline.partitioner import partitioner
from pipeline.recordbatch.model import Output
from pipeline.recordbatch.producer import BatchProducer
from pipeline.topology import EVENTS_RAW, LEADERBOARDS, STAGES, topic_name
from tests.end_to_end.deployment import PARTITIONS, Deployment
from tests.stack import Kafka, Postgres, Tansu
from tests.wait import until_sync

STAGE_DEADLINE_S = 600.0
PY_SPY = str(Path(sys.executable).parent / "py-spy")
# All windows of the workload are held against the model.
SETTINGS = {"PLAUDIT_WINDOWS_KEPT": "100"}
console = Console(stderr=True)


def main() -> None:
    """Run the workload; exit with 1 if a result differs from the model's."""
    arguments = parser().parse_args()
    work = Workload(
        events=arguments.events, actors=arguments.actors, tenants=4, rules=arguments.rules, seed=arguments.seed
    )
    with Household() as household:
        console.print(f"Starting the broker ({arguments.broker}) and PostgreSQL …")
        broker = Kafka(household, starts_fast=False) if arguments.broker == "kafka" else Tansu(household)
        postgres = Postgres(household)
        deployment = Deployment(
            household, broker=broker.address, database=postgres.empty_database(), prefix="bench.", settings=SETTINGS
        )
        with deployment:
            publish(deployment, work)
            sent = asyncio.run(send(broker.address, work))
            console.print(f"{sent:,} events sent; each stage runs alone.")
            results = [run_stage(deployment, stage.name, arguments.profile) for stage in STAGES]
            print_table(work, results)
            url = start_again(deployment, LEADERBOARDS.name)
            wrong = differences(deployment, url, work)
    for line in wrong:
        console.print(f"[red]differs from the model:[/red] {line}")
    if wrong:
        raise SystemExit(1)
    console.print("Every balance and every board equals the model's.")


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    arguments = argparse.ArgumentParser(prog="make bench", description=__doc__)
    arguments.add_argument("--events", type=int, default=200_000, help="distinct events (default 200,000)")
    arguments.add_argument("--actors", type=int, default=20_000, help="actors (default 20,000)")
    arguments.add_argument("--rules", type=int, default=30, help="rules of each economy (default 30, at least 30)")
    arguments.add_argument("--seed", type=int, default=1, help="seed of the workload (default 1)")
    arguments.add_argument("--broker", choices=("kafka", "embedded"), default="kafka", help="default: kafka")
    arguments.add_argument("--profile", type=Path, metavar="FOLDER", help="write a flame graph of each stage there")
    return arguments


def publish(deployment: Deployment, work: Workload) -> None:
    """Publish the tenants' economies; they are in force once this returns and their margin is over."""
    with tempfile.TemporaryDirectory() as folder:
        for tenant in work.tenant_names():
            file = Path(folder) / f"{tenant}.yaml"
            file.write_text(json.dumps(work.economy(tenant)))  # JSON is YAML
            deployment.plaudit("economy", "publish", str(file), "--wait")


async def send(broker: str, work: Workload) -> int:
    """Append the workload to `events.raw` in its order; return the number of records."""
    partition_of = partitioner(PARTITIONS)
    waiting: dict[int, list[Output]] = defaultdict(list)
    sent = 0
    producer = BatchProducer(broker, client_id="bench")
    await producer.start()
    topic = topic_name("bench.", EVENTS_RAW)
    for action in work.sent():
        key, value = action.record()
        partition = partition_of(key)
        waiting[partition].append(Output(key, value))
        sent += 1
        if len(waiting[partition]) >= 5_000:
            await producer.append(topic, partition, waiting.pop(partition))
    for partition, outputs in waiting.items():
        await producer.append(topic, partition, outputs)
    await producer.stop()
    return sent


def record_flame_graph(file: Path, pid: int) -> None:
    """Sample the worker's stacks into a picture until it ends."""
    file.parent.mkdir(parents=True, exist_ok=True)
    subprocess.Popen(
        [PY_SPY, "record", "--pid", str(pid), "--output", str(file), "--format", "flamegraph", "--rate", "200"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def run_stage(deployment: Deployment, stage: str, profile: Path | None) -> StageResult:
    """Run one worker of a stage until its input is finished, then stop it."""
    records = deployment.waiting_records(stage)
    with console.status(f"{stage}: {records:,} records"):
        worker = deployment.start(stage)
        if profile is not None:
            until_sync(lambda: deployment.unready(stage) == [], STAGE_DEADLINE_S, f"{stage} is ready")
            record_flame_graph(profile / f"{stage}.svg", worker.pid)
        result = watch(stage, deployment.url(stage), worker.pid, records, STAGE_DEADLINE_S)
        deployment.stop(stage)
    console.print(f"{stage}: {result.rate:,.0f} records/s")
    return result


def start_again(deployment: Deployment, stage: str) -> str:
    """Start a stage's worker on the state that it left, to be asked for it; return its address once it is ready."""
    deployment.start(stage)
    until_sync(lambda: deployment.unready(stage) == [], STAGE_DEADLINE_S, f"{stage} is ready")
    return deployment.url(stage)


def print_table(work: Workload, results: list[StageResult]) -> None:
    """Print what was measured, on what."""
    memory = psutil.virtual_memory().total / 2**30
    table = Table(
        title=f"{work.events:,} events, {work.actors:,} actors, {work.rules} rules, seed {work.seed}; "
        f"{os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}",
        caption="One worker of each stage, alone. Steps: seconds; those of different partitions overlap.",
    )
    for title in ("stage", "records/s", "CPU s per million", "peak MiB", *STEPS):
        table.add_column(title, justify="left" if title == "stage" else "right")
    for result in results:
        table.add_row(
            result.stage,
            f"{result.rate:,.0f}",
            f"{result.cpu_per_million:.1f}",
            f"{result.peak_bytes / 2**20:.0f}",
            *(f"{result.steps.get(step, 0):.2f}" for step in STEPS),
        )
    Console().print(table)


if __name__ == "__main__":
    main()

"""Where the time of each stage goes: a flame graph of its worker, alone over the workload."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.feed import Feed, burst
from bench.product import Product
from bench.stages import run_stage
from bench.stand import Stand
from bench.workload import Workload
from pipeline.topology import STAGES
from tests.end_to_end.deployment import PARTITIONS


def measure(stand: Stand, work: Workload, folder: Path, report: Callable[[str], None]) -> dict[str, Any]:
    """Draw `<stage>.svg` for each stage into a folder; return what each did meanwhile, slowed down by being sampled."""
    product = Product(stand, work, "flames.")
    product.prepare()
    asyncio.run(burst(stand.broker, product.topic, Feed(work, PARTITIONS).take(2 * work.events)))
    found = []
    for stage in STAGES:
        result = run_stage(product.deployment, stage.name, folder)
        report(f"{stage.name}: {folder / stage.name}.svg")
        found.append({"stage": stage.name, "rate": result.rate, "cpu_per_million": result.cpu_per_million})
    return {"events": work.events, "actors": work.actors, "seed": work.seed, "stages": found}

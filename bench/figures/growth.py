"""P7 and P8: what the product costs, and what match holds in memory, as events, actors, rules and workers grow.

Each run is a deployment of its own with one worker of each stage, fed piece by piece; every piece is waited for, so
that cost and memory are known at each number of events. Runs that are held against each other are fed in turns, so that
the host's moods hit all alike.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from bench.feed import Feed, burst
from bench.figures.pieces import ProductRun
from bench.measure import samples
from bench.processes import cpu_seconds
from bench.product import Product
from bench.stand import Stand
from bench.workload import Workload
from pipeline.topology import MATCH
from tests.end_to_end.deployment import PARTITIONS
from tests.wait import until_sync

_WORKER_S = 600.0
_numbers = count()

Report = Callable[[str], None]


def over_events(stand: Stand, work: Workload, piece: int, report: Report) -> dict[str, Any]:
    """Return cost and memory after each piece of one long run."""
    (points,) = _in_turns(stand, [work], piece, report)
    return {"actors": work.actors, "rules": work.rules, "seed": work.seed, "points": points}


def over_actors(stand: Stand, work: Workload, actors: Sequence[int], piece: int, report: Report) -> dict[str, Any]:
    """Return the same for runs with different numbers of actors, in turns; each has `work.events` events."""
    each_run = _in_turns(stand, [replace(work, actors=each) for each in actors], piece, report)
    runs = [{"actors": each, "points": points} for each, points in zip(actors, each_run, strict=True)]
    return {"rules": work.rules, "seed": work.seed, "runs": runs}


def over_rules(stand: Stand, work: Workload, rules: Sequence[int], piece: int, report: Report) -> dict[str, Any]:
    """Return the same for runs with different numbers of rules, in turns; an event meets as many of them in each."""
    each_run = _in_turns(stand, [replace(work, rules=each) for each in rules], piece, report)
    runs = [{"rules": each, "points": points} for each, points in zip(rules, each_run, strict=True)]
    return {"actors": work.actors, "seed": work.seed, "runs": runs}


def over_workers(stand: Stand, work: Workload, workers: Sequence[int], report: Report) -> dict[str, Any]:
    """Return how fast 1 to 4 workers of match get through what normalize and dedupe have left for them."""
    runs = []
    for number in workers:
        runs.append({"workers": number, **_match_alone(_fed(stand, work), number)})
        report(f"{number} workers of match: {runs[-1]['rate']:,.0f} records/s")
    return {"events": work.events, "actors": work.actors, "runs": runs}


def _match_alone(product: Product, workers: int) -> dict[str, float]:
    """Let normalize and dedupe do their part, then measure so many workers of match."""
    for stage in ("normalize", "dedupe"):
        product.deployment.start(stage)
        _finish(product, stage)
        product.deployment.stop(stage)
    records = product.deployment.waiting_records(MATCH.name)
    names = ["", *(f"-{each}" for each in range(2, workers + 1))]
    pids = [product.deployment.start(MATCH.name, name).pid for name in names]
    stages = [f"{MATCH.name}{name}" for name in names]
    until_sync(lambda: _done(product, stages) > 0, _WORKER_S, "match has begun")
    start, before, cpu = time.perf_counter(), _done(product, stages), sum(map(cpu_seconds, pids))
    until_sync(lambda: _done(product, stages) >= records, _WORKER_S, "match is done")
    seconds, done = time.perf_counter() - start, records - before
    used = sum(map(cpu_seconds, pids)) - cpu
    for stage in stages:
        product.deployment.stop(stage)
    return {"rate": done / seconds, "cpu_per_million": used / done * 1e6}


def _in_turns(stand: Stand, works: Sequence[Workload], piece: int, report: Report) -> list[list[dict[str, Any]]]:
    """Run a deployment over each workload, piece by piece in turns; return the points of each."""
    runs = [ProductRun(stand, work, piece, report) for work in works]
    going = runs
    while going:
        going = [run for run in going if run.turn()]
    for run in runs:
        run.finish()
    return [run.points for run in runs]


def _fed(stand: Stand, work: Workload) -> Product:
    """Return a deployment without workers whose `events.raw` holds the workload."""
    product = Product(stand, work, f"growth{next(_numbers)}.")
    product.prepare()
    asyncio.run(burst(stand.broker, product.topic, Feed(work, PARTITIONS).take(2 * work.events)))
    return product


def _finish(product: Product, stage: str) -> None:
    until_sync(lambda: product.deployment.waiting_records(stage) == 0, _WORKER_S, f"{stage} is done")


def _done(product: Product, stages: Sequence[str]) -> float:
    """Return the records that workers have finished."""
    return sum(
        value
        for stage in stages
        for name, _, value in samples(product.deployment.url(stage))
        if name == "plaudit_batch_records_sum"
    )

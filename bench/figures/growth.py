"""P7 and P8: what the product costs, and what match holds in memory, as events, actors, rules and workers grow.

Each run is a deployment of its own with one worker of each stage, fed piece by piece; every piece is waited for, so
that cost and memory are known at each number of events.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from bench import yardstick
from bench.contender import Rows, wait_until_done
from bench.feed import Feed, burst
from bench.measure import samples
from bench.processes import cpu_seconds, resident_bytes
from bench.product import Product
from bench.stand import Stand
from bench.workload import Workload
from pipeline.topology import MATCH
from tests.end_to_end.deployment import PARTITIONS
from tests.wait import until_sync

_PIECE_S = 1_800.0
_WORKER_S = 600.0
_numbers = count()

Report = Callable[[str], None]


def over_events(stand: Stand, work: Workload, piece: int, report: Report) -> dict[str, Any]:
    """Return cost and memory after each piece of one long run."""
    return {"actors": work.actors, "rules": work.rules, "seed": work.seed, "points": _run(stand, work, piece, report)}


def over_actors(stand: Stand, work: Workload, actors: Sequence[int], piece: int, report: Report) -> dict[str, Any]:
    """Return the same for runs with different numbers of actors; each has `work.events` events."""
    runs = [{"actors": each, "points": _run(stand, replace(work, actors=each), piece, report)} for each in actors]
    return {"rules": work.rules, "seed": work.seed, "runs": runs}


def over_rules(stand: Stand, work: Workload, rules: Sequence[int], piece: int, report: Report) -> dict[str, Any]:
    """Return the same for runs with different numbers of rules; an event meets as many of them in each."""
    runs = [{"rules": each, "points": _run(stand, replace(work, rules=each), piece, report)} for each in rules]
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


def _run(stand: Stand, work: Workload, piece: int, report: Report) -> list[dict[str, Any]]:
    """Run a deployment over a workload; return one point per whole piece. The first warms up and is not counted."""
    product = Product(stand, work, f"growth{next(_numbers)}.")
    product.start()
    feed, rows, points = Feed(work, PARTITIONS), Rows(product), list[dict[str, Any]]()
    done = posting = 0
    while len((taken := feed.take(piece)).records) == piece:
        stick = yardstick.measure()
        posting += taken.posting
        before = {name: cpu_seconds(pid) for name, pid in product.processes().items()}
        begun = asyncio.run(burst(stand.broker, product.topic, taken))
        ended = wait_until_done(product, rows, taken, posting, _PIECE_S)
        used = {name: cpu_seconds(pid) - before[name] for name, pid in product.processes().items()}
        done += len(taken.records)
        if done > len(taken.records):
            points.append(
                {
                    "events": done,
                    "profiles": len({(tenant, actor) for tenant, actor, _ in feed.expected.balances}),
                    "rate": len(taken.records) / (ended - begun),
                    "cpu_per_million": {name: each / len(taken.records) * 1e6 for name, each in used.items()},
                    "memory": {name: resident_bytes(pid) for name, pid in product.processes().items()},
                    "yardstick_loop": stick.loop,
                }
            )
            cost = sum(points[-1]["cpu_per_million"].values())
            report(f"{work.actors:,} actors, {work.rules} rules, {done:,} events: {cost:,.1f} CPU µs an event")
    if taken.records:  # the rest, which is in the model
        asyncio.run(burst(stand.broker, product.topic, taken))
        wait_until_done(product, rows, taken, posting + taken.posting, _PIECE_S)
    rows.close()
    wrong = product.stop_and_compare(feed.expected)
    if wrong:
        raise AssertionError(f"{work}: {wrong}")
    return points


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

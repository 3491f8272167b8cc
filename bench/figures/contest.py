"""P1 and P4: the product and all peers over the same workload in turns, then on a schedule of 1,000 events a second."""

from collections.abc import Callable, Sequence
from typing import Any

from bench import yardstick
from bench.contender import Contender
from bench.peer import FaustIdiomatic, KafkaStreams, Peer, PlainLoop, Quix
from bench.product import Product
from bench.race import Plan, Race, Result, ratio
from bench.stand import Stand
from bench.workload import Workload

_SHARES = (0.5, 0.99, 0.999)


PEERS: tuple[type[Peer], ...] = (FaustIdiomatic, Quix, KafkaStreams, PlainLoop)


def measure(
    stand: Stand, plan: Plan, work: Workload, peers: Sequence[type[Peer]], report: Callable[[str], None]
) -> dict[str, Any]:
    """Return what each did; the product comes first."""
    product = Product(stand, work, "contest.")
    contenders: list[Contender] = [product, *(peer(stand, work) for peer in peers)]
    results = Race(stand, work, contenders, report).run(plan)
    sticks = [each.yardstick for result in results for each in result.rounds]
    return {
        "plan": {
            "warm_up": plan.warm_up,
            "records": plan.records,
            "rounds": plan.rounds,
            "per_second": plan.per_second,
        },
        "open_loop_s": plan.open_loop_s,
        "workload": {"actors": work.actors, "tenants": work.tenants, "rules": work.rules, "seed": work.seed},
        "yardstick": str(yardstick.middle(sticks)),
        "contenders": [
            _summary(result, results[0], contender) for result, contender in zip(results, contenders, strict=True)
        ],
    }


def _summary(result: Result, product: Result, contender: Contender) -> dict[str, Any]:
    return {
        "name": result.name,
        "share": contender.share,
        "rate": result.rate,
        "cpu_per_million": result.cpu_per_million,
        "cpu_by_process": result.cpu_by_process(),
        "cpu_of_servers": result.cpu_of_servers(),
        "idle_share": max(each.idle_cpu / each.seconds for each in result.rounds),
        "latency_ms": {f"p{share * 100:g}": result.latency(share) * 1000 for share in _SHARES if result.open_loops},
        "latencies": [round(result.latency(step / 200) * 1000, 1) for step in range(200) if result.open_loops],
        "turns": [
            {"p99": turn.percentile(0.99) * 1000, "stolen": turn.stolen, "decode": turn.yardstick.decode}
            for turn in result.open_loops
        ],
        "peak_mib": {name: peak / 2**20 for name, peak in result.peak_bytes.items()},
        "rounds": [
            {"rate": each.records / each.seconds, "cpu": each.own_cpu / each.records * 1e6} for each in result.rounds
        ],
        "ratio": ratio(product, result),
        "wrong": result.wrong,
    }

"""Where each stage's CPU time goes, event by event, in one process and without a broker, in turns with the product.

No sockets, no event loop, no Faust, so the sum is a floor: what a stage costs before it talks to anybody. What the
product costs beyond it is the price of talking.
"""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast

from agents.dedupe import DedupeStage
from agents.leaderboards import LeaderboardsStage
from agents.ledger import Ledger, LedgerStage
from agents.match import MatchStage
from agents.normalize import NormalizeStage
from bench.figures.cores import JUDGING, LOOKING_UP, STEPS, TRANSLATING, Clock, Stage
from bench.figures.pieces import ProductRun
from bench.stand import Stand
from bench.workload import Workload
from pipeline.economies import EconomyFollower
from pipeline.recordbatch.model import Appendable
from pipeline.recordbatch.run import collect_seldom
from pipeline.recordbatch.store import ShardFolder, StoreOptions
from pipeline.topology import BOARDS, EVENTS, EVENTS_UNIQUE, FACTS, PROFILES, SEEN, TRANSACTIONS
from rules.compiler import compile_economy
from rules.document import validate
from rules.economy import Economy
from rules.schema import EconomyDocument
from tables.board_shards import BoardShards

Report = Callable[[str], None]


def measure(stand: Stand, work: Workload, rounds: int, report: Report) -> dict[str, Any]:
    """Return CPU microseconds an event of each step of each stage, round by round, and of the whole product.

    Cores and product take the same pieces of the workload in turns. The first warms up and is not counted.
    """
    collect_seldom()  # as in a worker
    piece = work.events // (rounds + 1)
    product, sent = ProductRun(stand, work, piece, report), work.sent()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        stages = _stages(work, ShardFolder(Path(folder), StoreOptions()))
        for number in range(rounds + 1):
            records: list[Appendable] = [
                (key, value, ()) for key, value in (each.record() for each in islice(sent, piece))
            ]
            steps = _turn(stages, records)
            product.turn()
            if number:
                found.append({"cores": steps, "product": sum(product.points[-1]["cpu_per_million"].values())})
                report(f"cores: {sum(sum(each.values()) for each in steps.values()):.1f} CPU µs an event")
    product.finish()
    return {"events": piece, "actors": work.actors, "seed": work.seed, "rounds": found}


def _stages(work: Workload, disk: ShardFolder) -> list[Stage]:
    boards, sink = BoardShards(), cast("Ledger", None)
    economies = cast("EconomyFollower", _Economies(work))
    return [
        Stage("normalize", NormalizeStage(EVENTS.name, "dead", 1, "cloudevents", None), disk, None, EVENTS.name),
        Stage("dedupe", DedupeStage(EVENTS_UNIQUE.name, "outcomes", "dead", 30), disk, SEEN, EVENTS_UNIQUE.name),
        Stage("match", MatchStage(prefix="", economies=economies), disk, PROFILES, TRANSACTIONS.name),
        Stage("ledger", LedgerStage(events=EVENTS.name, dead_letters="dead", sink=sink), disk, None, ""),
        Stage(
            "leaderboards",
            LeaderboardsStage(facts=FACTS.name, dead_letters="dead", windows_kept=8, shards=boards),
            disk,
            BOARDS,
            "",
        ),
    ]


def _turn(stages: Sequence[Stage], records: Sequence[Appendable]) -> dict[str, dict[str, float]]:
    """Let records go through all stages; return the CPU microseconds of each step for one of them."""
    *chain, ledger, leaderboards = stages
    clocks: dict[str, Clock] = defaultdict(Clock)
    forwarded = records
    for stage in chain:
        forwarded = stage.process(forwarded, clocks[stage.name])
    for stage in (ledger, leaderboards):
        stage.process(forwarded, clocks[stage.name])
    for clock in clocks.values():
        clock.seconds[JUDGING] -= clock.seconds[TRANSLATING] + clock.seconds[LOOKING_UP]
    return {
        stage: {step: clock.seconds[step] / len(records) * 1e6 for step in STEPS} for stage, clock in clocks.items()
    }


class _Economies:
    """Every tenant's economy, known from the beginning."""

    def __init__(self, work: Workload) -> None:
        self._known = {
            name: compile_economy(cast("EconomyDocument", validate(work.economy(name))), 1, 0)
            for name in work.tenant_names()
        }

    def at(self, tenant: str, _appended_ms: int) -> Economy:
        return self._known[tenant]

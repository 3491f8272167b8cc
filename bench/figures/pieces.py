"""A deployment of the product that is fed a workload piece by piece, each of which is waited for."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

from bench import yardstick
from bench.contender import Rows, wait_until_done
from bench.feed import Feed, burst
from bench.processes import cpu_seconds, resident_bytes
from bench.product import Product
from bench.stand import Stand
from bench.workload import Workload
from tests.end_to_end.deployment import PARTITIONS

_PIECE_S = 1_800.0
_numbers = count()


class ProductRun:
    """A deployment on its way through a workload: one point per whole piece. The first warms up and is not counted."""

    def __init__(self, stand: Stand, work: Workload, piece: int, report: Callable[[str], None]) -> None:
        """Start a deployment that is to be fed pieces of so many records; `report` gets a line for each point."""
        self.points: list[dict[str, Any]] = []
        self._broker = stand.broker
        self._work = work
        self._piece = piece
        self._report = report
        self._product = Product(stand, work, f"run{next(_numbers)}.")
        self._product.start()
        self._feed, self._rows = Feed(work, PARTITIONS), Rows(self._product)
        self._done = self._posting = 0

    def turn(self) -> bool:
        """Do a piece; return whether it was a whole one, after which there may be more."""
        taken, stick = self._feed.take(self._piece), yardstick.measure()
        if not taken.records:
            return False
        before = {name: cpu_seconds(pid) for name, pid in self._product.processes().items()}
        self._posting += taken.posting
        begun = asyncio.run(burst(self._broker, self._product.topic, taken))
        ended = wait_until_done(self._product, self._rows, taken, self._posting, _PIECE_S)
        used = {name: cpu_seconds(pid) - before[name] for name, pid in self._product.processes().items()}
        self._done += len(taken.records)
        whole = len(taken.records) == self._piece
        if whole and self._done > self._piece:
            self.points.append(
                {
                    "events": self._done,
                    "profiles": len({(tenant, actor) for tenant, actor, _ in self._feed.expected.balances}),
                    "rate": len(taken.records) / (ended - begun),
                    "cpu_per_million": {name: each / len(taken.records) * 1e6 for name, each in used.items()},
                    "memory": {name: resident_bytes(pid) for name, pid in self._product.processes().items()},
                    "yardstick_loop": stick.loop,
                }
            )
            work, cost = self._work, sum(self.points[-1]["cpu_per_million"].values())
            self._report(
                f"{work.actors:,} actors, {work.rules} rules, {self._done:,} events: {cost:,.1f} CPU µs an event"
            )
        return whole

    def finish(self) -> None:
        """Stop the deployment, whose turns are over, and hold it against the model."""
        self._rows.close()
        wrong = self._product.stop_and_compare(self._feed.expected)
        if wrong:
            raise AssertionError(f"{self._work}: {wrong}")

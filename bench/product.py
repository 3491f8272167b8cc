"""The product as a contender: one worker of each stage."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.check import arrived
from bench.contender import differences
from bench.measure import samples
from bench.stand import Stand
from bench.workload import Expected, Workload
from pipeline.settings import Settings
from pipeline.topology import EVENTS_RAW, LEADERBOARDS, topic_name
from tests.end_to_end.deployment import Deployment

# As users have it, where the deployment of the tests is hastier: it commits and looks around many times as often.
_AS_SHIPPED = ("commit_interval_s", "economy_margin_s", "session_timeout_s")
SETTINGS = {
    **{f"PLAUDIT_{name.upper()}": str(Settings.model_fields[name].default) for name in _AS_SHIPPED},
    "PLAUDIT_WINDOWS_KEPT": "100",  # all windows of the workload are held against the model
}


class Product:
    """Plaudit: five workers, each a process of its own."""

    name: ClassVar[str] = "plaudit"
    share: ClassVar[float] = 1.0
    transfers: ClassVar[str] = "plaudit.transfers"

    def __init__(self, stand: Stand, work: Workload, prefix: str = "bench.") -> None:
        """Prepare a deployment whose names begin with `prefix`."""
        self.topic = topic_name(prefix, EVENTS_RAW)
        self.database = stand.database()
        self._work = work
        self.deployment = Deployment(
            stand.household, broker=stand.broker, database=self.database, prefix=prefix, settings=SETTINGS
        )

    def prepare(self) -> None:
        """Make what its workers need, and start none."""
        prepare(self.deployment, self._work)

    def start(self) -> None:
        self.prepare()
        self.deployment.start_all()

    def processes(self) -> Mapping[str, int]:
        return {name: worker.pid for name, worker in self.deployment.workers.items()}

    def tail(self) -> str:
        return self.deployment.logs()

    def died(self) -> bool:
        return any(worker.exit_code is not None for worker in self.deployment.workers.values())

    def boards_done(self, posting: int) -> bool:
        done = sum(
            value
            for name, _, value in samples(self.deployment.url(LEADERBOARDS.name))
            if name == "plaudit_batch_records_sum"
        )
        return done >= posting

    def stop_and_compare(self, expected: Expected) -> list[str]:
        self.deployment.plaudit("ledger", "verify")
        found = differences(expected, *arrived(self.database, self.deployment.url(LEADERBOARDS.name), expected))
        for stage in list(self.deployment.workers):
            self.deployment.stop(stage)
        return found


def prepare(deployment: Deployment, work: Workload) -> None:
    """Make schema and topics and publish the tenants' economies; they are in force once this returns."""
    deployment.plaudit("db", "upgrade")
    deployment.plaudit("topics", "create")
    with tempfile.TemporaryDirectory() as folder:
        for tenant in work.tenant_names():
            file = Path(folder) / f"{tenant}.yaml"
            file.write_text(json.dumps(work.economy(tenant)))  # JSON is YAML
            deployment.plaudit("economy", "publish", str(file), "--wait")

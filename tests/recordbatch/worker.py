"""A worker with a summing stage, run as a process of its own: `python -m tests.recordbatch.worker OPTIONS`.

OPTIONS is a JSON object: the fields of `Setup`. State is (sum, last sequence) per key; each record gives an output with
the key's new sum. A record that is no number becomes a dead letter; the value `defect` breaks the stage.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from pipeline import logs
from pipeline.errors import InvariantBroken, TransientError
from pipeline.recordbatch.app import BatchApp, WorkerOptions
from pipeline.recordbatch.model import Effects, Run, StageCore, TableView
from pipeline.recordbatch.run import run_app
from pipeline.recordbatch.shards import Shard
from tests.wait import until

SUMS = "sums"
HELD_S = 100.0


class Setup(msgspec.Struct, kw_only=True, frozen=True):
    """What a test decides. `die_after` names an effect after which the process kills itself in run `die_in_run`.

    While the file `hold` exists, runs wait before they are computed; while `sink_away` exists, delivery fails.
    """

    broker: str
    prefix: str
    folder: str
    web_port: int
    records_max: int = 50
    bytes_max: int = 1 << 20
    session_timeout_s: float = 3.0
    commit_interval_s: float = 0.2
    sole_writer_check_s: float = 30.0
    die_after: str = ""
    die_in_run: int = 2
    hold: str = ""
    sink_away: str = ""
    journal: str = ""


class Table(msgspec.Struct, frozen=True):
    """A table of the stage."""

    name: str
    retention_days: int | None = None


class State(msgspec.Struct, frozen=True, array_like=True):
    """A key's sum and the last sequence in it."""

    total: int = 0
    last: int = -1


class SummingStage(StageCore):
    """Adds up the numbers of each key."""

    def __init__(self, setup: Setup, die: Callable[[str], None]) -> None:
        self._setup = setup
        self._die = die
        self.app: Any = None

    async def before(self, run: Run) -> None:
        self._note(f"run {run.partition} {run.records[0].offset} {run.records[-1].offset} {len(run.records)}")
        if self._setup.hold:
            await until(lambda: not Path(self._setup.hold).exists(), HELD_S, "the test lets the run go")

    def process(self, run: Run, tables: dict[str, TableView]) -> Effects:
        effects = Effects(run.partition)
        keys = [record.key or b"" for record in run.records]
        states = {
            key: State() if value is None else msgspec.msgpack.decode(value, type=State)
            for key, value in zip(keys, tables[SUMS].get_many(keys), strict=True)
        }
        for record, key in zip(run.records, keys, strict=True):
            headers = (("plaudit-seq", b"%d" % record.offset),)
            value = record.value or b""
            if value == b"defect":
                raise InvariantBroken("the stage has a defect")
            if not value.isdigit():
                effects.emit(self._setup.prefix + "refused", key, value, headers)
                continue
            state = states[key]
            if record.offset <= state.last:
                continue
            states[key] = state = State(state.total + int(value), record.offset)
            effects.put(SUMS, key, msgspec.msgpack.encode(state), record.offset)
            effects.emit(self._setup.prefix + "out", key, b"%d" % state.total, headers)
        return effects

    async def deliver(self, run: Run, effects: Effects) -> None:
        self._die("compute")
        if self._setup.sink_away and os.path.exists(self._setup.sink_away):  # noqa: ASYNC240, PTH110 - a test's switch
            raise TransientError("the sink is away")

    def partition_opened(self, partition: int, tables: dict[str, TableView]) -> None:
        self._note(f"opened {partition} {self.app.worker.partitions.owned[partition].target}")

    def partition_closed(self, partition: int) -> None:
        self._note(f"closed {partition}")

    def _note(self, line: str) -> None:
        if self._setup.journal:
            with Path(self._setup.journal).open("a") as file:
                file.write(f"{os.getpid()} {line}\n")


class Fault:
    """Kills the process right after a named effect of a run."""

    def __init__(self, setup: Setup) -> None:
        self._after, self._in_run = setup.die_after, setup.die_in_run
        self._seen = 0

    def __call__(self, effect: str) -> None:
        if effect == self._after:
            self._seen += 1
            if self._seen >= self._in_run:
                os.kill(os.getpid(), signal.SIGKILL)

    def put_into(self, app: BatchApp) -> None:
        """Put the fault behind the effects."""
        self._behind(app.worker.shell, "_produce", "outputs")
        self._behind(Shard, "log_changes", "changelog")
        self._behind(Shard, "write", "disk")

    def _behind(self, owner: Any, name: str, effect: str) -> None:
        act = getattr(owner, name)

        async def act_async(*arguments: Any, **named: Any) -> Any:
            result = await act(*arguments, **named)
            self(effect)
            return result

        def act_sync(*arguments: Any, **named: Any) -> Any:
            result = act(*arguments, **named)
            self(effect)
            return result

        setattr(owner, name, act_async if asyncio.iscoroutinefunction(act) else act_sync)

    def put_behind_ack(self, app: BatchApp) -> None:
        """Put the fault between acknowledgement and commit; the consumer exists once a partition is assigned."""
        self._behind(app.consumer, "settle", "ack")


def main() -> int:
    """Run until a signal or a failure."""
    setup = msgspec.json.decode(sys.argv[1], type=Setup)
    logs.configure("info", "console")
    fault = Fault(setup)
    stage = SummingStage(setup, fault)
    options = WorkerOptions(
        stage="sum",
        app_id=setup.prefix + "sum",
        broker=setup.broker,
        source=setup.prefix + "in",
        folder=Path(setup.folder),
        tables=[Table(SUMS)],
        changelogs={SUMS: setup.prefix + "changelog"},
        records_max=setup.records_max,
        bytes_max=setup.bytes_max,
        session_timeout_s=setup.session_timeout_s,
        # Between the acknowledgement and the commit there must be time to die.
        commit_interval_s=3600.0 if setup.die_after == "ack" else setup.commit_interval_s,
        sole_writer_check_s=setup.sole_writer_check_s,
        web_port=setup.web_port,
    )
    app = BatchApp(options, stage)
    stage.app = app
    fault.put_into(app)
    if setup.die_after == "ack":
        opened = stage.partition_opened

        def with_fault(partition: int, tables: dict[str, TableView]) -> None:
            opened(partition, tables)
            if not hasattr(app.consumer.settle, "__wrapped__"):
                fault.put_behind_ack(app)

        stage.partition_opened = with_fault  # type: ignore[method-assign]
    return 0 if run_app(app) else 1


if __name__ == "__main__":
    sys.exit(main())

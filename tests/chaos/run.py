"""One chaos run: starts everything, lets the faults happen while events flow, drains, and holds it all to the model."""

import heapq
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.embedded.processes import Household
from pipeline.topology import EVENTS_RAW, MATCH, STAGES, topic_name
from tests.chaos.evidence import Evidence
from tests.chaos.fleet import Fleet
from tests.chaos.load import Load
from tests.chaos.readers import Readers
from tests.chaos.reconciliations import EQUAL, Reconciliations
from tests.chaos.recoveries import Recoveries, Recovery
from tests.chaos.schedule import Fault, Kind, plan
from tests.chaos.verdict import examine, standing
from tests.chaos.watch import Watch, Watched
from tests.chaos.workload import TENANTS, economy
from tests.stack import Kafka, Postgres
from tests.wait import DeadlinePassed, until_sync

EVENTS_PER_SECOND = 150
# Whatever happened: if a stage has not gone on by then, it never will.
GOES_ON_S = 120
DRAINED_S = 170

Say = Callable[[str], None]


@dataclass
class Result:
    """What a run did and found; `differences` is empty if the promise was kept."""

    seed: int
    minutes: float
    faults: list[Watched] = field(default_factory=list)
    recoveries: list[Recovery] = field(default_factory=list)
    records: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    accepted: int = 0
    answers: int = 0
    unanswered: Counter[str] = field(default_factory=Counter)
    reconciled: Counter[int] = field(default_factory=Counter)
    drained_s: float = 0.0
    places: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)


def run(seed: int, minutes: float, faults: int, say: Say, logs: Path | None = None) -> Result:
    """Do a run on servers of its own, which end with it; what they and the workers logged is copied to `logs`.

    If it fails and `logs` was not given, it is copied to a temporary folder: a run is long, and may not fail again.
    """
    schedule = plan(seed, minutes * 60, faults)
    say(f"chaos run: seed {seed}, {minutes:g} minutes, {faults} faults; the same seed gives the same schedule")
    for fault in schedule:
        say(f"  {described(fault)}")
    with Household() as household:
        kafka, postgres = Kafka(household), Postgres(household, throwaway=False)
        try:
            with Fleet(household, kafka, postgres) as fleet:
                fleet.start_all()
                _publish(fleet)
                return _attack(fleet, schedule, Result(seed, minutes), say)
        except Exception:
            logs = logs or Path(tempfile.mkdtemp(prefix="plaudit-chaos-"))
            say(f"failed; what servers and workers logged is in {logs}")
            raise
        finally:
            if logs is not None:
                shutil.copytree(household.logs, logs, dirs_exist_ok=True)


def described(fault: Fault) -> str:
    """Return a fault in a line."""
    lasts = f", for {fault.lasts_s:g} s" if fault.lasts_s else ""
    return f"{fault.at_s:7.2f} s  #{fault.number} {fault.kind}{lasts} {fault.worker}".rstrip()


def _publish(fleet: Fleet) -> None:
    for tenant in TENANTS:
        file = fleet.folder / f"{tenant}.yaml"
        file.write_text(json.dumps(economy(tenant)))  # JSON is YAML
        fleet.plaudit("economy", "publish", str(file), "--wait")


def _attack(fleet: Fleet, schedule: list[Fault], result: Result, say: Say) -> Result:
    load = Load(fleet.kafka.address, topic_name(fleet.prefix, EVENTS_RAW), result.seed, EVENTS_PER_SECOND)
    watch = Watch(fleet.kafka.address, fleet.prefix)
    readers = Readers(fleet.urls(MATCH.name), result.seed)
    recoveries, reconciliations = Recoveries(fleet.unready), Reconciliations(fleet)
    helpers = (watch, readers, recoveries, reconciliations)
    load.start()
    for helper in helpers:
        helper.start()
    try:
        _play(fleet, schedule, watch, recoveries, say)
        fleet.settle()
        _until_all_passed(fleet, watch)
        load.stop()
        say("the load is over; draining")
        begun = time.monotonic()
        fleet.drain(DRAINED_S)
        result.drained_s = time.monotonic() - begun
        fleet.wait_ready()
    finally:
        load.stop()
        for helper in helpers:
            helper.stop()
    result.faults, result.recoveries = watch.faults, recoveries.all
    result.answers, result.unanswered = len(readers.answers), readers.refused
    evidence, judged, result.differences = examine(fleet, load.sent, readers.answers)
    result.sent, result.accepted, result.records = len(load.sent), len(evidence.accepted), evidence.records
    result.places = _places(evidence, judged.verdicts)
    fleet.plaudit("ledger", "verify")
    result.reconciled = reconciliations.counts.copy()
    for tenant in TENANTS:
        if reconciliations.once(tenant) != EQUAL:
            result.differences.append(f"reconcile does not find {tenant} to be equal in the end")
    result.differences += reconciliations.differences
    say("held against the model; emptying all disks")
    _rebuild(fleet, recoveries_of=result)
    result.differences += [f"after rebuilding all tables: {each}" for each in standing(fleet, judged)]
    fleet.settle()
    result.differences += fleet.complaints
    return result


def _until_all_passed(fleet: Fleet, watch: Watch) -> None:
    """Wait until processing has gone on after every fault; fail with who stands still, and what they logged."""
    try:
        until_sync(lambda: watch.failure or not watch.waiting(), GOES_ON_S, "processing goes on after every fault")
    except DeadlinePassed as passed:
        still = watch.waiting()
        lines = [f"{described(each.fault)}: {sorted(each.waiting)}" for each in still]
        stages = {stage for each in still for stage, _ in each.waiting}
        lines += [
            f"--- {name}\n{worker.tail(40)}"
            for name, worker in fleet.workers.items()
            if name.rpartition("-")[0] in stages
        ]
        raise DeadlinePassed("\n".join([str(passed), *lines])) from None


def _play(fleet: Fleet, schedule: list[Fault], watch: Watch, recoveries: Recoveries, say: Say) -> None:
    """Begin and end each fault at its instant."""
    steps = [(fault.at_s, fault.number, False, fault) for fault in schedule]
    heapq.heapify(steps)
    begun = time.monotonic()
    while steps:
        at_s, number, ends, fault = heapq.heappop(steps)
        time.sleep(max(0.0, begun + at_s - time.monotonic()))
        if ends:
            fleet.end(fault)
            if fault.kind is Kind.EMPTY_DISK:
                recoveries.started(number, fault.worker, fleet.url(fault.worker))
            continue
        say(f"{time.monotonic() - begun:7.2f} s  {described(fault).split('  ')[-1]}")
        fleet.begin(fault)
        watch.began(fault)
        heapq.heappush(steps, (at_s + fault.lasts_s, number, True, fault))


def _rebuild(fleet: Fleet, recoveries_of: Result) -> None:
    """Empty the disks of all workers at once, and note how long they take to be ready."""
    recoveries = Recoveries(fleet.unready)
    tables = [name for name in fleet.workers if name.rpartition("-")[0] in {s.name for s in STAGES if s.tables}]
    for name in tables:
        fleet.kill_worker(name)
        fleet.empty(name)
    recoveries.start()
    for name in tables:
        fleet.start_worker(name)
        recoveries.started(0, name, fleet.url(name))
    until_sync(lambda: all(each.ready_s is not None for each in recoveries.all), GOES_ON_S, "all tables are rebuilt")
    recoveries.stop()
    recoveries_of.recoveries += recoveries.all


def _places(evidence: Evidence, verdicts: dict) -> dict[str, int]:  # type: ignore[type-arg]
    counts: dict[str, int] = {}
    for name in evidence.accepted:
        verdict = verdicts[name]
        place = f"{verdict.place} ({verdict.reason})" if verdict.reason else verdict.place
        counts[place] = counts.get(place, 0) + 1
    return dict(sorted(counts.items()))

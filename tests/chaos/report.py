"""A chaos run as a page of Markdown."""

import platform
from collections import defaultdict
from collections.abc import Iterable, Iterator
from statistics import median

import psutil

from tests.chaos.reconciliations import EQUAL, UNKNOWN
from tests.chaos.run import EVENTS_PER_SECOND, Result
from tests.chaos.schedule import Kind
from tests.chaos.watch import Watched


def report(result: Result) -> str:
    """Return what happened, how long until processing went on, and what was found."""
    return "\n".join([*_summary(result), "", *_by_kind(result), "", *_recoveries(result), "", *_faults(result), ""])


def _summary(result: Result) -> Iterator[str]:
    found = "nothing differed" if not result.differences else f"{len(result.differences)} differences"
    machine = f"{psutil.cpu_count()} processors, {psutil.virtual_memory().total >> 30} GiB"
    yield f"Seed {result.seed}, {result.minutes:g} minutes, {len(result.faults)} faults: **{found}**."
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| machine | {platform.system()} {platform.machine()}, {machine}, shared by broker, database and workers |"
    yield f"| sent | {result.sent:,} records, {EVENTS_PER_SECOND} a second, duplicates and late events among them |"
    yield f"| accepted | {result.accepted:,} distinct events |"
    for place, count in result.places.items():
        yield f"| - {place} | {count:,} |"
    for topic, count in result.records.items():
        yield f"| records on `{topic}` | {count:,} |"
    refused = ", ".join(f"{count:,} {why}" for why, count in result.unanswered.most_common())
    yield f"| profiles asked for meanwhile | {result.answers:,} answers; refused: {refused or 'none'} |"
    equal, unknown = result.reconciled[EQUAL], result.reconciled[UNKNOWN]
    yield f"| reconciled meanwhile | {equal} times equal, {unknown} times unable to say |"
    yield f"| drained after the load | {result.drained_s:.1f} s |"


def _by_kind(result: Result) -> Iterator[str]:
    kinds: dict[str, list[Watched]] = defaultdict(list)
    for watched in result.faults:
        kinds[watched.fault.kind].append(watched)
    yield "| fault | times | went on after, median | longest |"
    yield "|---|---|---|---|"
    for kind, all_ in sorted(kinds.items()):
        times = list(_times(all_))
        yield f"| {kind} | {len(all_)} | {median(times):.1f} s | {max(times):.1f} s |"


def _times(faults: Iterable[Watched]) -> Iterator[float]:
    return (each.went_on_s for each in faults if each.went_on_s is not None)


def _recoveries(result: Result) -> Iterator[str]:
    yield "| emptied worker | after fault | records read | ready after |"
    yield "|---|---|---|---|"
    for each in result.recoveries:
        after = f"#{each.number}" if each.number else "the end"
        ready = "killed again before" if each.ready_s is None else f"{each.ready_s:.1f} s"
        yield f"| {each.worker} | {after} | {each.records:,} | {ready} |"


def _faults(result: Result) -> Iterator[str]:
    yield "| # | at | fault | where | lasted | went on after |"
    yield "|---|---|---|---|---|---|"
    for watched in result.faults:
        fault = watched.fault
        went_on = "not seen" if watched.went_on_s is None else f"{watched.went_on_s:.1f} s"
        if fault.kind is Kind.KILL_BROKER and watched.answered_s is not None:
            went_on += f", of which the broker took {watched.answered_s:.1f} s"
        lasted = f"{fault.lasts_s:g} s" if fault.lasts_s else ""
        yield f"| {fault.number} | {fault.at_s:.1f} s | {fault.kind} | {fault.worker} | {lasted} | {went_on} |"

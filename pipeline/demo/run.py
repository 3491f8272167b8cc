"""What the demo does with a running stack: publish the economy, import a history, wait, verify."""

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, TypeVar

from pipeline.clock import now, now_ms
from pipeline.drain import Behind, drain
from pipeline.economies import EconomyPublisher
from pipeline.errors import UserError
from pipeline.importers.git import GitHistory
from pipeline.importers.model import Refusal
from pipeline.importers.producer import produce_events
from pipeline.revisions.documents import read_document
from pipeline.settings import Settings
from pipeline.stack import Stack
from sinks.ledger.verify import Verification, verify
from tables.economies import Revision

DRAIN_S = 600.0
_LOOK_S = 0.2
_GIT_S = 30
T = TypeVar("T")

# Told how many of how many events are through.
Progress = Callable[[int, int], None]


class Imported(NamedTuple):
    """How a history went through: events appended, commits that are no events, seconds until all was counted."""

    events: int
    refused: int
    seconds: float


def economy_document(tenant: str) -> str:
    """Return the demo's economy as YAML, for that tenant."""
    text = files("pipeline.demo").joinpath("economy.yaml").read_text(encoding="utf-8")
    return text.replace("economy: demo\n", f"economy: {tenant}\n", 1)


def open_history(path: Path, tenant: str, *, show_names: bool) -> tuple[GitHistory, int]:
    """Return a repository's history and its number of commits.

    Raises:
        UserError: there is no repository, no commit, or only the newest part of the history.
    """
    try:
        history = GitHistory(path, tenant, now_ms(), show_names=show_names)
    except UserError as error:
        raise UserError(f"{error}; name a git repository with --git PATH") from error
    count = history.count()
    if count == 0:
        raise UserError(f"{path} has no commits yet; name another git repository with --git PATH")
    asked = ["git", "-C", str(path), "rev-parse", "--is-shallow-repository"]
    answer = subprocess.run(asked, capture_output=True, check=False, timeout=_GIT_S)  # noqa: S603 - the user's git
    if answer.stdout.strip() == b"true":
        raise UserError(
            f"{path} is a shallow clone, most of its history is missing; "
            "run `git fetch --unshallow` there, or name another repository with --git PATH"
        )
    return history, count


def publish_economy(settings: Settings, tenant: str) -> Revision:
    """Publish the demo's economy; it takes effect the settings' margin later."""
    document = read_document(economy_document(tenant))
    publisher = EconomyPublisher(settings.broker, settings.topic_prefix, margin_s=settings.economy_margin_s)
    return asyncio.run(publisher.publish(document.tenant, document.json))


def import_history(
    stack: Stack, revision: Revision, history: GitHistory, importing: Progress, counting: Progress, total: int
) -> Imported:
    """Append all events of the history, once the economy is in force, and wait until all are in ledger and boards.

    Raises:
        UserError: they were not within ten minutes, or a server ended.
    """
    return asyncio.run(_guarded(stack, _import(stack.settings, revision, history, importing, counting, total)))


def verified(settings: Settings) -> Verification:
    """Return the verification of the whole ledger."""
    return verify(settings.database.get_secret_value())


async def _import(
    settings: Settings, revision: Revision, history: GitHistory, importing: Progress, counting: Progress, total: int
) -> Imported:
    await asyncio.sleep(max(0.0, (revision.effective_at - now()).total_seconds()))
    refused: list[Refusal] = []
    started = time.monotonic()
    count = await produce_events(
        settings.broker,
        settings.topic_prefix,
        settings.partitions,
        history.events(refused.append),
        lambda done: importing(done, total),
    )

    def passed(stage: str, left: int) -> None:
        if stage in _PLACES:
            counting(_PLACES.index(stage) * count + count - min(left, count), len(_PLACES) * count)

    behind = await drain(settings.broker, settings.topic_prefix, DRAIN_S, passed)
    if behind:
        raise UserError(f"not everything was counted within {DRAIN_S:g} s: {_told(behind)}")
    return Imported(count, len(refused), time.monotonic() - started)


# Each has to see every event; the ledger and the boards do so at the same time.
_PLACES = ("normalize", "dedupe", "match", "ledger")


def _told(behind: list[Behind]) -> str:
    return ", ".join(f"{each.stage} is {sum(each.records.values())} records behind" for each in behind)


async def _guarded(stack: Stack, work: Awaitable[T]) -> T:
    """Return what `work` returns, looking after the stack meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_LOOK_S)
            stack.look_after()
    finally:
        task.cancel()
    return task.result()

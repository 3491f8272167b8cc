"""What an import says: its progress while it runs, what was refused, and a summary."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.errors import UserError
from pipeline.importers.model import Refusal

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
# More than this nobody reads; all of them are counted.
_SHOWN_MAX = 20
_LISTED_MAX = 100


class Refusals:
    """Collects what a reader refuses: shows the first at once, lists some, counts all; `strict` stops at the first."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self.count = 0
        self.listed: list[Refusal] = []

    def add(self, refusal: Refusal) -> None:
        """Take note of a refusal.

        Raises:
            UserError: in strict mode.
        """
        line = f"{refusal.place}: {refusal.message} ({refusal.reason})"
        if self._strict:
            raise UserError(f"{line}; stopped there, what stands before it may have been imported")
        self.count += 1
        if self.count <= _LISTED_MAX:
            self.listed.append(refusal)
        if self.count <= _SHOWN_MAX:
            typer.echo(f"plaudit: {line}", err=True)
        elif self.count == _SHOWN_MAX + 1:
            typer.echo("plaudit: further ones are only counted", err=True)


class ImportReport(NamedTuple):
    """How an import went. `sent` counts acknowledged records, those that go to the dead letters among them."""

    sent: int
    refused: int
    seconds: float
    refusals: tuple[Refusal, ...]

    @classmethod
    def of(cls, sent: int, seconds: float, refusals: Refusals) -> "ImportReport":
        """Return the report of an import."""
        return cls(sent, refusals.count, seconds, tuple(refusals.listed))

    @property
    def per_second(self) -> int:
        """Records sent per second."""
        return round(self.sent / self.seconds) if self.seconds > 0 else 0

    def as_document(self) -> dict[str, Any]:
        """Return the report as JSON says it."""
        refusals = [{"place": r.place, "reason": r.reason.value, "message": r.message} for r in self.refusals]
        seconds = round(self.seconds, 3)
        return {
            "sent": self.sent,
            "refused": self.refused,
            "seconds": seconds,
            "per_second": self.per_second,
            "refusals": refusals,
        }

    def as_text(self) -> str:
        """Return the report as a person reads it."""
        refused = f", {self.refused:,} refused" if self.refused else ""
        return f"{self.sent:,} events sent{refused}, in {self.seconds:.1f} s ({self.per_second:,} events/s)"


@contextmanager
def progress(total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error, if that is a terminal; yields how to say what has been done so far.

    Lines and rows are nearly records: a header, blank lines and cells over several lines make the total too large.
    """
    console = Console(stderr=True)
    columns = (TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("importing", total=total)

        def advance(done: int) -> None:
            bar.update(task, completed=done)

        yield advance

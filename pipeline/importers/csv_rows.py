"""Files with one event a row, as a mapping reads it."""

import csv
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from pipeline.errors import PoisonEvent, Reason, UserError
from pipeline.formats.canonical import Attributes, Names
from pipeline.formats.dialect import uri_reference
from pipeline.importers.mapping import DATA_PREFIX, TARGETS, Mapping, parse_mapping
from pipeline.importers.model import Occurrences, Refusal, Refuse, refusal_of

_NAMES: Names = {attribute: target for target, attribute in TARGETS.items()}


class _Rows(Protocol):
    """A reader of the standard library, whose type has no public name."""

    @property
    def line_num(self) -> int: ...

    def __next__(self) -> list[str]: ...


class Layout(NamedTuple):
    """How a file is written: what separates cells, whether the first row names the columns, times without a zone."""

    delimiter: str = ","
    header: bool = True
    zone: ZoneInfo = ZoneInfo("UTC")


class CsvRows:
    """Reads a file's rows as events of `tenant`.

    Columns of a file without a header are called 1, 2, 3… The source is the file's name unless mapped, so that equal
    rows of two files are two events. `now_ms` (milliseconds since the epoch) decides which times lie in the future.
    """

    def __init__(self, path: Path, specifications: Sequence[str], tenant: str, now_ms: int, layout: Layout) -> None:
        self._path = path
        self._specifications = specifications
        self._now_ms = now_ms
        self._layout = layout
        self._occurrences = Occurrences()
        self._common = {"specversion": "1.0", "source": uri_reference(f"csv:{path.name}"), "tenant": tenant}

    def events(self, refuse: Refuse) -> Iterator[Attributes]:
        """Yield the events in the order of the file; a row that is none is told to `refuse`.

        Raises:
            OSError: the file can't be read.
            UserError: the mapping doesn't fit the file.
        """
        # Bytes that are no UTF-8 are kept, to be found in their row rather than to end the reading.
        with self._path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            rows = csv.reader(file, delimiter=self._layout.delimiter, strict=True)
            try:
                first = next(rows)
            except StopIteration:
                raise UserError(f"{self._path}: the file is empty") from None
            except csv.Error as error:
                raise UserError(f"{self._path}: line 1: {error}") from None
            columns = [name.strip() for name in first] if self._layout.header else _numbered(first)
            mapping = parse_mapping(self._specifications, columns, self._layout.zone)
            body = _numbered_rows(rows, refuse)
            for place, row in body if self._layout.header else chain([("line 1", first)], body):
                event = self._event(row, mapping, len(columns), place)
                if isinstance(event, Refusal):
                    refuse(event)
                else:
                    yield event

    def _event(self, row: Sequence[str], mapping: Mapping, width: int, place: str) -> Attributes | Refusal:
        if len(row) != width:
            return Refusal(place, Reason.INVALID_VALUE, f"{len(row)} cells where {width} are expected")
        text = "".join(row)
        if "\0" in text:
            return Refusal(place, Reason.NULL_CHARACTER, "a cell holds the null character")
        if not text.isascii() and not _is_utf8(text):
            return Refusal(place, Reason.NOT_UTF8, "a cell is not UTF-8")
        try:
            attributes = self._common | _attributes(mapping.values(row))
        except PoisonEvent as error:
            return Refusal(place, error.reason, error.message)
        if "id" not in attributes:
            attributes["id"] = self._occurrences.id_of(attributes)
        return refusal_of(attributes, self._now_ms, _NAMES, place) or attributes


def _attributes(values: dict[str, Any]) -> Attributes:
    """Return values by target as attributes; `data.a.b` is a member of a member."""
    attributes: Attributes = {"data": {}}
    for target, value in values.items():
        if not target.startswith(DATA_PREFIX):
            attributes[TARGETS[target]] = value
            continue
        *path, last = target.removeprefix(DATA_PREFIX).split(".")
        place = attributes["data"]
        for name in path:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise PoisonEvent(Reason.INVALID_VALUE, f"{target}: {name} is a value and can't have members")
        place[last] = value
    return attributes


def _numbered(row: Sequence[str]) -> list[str]:
    return [str(number) for number in range(1, len(row) + 1)]


def _numbered_rows(rows: _Rows, refuse: Refuse) -> Iterator[tuple[str, list[str]]]:
    """Yield each row that is not blank with its place: its last line's number, since a cell may span lines."""
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            refuse(Refusal(f"line {rows.line_num}", Reason.INVALID_VALUE, str(error)))
            continue
        if row:
            yield f"line {rows.line_num}", row


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

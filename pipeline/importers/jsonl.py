"""Files with one event a line, in any source format."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import FORMAT_HEADER, TENANT_HEADER, Headers
from pipeline.formats.canonical import Attributes, canonical
from pipeline.formats.document import is_batch, split_batch
from pipeline.formats.registry import SourceFormat, read_attributes
from pipeline.importers.model import VALUE_BYTES_MAX, Occurrences, Refusal, Refuse, Unread

_BLOCK_BYTES = 1 << 20


class JsonLines:
    """Reads a file's lines as events of `source_format`; `tenant`, if given, gets all of them, whatever a line says.

    `now_ms` (milliseconds since the epoch) decides which times lie in the future. A line with an array is a batch.
    """

    def __init__(self, path: Path, source_format: SourceFormat, tenant: str | None, now_ms: int) -> None:
        self._path = path
        self._format = source_format
        self._tenant = tenant
        self._now_ms = now_ms
        self._occurrences = Occurrences()

    def events(self, refuse: Refuse) -> Iterator[Attributes | Unread]:
        """Yield the events in the order of the file; a line that is none is told to `refuse` and yielded unread.

        Raises:
            OSError: the file can't be read.
        """
        with self._path.open("rb") as file:
            for number, line in enumerate(_lines(file), start=1):
                if len(line) > VALUE_BYTES_MAX:
                    message = f"more than {VALUE_BYTES_MAX:,} bytes"
                    refuse(Refusal(f"line {number}", Reason.TOO_LARGE, message))
                elif not line.isspace():
                    yield from self._read(line.rstrip(b"\r\n"), f"line {number}", refuse)

    def _read(self, line: bytes, place: str, refuse: Refuse) -> Iterator[Attributes | Unread]:
        try:
            elements = split_batch(line) if is_batch(line) else [line]
        except PoisonEvent as error:
            refuse(Refusal(place, error.reason, error.message))
            yield Unread(line, self._headers())
            return
        for element in elements:
            try:
                yield self._event(element)
            except PoisonEvent as error:
                refuse(Refusal(place, error.reason, error.message))
                yield Unread(element, self._headers())

    def _event(self, raw: bytes) -> Attributes:
        attributes = read_attributes(self._format, raw, self._tenant)
        if self._tenant is not None:
            attributes = attributes | {"tenant": self._tenant}
        if attributes.get("id") is None:
            attributes = attributes | {"id": self._occurrences.id_of(attributes)}
        canonical(attributes, self._now_ms, None, self._format.names)
        return attributes

    def _headers(self) -> Headers:
        chosen = (FORMAT_HEADER, self._format.name.encode())
        return (chosen,) if self._tenant is None else (chosen, (TENANT_HEADER, self._tenant.encode()))


def count_lines(path: Path) -> int | None:
    """Return a file's number of lines; None if it is a pipe, which can be read only once.

    Raises:
        OSError: it can't be read.
    """
    if path.is_fifo() or path.is_char_device():
        return None
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK_BYTES), b""))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines; of one that is too long, its beginning: memory stays bounded whatever the file is."""
    limit = VALUE_BYTES_MAX + 2
    while line := file.readline(limit):
        rest = line
        while len(rest) == limit and not rest.endswith(b"\n"):
            rest = file.readline(limit)
        yield line

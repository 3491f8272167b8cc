"""`plaudit dlq list | show`: what could not be accepted, where it stood and why."""

import asyncio
import base64
import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.errors import Reason, UserError
from pipeline.letters import Letter, letter_at, newest_letters
from pipeline.settings import load_settings

# Bytes of a record that are printed as text or as a dump; `--format json` has them all.
SHOWN_BYTES_MAX = 16 * 1024
_DUMP_WIDTH = 16
_NUMBERS = ("partition", "offset", "attempts")

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="markdown")


class Format(StrEnum):
    """`text` for people, `json` for scripts."""

    TEXT = "text"
    JSON = "json"


Form = Annotated[Format, typer.Option("--format", help="`json` for scripts.")]


@app.callback()
def _dlq() -> None:
    """Look at the dead letters: every record that could not be accepted, unchanged."""


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    reason: Annotated[Reason | None, typer.Option(help="Only those with this reason code.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Dead letters, at most.")] = 50,
    scan: Annotated[int, typer.Option(min=1, help="Dead letters to look at in each partition, the newest.")] = 10_000,
    form: Form = Format.TEXT,
) -> None:
    """List dead letters, newest first.

    Example: `plaudit dlq list --tenant acme --reason amount_out_of_range --limit 10`
    """

    def wanted(letter: Letter) -> bool:
        return (tenant is None or letter.tenant == tenant) and (reason is None or letter.detail("reason") == reason)

    settings = load_settings()
    found = asyncio.run(newest_letters(settings.broker, settings.topic_prefix, wanted, limit, scan))
    if form is Format.JSON:
        typer.echo(json.dumps([summary(letter) for letter in found.letters], indent=2))
    elif found.letters:
        Console(highlight=False).print(_table(found.letters))
    else:
        typer.echo("no dead letters")
    if found.unseen:
        typer.echo(f"{found.unseen} older dead letters were not looked at; --scan raises the number", err=True)


@app.command()
def show(
    place: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", help="As `plaudit dlq list` names it.")],
    form: Form = Format.TEXT,
) -> None:
    """Show one dead letter whole: its details, the headers that the record had, and the record itself.

    Example: `plaudit dlq show 3:17`
    """
    partition, _, offset = place.partition(":")
    if not (_is_number(partition) and _is_number(offset)):
        raise UserError(f"{place!r} is no PARTITION:OFFSET, such as 3:17")
    settings = load_settings()
    letter = asyncio.run(letter_at(settings.broker, settings.topic_prefix, int(partition), int(offset)))
    if letter is None:
        raise UserError(f"there is no dead letter at {place}; `plaudit dlq list` shows those that are kept")
    typer.echo(json.dumps(whole(letter), indent=2) if form is Format.JSON else "\n".join(_described(letter)))


def summary(letter: Letter) -> dict[str, Any]:
    """Return a letter's place and details; numbers are None where a foreign letter has none."""
    details: dict[str, Any] = {name: letter.detail(name) for name in ("reason", "message", "stage", "topic", "time")}
    numbers = {name: int(text) if _is_number(text := letter.detail(name)) else None for name in _NUMBERS}
    size = 0 if letter.value is None else len(letter.value)
    return {
        "place": f"{letter.partition}:{letter.offset}",
        "tenant": letter.tenant,
        **details,
        **numbers,
        "bytes": size,
    }


def whole(letter: Letter) -> dict[str, Any]:
    """Return all of a letter; what is no text is in Base64, beside the name of its encoding."""
    headers = [{"name": name, **_encoded(value)} for name, value in letter.headers]
    return {**summary(letter), "headers": headers, "record": None if letter.value is None else _encoded(letter.value)}


def printable(text: str) -> str:
    """Return text that does nothing to a terminal: whatever is neither printable nor a line end is escaped."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode() for char in text
    )


def readable(value: bytes) -> str:
    """Return bytes as printable text if they are UTF-8, else as a dump with offsets; cut where they are long."""
    cut = value[:SHOWN_BYTES_MAX]
    text = _text(cut, is_cut=len(cut) < len(value))
    shown = "\n".join(_dump(cut)) if text is None else printable(text)
    return shown if len(cut) == len(value) else f"{shown}\n… {len(value) - len(cut)} bytes more"


def _text(value: bytes, *, is_cut: bool) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        # Where it was cut the last character, of four bytes at most, may be incomplete.
        return value[: error.start].decode() if is_cut and error.start > len(value) - 4 else None


def _dump(value: bytes) -> Iterator[str]:
    for start in range(0, len(value), _DUMP_WIDTH):
        line = value[start : start + _DUMP_WIDTH]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in line)
        yield f"{start:08x}  {line.hex(' '):<{3 * _DUMP_WIDTH - 1}}  {text}"


def _encoded(value: bytes) -> dict[str, str]:
    try:
        return {"encoding": "utf-8", "value": value.decode()}
    except UnicodeDecodeError:
        return {"encoding": "base64", "value": base64.b64encode(value).decode()}


def _described(letter: Letter) -> Iterator[str]:
    for name, value in summary(letter).items():
        yield f"{name}: {printable(str(value if value is not None else '-'))}".replace("\n", "\\n")
    for name, raw in letter.headers:
        if not name.startswith("plaudit-") or name == "plaudit-key":
            yield f"header {printable(name)}: {readable(raw)}"
    yield "record:"
    yield "(none)" if letter.value is None else readable(letter.value)


def _table(letters: list[Letter]) -> Table:
    # Text objects: what a producer sent is never read as markup.
    table = Table("place", "time", "tenant", "reason", "stage", "source", "message")
    for letter in letters:
        said = {name: printable(str(value or "")).replace("\n", "\\n") for name, value in summary(letter).items()}
        source = ":".join(printable(letter.detail(name)) for name in ("topic", "partition", "offset"))
        row = (said["place"], said["time"][:19], said["tenant"], said["reason"], said["stage"], source, said["message"])
        table.add_row(*(Text(cell) for cell in row))
    return table


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19

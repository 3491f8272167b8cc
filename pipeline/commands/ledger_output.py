"""How `plaudit ledger` writes what it read: data on standard output, row by row where the form allows it."""

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sinks.ledger.verify import Verification


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class VerifyFormat(StrEnum):
    """How a verification is written."""

    TEXT = "text"
    JSON = "json"


def print_rows(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], form: Format, *, right: str, shown: Sequence[str] = ()
) -> None:
    """Write rows; a table shows only the columns in `shown`, if any, with the column `right` aligned to that side."""
    plain = ([_plain(value) for value in row] for row in rows)
    match form:
        case Format.CSV:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(plain)
        case Format.JSON:
            _print_json(dict(zip(columns, row, strict=True)) for row in plain)
        case Format.TABLE:
            _print_table(columns, plain, right, shown or columns)


def print_verification(result: Verification, form: VerifyFormat) -> None:
    """Write what was verified to standard output and, in words, what does not hold to standard error."""
    if form is VerifyFormat.JSON:
        heads = [{"partition": head.partition, "seq": head.last_seq, "hash": head.hash.hex()} for head in result.heads]
        findings = [finding._asdict() for finding in result.findings]
        counts = {"holds": result.holds, "transfers": result.transfers, "links": result.links}
        typer.echo(json.dumps({**counts, "heads": heads, "findings": findings}, indent=2))
        return
    counted = f"{result.transfers} transfers in {result.links} links of {len(result.heads)} partitions"
    if result.holds:
        typer.echo(f"the ledger holds: {counted}; chain, balances and zero sums")
        return
    typer.echo(f"the ledger does not hold: {counted}")
    for finding in result.findings:
        typer.echo(f"plaudit: {finding}", err=True)


def _print_json(rows: Iterable[dict[str, Any]]) -> None:
    """Write an array, one row a line, without holding it in memory."""
    separator = "["
    for row in rows:
        typer.echo(f"{separator}{json.dumps(row)}", nl=False)
        separator = ",\n "
    typer.echo("[]" if separator == "[" else "]")


def _print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], right: str, shown: Sequence[str]) -> None:
    places = [columns.index(name) for name in shown]
    table = Table()
    for name in shown:
        table.add_column(name, justify="right" if name == right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(row[place])) for place in places))
    Console(highlight=False).print(table)


def _plain(value: object) -> str | int:
    match value:
        case int() | str():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case UUID():
            return str(value)
        case _:
            raise AssertionError(f"a column of an unknown type: {type(value)}")

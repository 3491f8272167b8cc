"""`plaudit settings`: every setting, what it is for, and what it is here."""

import json
from collections.abc import Iterable
from enum import StrEnum
from shlex import quote
from typing import Annotated, NamedTuple

import typer
from pydantic import SecretStr

from pipeline.settings import Settings, load_settings, without_password


class Format(StrEnum):
    """How the list is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class Row(NamedTuple):
    """One setting as it is shown: all values are text, secrets hidden."""

    variable: str
    value: str
    default: str
    description: str


def settings(
    form: Annotated[
        Format, typer.Option("--format", help="`json` for scripts, `markdown` for the README.")
    ] = Format.TEXT,
) -> None:
    """List all settings: environment variables, their values here, their defaults.

    Example: `PLAUDIT_PARTITIONS=16 plaudit settings`
    """
    present = rows(load_settings())
    match form:
        case Format.JSON:
            typer.echo(json.dumps([row._asdict() for row in present], indent=2))
        case Format.MARKDOWN:
            typer.echo(markdown(present))
        case Format.TEXT:
            typer.echo(_as_environment(present))


def rows(present: Settings) -> list[Row]:
    """Return every setting, in the order of their declaration."""
    shown = present.shown()
    return [
        Row(variable, shown[variable], _default(field.default), field.description or "")
        for variable, field in ((f"PLAUDIT_{name.upper()}", field) for name, field in Settings.model_fields.items())
    ]


def markdown(all_rows: Iterable[Row]) -> str:
    """Return the settings and their defaults as a table in Markdown, which does not depend on the environment."""
    lines = [
        f"| `{row.variable}` | {f'`{row.default}`' if row.default else ''} | {row.description} |" for row in all_rows
    ]
    return "\n".join(["| variable | default | what |", "|---|---|---|", *lines])


def _default(value: object) -> str:
    return without_password(value.get_secret_value()) if isinstance(value, SecretStr) else str(value)


def _as_environment(all_rows: Iterable[Row]) -> str:
    """Return the settings as a commented environment file."""
    blocks = (
        f"# {row.description}{f' Default: {row.default}' if row.default else ''}\n{row.variable}={quote(row.value)}"
        for row in all_rows
    )
    return "\n\n".join(blocks)

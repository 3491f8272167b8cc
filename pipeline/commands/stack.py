"""`plaudit up`: all of Plaudit on this machine, until it is told to stop."""

import time
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.signals import Stopped, stop_on_signals
from pipeline.settings import load_settings, without_password

_LOOK_S = 0.2


def up(
    data: Annotated[
        Path | None, typer.Option(help="Folder for tables, logs and the database. Without: a temporary one.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Workers of each stage.")] = 1,
    broker: Annotated[
        str | None, typer.Option(help="Use this broker instead of the embedded one: `host:port`.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="Use this PostgreSQL instead of the embedded one: a URL.")
    ] = None,
    partitions: Annotated[int | None, typer.Option(min=1, max=4096, help="Partitions of every topic.")] = None,
) -> None:
    """Run broker, database and a worker of every stage, until Ctrl-C or SIGTERM.

    Once all is ready the addresses are printed, and written to `plaudit.env` in the folder for a shell to read. The
    embedded broker keeps its log in memory: name a real one with `--broker` for what must last.

    Example: `plaudit up --data ./plaudit-data --workers 2`
    """
    settings = load_settings(**({} if partitions is None else {"partitions": partitions}))
    from pipeline.stack import Stack, StackOptions  # noqa: PLC0415 - `--help` needs none of it

    options = StackOptions(settings, data, workers, broker, database)
    ready = False
    try:
        with stop_on_signals(), Stack(options, say=_say) as stack:
            stack.start()
            file = stack.write_environment()
            ready = True
            for name, value in stack.environment().items():
                typer.echo(f"{name}={without_password(value)}")
            typer.echo(f"Ready. In another shell: set -a; . {file}; set +a. Ctrl-C stops it.")
            while True:
                time.sleep(_LOOK_S)
                stack.look_after()
    except Stopped as stopped:
        if not ready:
            raise typer.Exit(stopped.exit_code) from None
        _say("stopped")


def _say(line: str) -> None:
    typer.echo(f"plaudit: {line}", err=True)

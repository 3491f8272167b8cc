"""The command line: lists the commands, runs one, and turns a user's mistake into one message.

Commands are imported when they are run, so that `plaudit --help` does not wait for libraries that it needs not.
Exit codes: 0 success, 1 what was asked could not be done, 2 it was asked in the wrong way.
"""

import importlib
import logging
import sys
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import typer

from pipeline.version import VERSION


class Command(NamedTuple):
    """A command: its word, where it is (a Typer application or a plain function), and its line in `plaudit --help`."""

    word: str
    module: str
    attribute: str
    summary: str
    panel: str


_RUN, _SET_UP, _DATA, _LOOK = "Run", "Set up", "Bring in", "Look"

COMMANDS = (
    Command("demo", "pipeline.commands.demo", "demo", "Turn a git history into points, levels and boards.", _RUN),
    Command("up", "pipeline.commands.stack", "up", "Run broker, database and all stages on this machine.", _RUN),
    Command("worker", "pipeline.commands.worker", "worker", "Run one worker of one stage.", _RUN),
    Command("topics", "pipeline.commands.topics", "topics", "Create the topics of the log.", _SET_UP),
    Command("db", "pipeline.commands.db", "app", "Prepare the ledger's database.", _SET_UP),
    Command("economy", "pipeline.commands.economy", "app", "Check, publish and compare economies.", _DATA),
    Command(
        "import", "pipeline.commands.imports", "imports", "Bring in a real history: git, JSON lines or CSV.", _DATA
    ),
    Command("leaderboard", "pipeline.commands.look", "leaderboard", "Show a leaderboard.", _LOOK),
    Command("season", "pipeline.commands.season", "app", "Close a season, and show closed ones.", _LOOK),
    Command("profile", "pipeline.commands.look", "profile", "Show what an actor has.", _LOOK),
    Command("ledger", "pipeline.commands.ledger", "app", "Verify and read the ledger.", _LOOK),
    Command(
        "reconcile", "pipeline.commands.reconcile", "reconcile", "Compare profiles, ledger and leaderboards.", _LOOK
    ),
    Command("dlq", "pipeline.commands.dlq", "app", "List and show dead letters.", _LOOK),
    Command("drain", "pipeline.commands.topics", "drain", "Wait until all that was appended is accounted for.", _LOOK),
    Command("settings", "pipeline.commands.settings", "settings", "List all settings, with their values.", _SET_UP),
)

_root = typer.Typer(
    name="plaudit",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: list[str] | None = None) -> None:
    """Run `plaudit` with `arguments`, by default the process's; ends in `SystemExit`."""
    # Libraries' warnings are for a log; a command that has none speaks through its own messages alone.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        _root(args=arguments, prog_name="plaudit")
    except Exception as error:
        # The edge of the program: a user's mistake becomes a message, our own defect is shown whole.
        from pipeline.commands.mistakes import explanation  # noqa: PLC0415 - needed on this path only

        message = explanation(error)
        if message is None:
            raise
        typer.echo(f"plaudit: {message}", err=True)
        sys.exit(1)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"plaudit {VERSION}")
        raise typer.Exit


@_root.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the release.")
    ] = False,
) -> None:
    """Turn what people do into points, levels and leaderboards, with a ledger that can be audited.

    Start with `plaudit demo`. Settings are environment variables: `plaudit settings`.
    """


def load(command: Command) -> typer.Typer:
    """Import a command and return it as an application that parses what follows the command's word."""
    target: Any = getattr(importlib.import_module(command.module), command.attribute)
    if isinstance(target, typer.Typer):
        return target
    application = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    application.command()(target)
    return application


def _runner(command: Command) -> Callable[[typer.Context], None]:
    def run(context: typer.Context) -> None:
        # The command parses its own arguments: it ends in SystemExit, as the root does.
        typer.main.get_command(load(command)).main(args=context.args, prog_name=f"plaudit {command.word}")

    run.__doc__ = command.summary
    return run


for _command in COMMANDS:
    _root.command(
        _command.word,
        rich_help_panel=_command.panel,
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(_runner(_command))


if __name__ == "__main__":
    main()

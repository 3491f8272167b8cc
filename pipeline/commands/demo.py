"""`plaudit demo`: a git history becomes points, levels, leaderboards and verified ledger rows, on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.signals import Stopped, stop_on_signals
from pipeline.settings import load_settings

# Few processors, few partitions; and a margin that nobody who waits for a demo notices.
_SETTINGS = {"partitions": 4, "economy_margin_s": 1.0, "commit_interval_s": 0.25}


def demo(
    git: Annotated[Path, typer.Option(help="A git repository, or a folder in one.")] = Path(),
    tenant: Annotated[str, typer.Option(help="The tenant to play for.")] = "demo",
    show_names: Annotated[
        bool, typer.Option("--show-names", help="Show authors' names; without, a hash of their address.")
    ] = False,
) -> None:
    """Import a git history into a stack of its own, in a temporary folder, and show what became of it.

    Exit code 0 only if every event was counted and the ledger's verification holds. Nothing is left behind.

    Example: `plaudit demo --git ~/src/project`
    """
    try:
        with stop_on_signals():
            holds = _play(git.resolve(), tenant, show_names=show_names)
    except Stopped as stopped:
        raise typer.Exit(stopped.exit_code) from None
    if not holds:
        raise typer.Exit(1)


def _play(git: Path, tenant: str, *, show_names: bool) -> bool:
    # What `--help` needs not wait for.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    from pipeline.demo.run import (  # noqa: PLC0415
        import_history,
        open_history,
        publish_economy,
        verified,
    )
    from pipeline.demo.show import show_results, show_verdict  # noqa: PLC0415
    from pipeline.stack import Stack, StackOptions  # noqa: PLC0415

    console = Console(highlight=False)
    history, commits = open_history(git, tenant, show_names=show_names)
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Stack(StackOptions(load_settings(**_SETTINGS)), say=console.print) as stack:
        with Progress(*columns, console=console) as progress:
            starting = progress.add_task("Starting the stack", total=3)
            stack.start_servers()
            progress.advance(starting)
            stack.start_workers()  # they follow what is published; it takes effect while they start
            revision = publish_economy(stack.settings, tenant)
            progress.advance(starting)
            stack.wait_for_workers()
            progress.advance(starting)
            importing = progress.add_task("Importing commits", total=commits)
            counting = progress.add_task("Through the stages", total=4 * commits)
            imported = import_history(
                stack,
                revision,
                history,
                lambda done, total: progress.update(importing, completed=done, total=total),
                lambda done, total: progress.update(counting, completed=done, total=total),
                commits,
            )
        show_results(console, stack.settings, tenant)
        ledger = verified(stack.settings)
        show_verdict(console, imported, ledger)
        return ledger.holds

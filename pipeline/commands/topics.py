"""`plaudit topics create` and `plaudit drain`: the log's set-up, and waiting for it."""

import asyncio
from typing import Annotated

import typer

from pipeline.admin import TopicSpec, create_topics, declared_topics
from pipeline.drain import drain as drain_log
from pipeline.drain import waiting_after
from pipeline.settings import Settings, load_settings
from pipeline.topology import SEEN

topics = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="markdown")


@topics.callback()
def _topics() -> None:
    """Set up the topics of the log."""


@topics.command()
def create() -> None:
    """Create the topics that are missing, with the deployment's prefix, partitions and replication.

    Existing topics are left as they are. Refuses when one has another number of partitions; warns about other settings.

    Example: `PLAUDIT_BROKER=broker:9092 PLAUDIT_REPLICATION=3 plaudit topics create`
    """
    settings = load_settings()
    outcome = asyncio.run(create_topics(settings.broker, declared(settings)))
    for name in outcome.created:
        typer.echo(f"created {name}")
    typer.echo(f"{len(outcome.created)} created, {len(outcome.found)} there already")
    for line in outcome.differences:
        typer.echo(f"plaudit: warning: {line}", err=True)


def declared(settings: Settings) -> tuple[TopicSpec, ...]:
    """Return the topics that these settings ask for."""
    return declared_topics(
        settings.topic_prefix,
        settings.partitions,
        settings.replication,
        retention_days={SEEN.name: settings.dedupe_retention_days},
    )


def drain(
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait, at most.")] = 60.0,
) -> None:
    """Wait until everything appended before the call is in the ledger and the leaderboards.

    Exit code 0 when it is; 1 at the time-out, with what is still behind.

    Example: `plaudit drain --timeout 30`
    """
    settings = load_settings()
    behind = asyncio.run(drain_log(settings.broker, settings.topic_prefix, timeout))
    if not behind:
        return
    for stage, records in behind:
        partitions = ", ".join(map(str, sorted(records)))
        typer.echo(f"{stage} is {sum(records.values())} records behind, on partitions {partitions}", err=True)
    if waiting := waiting_after(behind):
        typer.echo(f"what comes after it was not looked at: {', '.join(waiting)}", err=True)
    raise typer.Exit(1)

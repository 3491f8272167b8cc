"""`plaudit worker`: runs one worker of one stage until it is told to stop."""

import gc
import sys
from typing import Annotated

import typer

from pipeline.commands.signals import end_on_sigterm
from pipeline.errors import UserError
from pipeline.settings import load_settings
from pipeline.topology import STAGES, stage_named

EXIT_FAILED = 70  # EX_SOFTWARE: the stage met something that must not be passed over


def worker(
    stage: Annotated[str, typer.Option(help=f"The stage to run: {', '.join(stage.name for stage in STAGES)}.")],
) -> None:
    """Run one worker of a stage; more workers of the same stage share its partitions.

    Example: PLAUDIT_BROKER=127.0.0.1:9092 plaudit worker --stage match
    """
    try:
        wanted = stage_named(stage)
    except KeyError:
        raise UserError(f"there is no stage {stage!r}; stages are {', '.join(s.name for s in STAGES)}") from None
    end_on_sigterm()
    settings = load_settings()
    gc.disable()  # until the app runs: what imports make stays, and need not be looked through
    # What the root command line does not need to know: Faust, the client, the database.
    from pipeline import logs  # noqa: PLC0415
    from pipeline.apps import build_worker  # noqa: PLC0415
    from pipeline.recordbatch.run import run_app  # noqa: PLC0415

    logs.configure(settings.log_level, settings.log_format)
    sys.exit(0 if run_app(build_worker(wanted, settings).app) else EXIT_FAILED)

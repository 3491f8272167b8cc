"""Running an app until a signal or a failure ends it."""

import faust

from pipeline.logs import get_logger
from pipeline.recordbatch.app import BatchApp

log = get_logger(__name__)


def run_app(app: BatchApp) -> bool:
    """Run until SIGINT or SIGTERM (returns True) or until the stage fails (returns False; the log says why)."""
    worker = faust.Worker(app, loglevel="WARN", quiet=True, redirect_stdouts=False, override_logging=False)
    worker.spinner = None  # it would write escape sequences into the log
    try:
        worker.execute_from_commandline()
    except SystemExit as stop:
        if stop.code:
            return False
    except Exception as error:  # Faust raises again what crashed a service
        log.critical("the worker crashed", stage=app.stage_name, exc_info=error)
        return False
    return app.worker.failed is None

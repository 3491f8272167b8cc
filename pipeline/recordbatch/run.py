"""Running an app until a signal or a failure ends it."""

import gc

import faust

from pipeline.logs import get_logger
from pipeline.recordbatch.app import BatchApp
from pipeline.recordbatch.records import hand_out_cheap_records

log = get_logger(__name__)

# Batches make and drop objects by the ten thousand, hardly any of them in cycles: with Python's own threshold of 700
# the collector runs many times in every batch.
_GC_THRESHOLDS = (100_000, 20, 50)


def collect_seldom() -> None:
    """Have the collector of garbage pass over what is there already, and look at what comes seldom."""
    gc.collect()
    gc.freeze()  # what the imports made stays; no collection needs to look at it again
    gc.set_threshold(*_GC_THRESHOLDS)
    gc.enable()


def run_app(app: BatchApp) -> bool:
    """Run until SIGINT or SIGTERM (returns True) or until the stage fails (returns False; the log says why)."""
    worker = faust.Worker(app, loglevel="WARN", quiet=True, redirect_stdouts=False, override_logging=False)
    hand_out_cheap_records()
    collect_seldom()
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

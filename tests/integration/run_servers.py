"""A program that holds embedded servers until a signal; `test_embedded.py` ends it in every way there is.

Writes the folder on standard output once the servers answer.
"""

import signal

import psycopg

from pipeline.commands.signals import Stopped, stop_on_signals
from pipeline.embedded.broker import EmbeddedBroker
from pipeline.embedded.postgres import EmbeddedPostgres
from pipeline.embedded.processes import Household


def main() -> None:
    """Start, say so, wait."""
    with stop_on_signals(), Household() as household:
        broker = EmbeddedBroker(household)
        postgres = EmbeddedPostgres(household, throwaway=True)
        broker.start()
        postgres.start()
        broker.wait()
        postgres.wait()
        # A busy backend: PostgreSQL puts it into a session of its own, and it does not look up while it computes.
        busy = psycopg.connect(postgres.url, autocommit=True)
        busy.execute("DO $$ BEGIN PERFORM 1; END $$")
        print(household.folder, flush=True)  # noqa: T201 - read by the test
        busy.execute("SELECT count(*) FROM generate_series(1, 100000000000)")
        signal.pause()


if __name__ == "__main__":
    try:
        main()
    except Stopped as stopped:
        raise SystemExit(stopped.exit_code) from None

"""The closing of seasons, and payload versions, with one rule taken out at a time: the simulator notices."""

from typing import Any

from pipeline.seasons import closing
from rules import evaluate
from sinks.ledger import seasons
from tests.simulation import world
from tests.simulation.replaced import Mutation, replaced

# A closing costs as much as all else in a seed, so few seeds have any; here every one does.
_IN_EACH_SEED = ((world, "_WATCHED", 0.0), (world, "_CLOSING", 1.0))


def seasons_not_locked() -> Any:
    """Two who close a season at once may both find it open."""
    return replaced((seasons, "_LOCK", seasons._LOCK.replace("pg_advisory_xact_lock", "")), *_IN_EACH_SEED)


def closed_before_all_is_there() -> Any:
    """A season is closed without waiting for what was appended before."""

    async def drain(*_: Any) -> list[Any]:
        return []

    return replaced((closing, "drain", drain), *_IN_EACH_SEED)


def any_payload_version() -> Any:
    """An event is judged whatever version its payload has."""
    return replaced((evaluate, "check_version", lambda *_: None))


MUTATIONS_OF_SEASONS: tuple[Mutation, ...] = (
    seasons_not_locked,
    closed_before_all_is_there,
    any_payload_version,
)

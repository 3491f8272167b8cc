"""When a score in one window of a board beats all that its actor has in the others: a personal best. Pure.

It is told once for each window, when the score first exceeds the best of the actor's other windows that are kept. What
is to be beaten is remembered with the score, so that an event costs one comparison, and only a window's first event and
one that seems to beat it look at other windows. It is at most what there is to be beaten: late events raise other
windows, and what looks like a best is held against all of them before it is told.
"""

from collections.abc import Iterable
from typing import NamedTuple

from tables.boards import BoardKey, Standing


class Beaten(NamedTuple):
    """Whose score in which window has beaten the previous best, the first time in this window."""

    key: BoardKey
    score: int
    previous: int


def begin(standing: Standing, latest: Standing | None) -> Standing:
    """Return an actor's first standing in a window with what it has to beat.

    `latest` is the standing in the latest other window, which remembers what it had to beat itself. Without any nothing
    is to be beaten, and nothing is told in this window: it is what later ones are held against.
    """
    return standing if latest is None else _with(standing, _best(latest))


def challenge(standing: Standing, others: Iterable[Standing]) -> tuple[Standing, int | None]:
    """Hold a standing that seems to beat the best against those in all other windows.

    Returns the standing with what is still to be beaten, and the previous best if it was beaten.
    """
    if standing.to_beat is None:
        return standing, None
    best = max([standing.to_beat, *map(_best, others)])
    return (_with(standing, None), best) if standing.score > best else (_with(standing, best), None)


def _best(standing: Standing) -> int:
    return standing.score if standing.to_beat is None else max(standing.score, standing.to_beat)


def _with(standing: Standing, to_beat: int | None) -> Standing:
    return Standing(1, standing.score, standing.reached, standing.seq, to_beat)

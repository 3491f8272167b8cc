"""The fact `leaderboard.personal_best`: an actor's score in one window beats those in all others."""

from datetime import timedelta
from hashlib import blake2b

import msgspec

from pipeline.events import EPOCH, Event
from tables.boards import FACTS_SOURCE, board_key
from tables.personal_bests import Beaten


class PersonalBest(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the fact says: the score that beat the `previous` best, both as they were at that moment."""

    board: str
    window: str
    score: int
    previous: int
    split: str | None = None


def personal_best(beaten: Beaten, event_time_us: int, trace: str | None) -> Event:
    """Return the fact, at the time of the event that brought the score (microseconds since the epoch).

    Its id is a function of what it tells of, which happens once: whose score on which board, in which window and split.
    """
    key = beaten.key
    told = PersonalBest(key.board, key.window, beaten.score, beaten.previous, key.split or None)
    return Event(
        specversion="1.0",
        id=blake2b(board_key(*key), digest_size=16, person=b"plaudit-best").hexdigest(),
        source=FACTS_SOURCE,
        type="leaderboard.personal_best",
        subject=key.actor,
        tenant=key.tenant,
        time=EPOCH + timedelta(microseconds=event_time_us),
        traceparent=trace,
        data=msgspec.to_builtins(told),
    )

"""What Plaudit remembers of an actor: the state that rules read and change. A change makes a new value."""

from typing import Any, Final, Literal

import msgspec

from rules.streak_state import StreakState

PROFILE_VERSION: Final = 1


class Earned(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A badge that an actor has: how many of its steps were reached, and when the last was, by the event's time.

    A step is a tier, or a further multiple of a badge that is repeatable. `given` counts what commands gave beyond.
    `tier` is the highest tier that was reached: a later revision may have others below it. It is None for a badge
    without tiers, and in profiles stored before it was kept.
    """

    steps: int
    at_us: int
    given: int = 0
    tier: str | None = None


class QuestState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A quest that an actor has begun: how often each task was done, when it began, when it was completed.

    Times are those of events, in microseconds since the epoch. A completed quest needs its tasks no more.
    """

    tasks: dict[str, int] = {}
    started_us: int = 0
    completed_us: int | None = None


class Flag(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """In how many periods an abuse limit was exceeded, and when it was last, by the event's time."""

    times: int
    at_us: int


class Redemption(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A reward that an actor redeemed, by the command of that source and id.

    While it is pending its cost is reserved: taken from the profile's balances, not from the ledger's. `claim` is what
    the ledger knows it by, None for a reward without a stock. It is of no use from `expires_us` on.
    """

    reward: str
    source: str
    id: str
    at_us: int
    cost: dict[str, int]
    expires_us: int | None
    state: Literal["pending", "active", "cancelled"]
    claim: str | None = None


class Game(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an actor has of the game beyond points, by the ids of the economy. Stored like a profile.

    `counters` maps what badges count, named by its criterion, to how much it is. `reversed` names the events that were
    undone, by a digest of source and id. `redeemed` says how many redemptions of each reward count for the number per
    actor. An economy without any of it, and no command, never makes a game.
    """

    streaks: dict[str, StreakState] = {}
    counters: dict[str, int] = {}
    badges: dict[str, Earned] = {}
    reversed: tuple[bytes, ...] = ()
    quests: dict[str, QuestState] = {}
    flags: dict[str, Flag] = {}
    redemptions: tuple[Redemption, ...] = ()
    redeemed: dict[str, int] = {}


NO_GAME: Final = Game()


class Profile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An actor's state after the event of sequence `seq`.

    Stored as a msgpack array in this order. Fields are only ever added at the end, with a default; anything else is a
    new version. `limits` maps a limit's key to its remembered periods (`rules.limits`), packed so that a profile is
    read without unpacking the limits that an event does not touch. `cooldowns` maps a rule to the time, in
    microseconds since the epoch, of the latest event that it awarded. No mapping of a profile is ever changed in
    place.
    """

    version: int = PROFILE_VERSION
    seq: int = -1
    level: int = 1
    balances: dict[str, int] = {}
    limits: dict[str, bytes] = {}
    cooldowns: dict[str, int] = {}
    attributes: dict[str, Any] = {}
    game: Game | None = None


EMPTY: Final = Profile()

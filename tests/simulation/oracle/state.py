"""What the model keeps: whole lists and sets, where the product keeps sums."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

Who = tuple[str, str]  # tenant, actor
Row = tuple[str, str, str]  # window, split, actor
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Publication(NamedTuple):
    """A record of the topic `economies`: a revision, as its publisher meant it and when it came. Milliseconds."""

    tenant: str
    number: int
    published: int
    effective: int
    appended: int
    document: dict[str, Any]


class Moved(NamedTuple):
    """Points that go from one account to another."""

    debit: str
    credit: str
    currency: str
    amount: int
    kind: str
    cause: str


class Posted(NamedTuple):
    """A transfer of the ledger, and the event in whose name it is."""

    tenant: str
    source: str
    event_id: str
    event_type: str
    time: datetime
    actor: str
    moved: Moved
    revision: int


class Question(NamedTuple):
    """What the ledger is asked for the command of a sequence."""

    seq: int
    who: Who
    source: str
    id: str
    type: str
    time: datetime
    ask: dict[str, Any]


@dataclass
class Streak:
    """Periods by their numbers: active ones, frozen ones, and after which a milestone was paid for."""

    active: set[int] = field(default_factory=set)
    frozen: set[int] = field(default_factory=set)
    paid: list[tuple[int, int]] = field(default_factory=list)  # the last period of the run, milestone
    longest: int = 0


@dataclass
class Badge:
    """Steps that were reached, when the last was, and how often a command gave it beyond."""

    steps: int = 0
    at: int = 0
    given: int = 0


@dataclass
class Quest:
    """A quest that was begun."""

    started: int
    done: dict[str, int] = field(default_factory=dict)
    completed: int | None = None


@dataclass
class Redemption:
    """A reward that was redeemed by a command."""

    reward: str
    source: str
    id: str
    cost: dict[str, int]
    expires: datetime | None
    state: str
    claim: str | None = None


@dataclass
class Actor:
    """All that an actor ever did and got."""

    attributes: dict[str, Any] = field(default_factory=dict)
    balances: Counter[str] = field(default_factory=Counter)
    level: int = 1
    awarded: list[tuple[str, datetime]] = field(default_factory=list)  # rule, time of the event
    used: list[tuple[str, str, str, int]] = field(default_factory=list)  # rule, what is limited, period, how much
    streaks: dict[str, Streak] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)  # by what is counted, as JSON
    badges: dict[str, Badge] = field(default_factory=dict)
    quests: dict[str, Quest] = field(default_factory=dict)
    flags: dict[str, tuple[int, int]] = field(default_factory=dict)  # how often, when last
    redemptions: list[Redemption] = field(default_factory=list)
    redeemed: Counter[str] = field(default_factory=Counter)
    waiting: list[Redemption] = field(default_factory=list)  # for the ledger's word, the first first
    claims: set[str] = field(default_factory=set)  # that the ledger has answered
    reversed: set[tuple[str, str]] = field(default_factory=set)  # source, id


class Known(NamedTuple):
    """An actor after the event of a sequence: what a profile must say then. `game` is all beyond points."""

    balances: dict[str, int]
    level: int
    attributes: dict[str, Any]
    game: dict[str, Any]


@dataclass
class Expected:
    """What must be, of one partition of `events`."""

    transfers: dict[tuple[int, int], Posted] = field(default_factory=dict)  # sequence, leg
    questions: list[Question] = field(default_factory=list)
    answers: dict[int, dict[str, Any]] = field(default_factory=dict)  # of distinct ones, by sequence
    refused: dict[int, str] = field(default_factory=dict)  # sequence: reason
    outcomes: dict[int, tuple[str, str, str | None]] = field(default_factory=dict)  # sequence: id, status, reason
    facts: dict[int, list[str]] = field(default_factory=dict)  # sequence: types
    unique: list[int] = field(default_factory=list)
    actors: dict[Who, Actor] = field(default_factory=lambda: defaultdict(Actor))
    history: dict[Who, list[tuple[int, Known]]] = field(default_factory=lambda: defaultdict(list))
    boards: dict[tuple[str, str], dict[Row, tuple[int, datetime]]] = field(
        default_factory=lambda: defaultdict(dict)
    )  # tenant, board: (window, split, actor): score, reached
    expired: dict[tuple[str, str], str] = field(default_factory=dict)
    scored: set[int] = field(default_factory=set)  # sequences that boards are told of, though nothing may have moved
    # Scores of boards that tell of personal bests, by tenant, board, split and actor, and window: expired ones, too.
    bests: dict[tuple[str, str, str, str], dict[str, int]] = field(default_factory=dict)
    # By tenant, board, window, split and actor: sequence, score, what was beaten; None: the first, which is not told.
    told: dict[tuple[str, str, str, str, str], tuple[int, int, int] | None] = field(default_factory=dict)
    # What was set on boards of seasons, by tenant, board, window and split: sequence, actor, score, reached.
    seasonal: dict[tuple[str, str, str, str], list[tuple[int, str, int, datetime]]] = field(
        default_factory=lambda: defaultdict(list)
    )


def known(actor: Actor) -> Known:
    """Return what a profile must say of an actor now."""
    game = {
        "streaks": {name: (sorted(s.active), sorted(s.frozen), s.longest) for name, s in actor.streaks.items()},
        "counts": sorted(actor.counts.values()),
        "badges": {name: (badge.steps, badge.at, badge.given) for name, badge in actor.badges.items()},
        "quests": {name: (dict(q.done), q.started, q.completed) for name, q in actor.quests.items()},
        "flags": dict(actor.flags),
        "redemptions": [(each.reward, each.source, each.id, each.state, each.cost) for each in actor.redemptions],
        "redeemed": positive(actor.redeemed),
        "reversed": len(actor.reversed),
    }
    return Known(positive(actor.balances), actor.level, dict(actor.attributes), game)


def positive(amounts: Counter[str]) -> dict[str, int]:
    """Return the entries that say something."""
    return {name: amount for name, amount in amounts.items() if amount}


def micros(time: datetime) -> int:
    """Return an instant in microseconds since the epoch."""
    return (time - _EPOCH) // timedelta(microseconds=1)

"""The game of an economy beyond its rules, as the evaluation reads it: definitions, found by the type of an event."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol, TypeVar

from rules.conditions import Check, EvalContext
from rules.limits import Limit

TYPES_REMEMBERED_MAX: Final = 4_096  # event types come from producers; their number has no bound

Every = Literal["day", "week"]
Awards = tuple[tuple[str, int], ...]
"""Amounts > 0 by currency, in the document's order."""


@dataclass(frozen=True, slots=True)
class Streak:
    """Periods in a row. `grace` of them in a row may be missed; milestones ascend; `freezes` None: there are none."""

    id: str
    on: tuple[str, ...]
    every: Every
    grace: int
    freezes: Limit | None
    milestones: tuple[tuple[int, Awards], ...]


@dataclass(frozen=True, slots=True)
class Counter:
    """What profiles count for badges: events, or the sum of `amount`. `key` names what is counted, nothing else."""

    key: str
    on: tuple[str, ...]
    when: Check | None
    amount: Callable[[EvalContext], int] | None


@dataclass(frozen=True, slots=True)
class Counted:
    """At least `at` of what a counter counts."""

    key: str
    at: int


@dataclass(frozen=True, slots=True)
class LevelOf:
    """A level that was reached."""

    level: int


@dataclass(frozen=True, slots=True)
class StreakOf:
    """A streak whose longest run has at least this length."""

    streak: str
    length: int


@dataclass(frozen=True, slots=True)
class BalanceOf:
    """A balance of at least `amount`."""

    currency: str
    amount: int


@dataclass(frozen=True, slots=True)
class Parts:
    """All, or at least one, of several criteria."""

    every: bool
    parts: tuple["Criterion", ...]


Criterion = Counted | LevelOf | StreakOf | BalanceOf | Parts


@dataclass(frozen=True, slots=True)
class Badge:
    """A badge. `tiers` ascend, each with the number it takes; a badge without tiers has one that has no name."""

    id: str
    name: Mapping[str, str]
    category: str | None
    criterion: Criterion
    tiers: tuple[tuple[str | None, int], ...]
    awards: Awards
    secret: bool
    repeatable: bool


@dataclass(frozen=True, slots=True)
class QuestTask:
    """So many events of some types."""

    id: str
    on: tuple[str, ...]
    times: int


@dataclass(frozen=True, slots=True)
class Quest:
    """Tasks that count while `from_us` <= event time < `until_us`; from their start on, if it isn't automatic."""

    id: str
    automatic: bool
    from_us: int
    until_us: int
    tasks: tuple[QuestTask, ...]
    awards: Awards
    badge: str | None


@dataclass(frozen=True, slots=True)
class Reward:
    """Something to be had for `cost`. `expires_us` is how long it can be used, in microseconds; None: no bound."""

    id: str
    name: Mapping[str, str]
    cost: Awards
    stock: int | None
    per_actor: int | None
    expires_us: int | None


@dataclass(frozen=True, slots=True)
class Abuse:
    """A limit for events of some types, whatever they earn. `reason` says in words what exceeding it means."""

    id: str
    on: tuple[str, ...]
    when: Check | None
    limit: Limit
    refuses: bool
    reason: str


@dataclass(frozen=True, slots=True)
class CountedBoard:
    """A leaderboard that counts events."""

    id: str
    on: tuple[str, ...]
    when: Check | None


class TypePlan(NamedTuple):
    """What of the game the events of one type are about, each in document order.

    `badges` are those that count such events, and those that may follow from any; a quest comes with its tasks.
    """

    streaks: tuple[Streak, ...] = ()
    counters: tuple[Counter, ...] = ()
    badges: tuple[Badge, ...] = ()
    quests: tuple[tuple[Quest, tuple[QuestTask, ...]], ...] = ()
    abuses: tuple[Abuse, ...] = ()
    boards: tuple[CountedBoard, ...] = ()


class About(Protocol):
    """What is about some types of events."""

    @property
    def on(self) -> Sequence[str]: ...


T = TypeVar("T", bound=About)


class Game:
    """The parts by their ids, in document order. `stateful` are the badges that any change of a profile may give."""

    __slots__ = ("_plans", "abuses", "badges", "boards", "counters", "quests", "rewards", "stateful", "streaks")

    def __init__(
        self,
        streaks: Mapping[str, Streak],
        badges: Mapping[str, Badge],
        counters: Mapping[str, Counter],
        quests: Mapping[str, Quest],
        abuses: Mapping[str, Abuse],
        boards: Sequence[CountedBoard],
        rewards: Mapping[str, Reward],
    ) -> None:
        self.streaks = streaks
        self.badges = badges
        self.counters = counters
        self.quests = quests
        self.abuses = abuses
        self.boards = boards
        self.rewards = rewards
        self.stateful = tuple(badge for badge in badges.values() if _is_stateful(badge.criterion))
        self._plans: dict[str, TypePlan | None] = {}

    def plan(self, event_type: str) -> TypePlan | None:
        """Return what events of a type are about, None if nothing of the game is. Worked out once for each type."""
        try:
            return self._plans[event_type]
        except KeyError:
            if len(self._plans) >= TYPES_REMEMBERED_MAX:
                self._plans.clear()
            plan = self._plans[event_type] = self._make(event_type)
            return plan

    def _make(self, event_type: str) -> TypePlan | None:
        streaks = _about(event_type, self.streaks.values())
        counters = _about(event_type, self.counters.values())
        quests = tuple((quest, _about(event_type, quest.tasks)) for quest in self.quests.values())
        quests = tuple((quest, tasks) for quest, tasks in quests if tasks)
        abuses = _about(event_type, self.abuses.values())
        boards = _about(event_type, self.boards)
        if not (streaks or counters or quests or abuses or boards):
            return None
        keys = {counter.key for counter in counters}
        badges = tuple(
            badge
            for badge in self.badges.values()
            if _is_stateful(badge.criterion) or keys & set(counters_of(badge.criterion))
        )
        return TypePlan(streaks, counters, badges, quests, abuses, boards)


def counters_of(criterion: Criterion) -> Iterable[str]:
    """Yield the keys of the counters that a criterion reads."""
    if isinstance(criterion, Counted):
        yield criterion.key
    elif isinstance(criterion, Parts):
        for part in criterion.parts:
            yield from counters_of(part)


def _is_stateful(criterion: Criterion) -> bool:
    if isinstance(criterion, Parts):
        return any(map(_is_stateful, criterion.parts))
    return not isinstance(criterion, Counted)


def _about(event_type: str, entries: Iterable[T]) -> tuple[T, ...]:
    return tuple(each for each in entries if any(matches(event_type, pattern) for pattern in each.on))


def matches(event_type: str, pattern: str) -> bool:
    """Return whether an event type is `pattern`, or begins with the words before its `.*`."""
    return pattern in {"*", event_type} or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))

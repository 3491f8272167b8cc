"""The game of an economy beyond its rules, as the evaluation reads it: definitions, found by the type of an event."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol, TypeVar

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


class About(Protocol):
    """What is about some types of events."""

    @property
    def on(self) -> Sequence[str]: ...


T = TypeVar("T", bound=About)


class TypePlan(NamedTuple):
    """What of the game the events of one type are about, each in document order."""

    streaks: tuple[Streak, ...]


class Game:
    """Streaks by their ids, in document order."""

    __slots__ = ("_plans", "streaks")

    def __init__(self, streaks: Mapping[str, Streak]) -> None:
        self.streaks = streaks
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
        plan = TypePlan(streaks=_about(event_type, self.streaks.values()))
        return plan if any(plan) else None


def _about(event_type: str, entries: Iterable[T]) -> tuple[T, ...]:
    return tuple(each for each in entries if any(matches(event_type, pattern) for pattern in each.on))


def matches(event_type: str, pattern: str) -> bool:
    """Return whether an event type is `pattern`, or begins with the words before its `.*`."""
    return pattern in {"*", event_type} or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))

"""An economy as the evaluation reads it: what `rules.compiler` makes of a document, once per revision."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from rules.board_windows import BoardWindow, Season
from rules.conditions import Check, EvalContext
from rules.game import Game
from rules.index import RuleIndex
from rules.limits import Limit
from rules.versions import Versions
from rules.zones import Zone

Stacking = Literal["multiply", "highest", "add"]
Tie = Literal["first", "shared"]
Amount = int | Callable[[EvalContext], int]
"""A constant, or how to read an amount >= 0 from an event; any size, since limits apply later."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule. `order` is its place in the document; `cooldown_us` is in microseconds, 0 for none."""

    id: str
    order: int
    when: Check | None
    awards: tuple[tuple[str, Amount], ...]
    limit: Limit | None
    cooldown_us: int
    multiplied: bool


@dataclass(frozen=True, slots=True)
class Multiplier:
    """A factor on awards of one currency (None: every) while `from_us` <= event time < `until_us`, if `when` holds.

    With a streak, the factor is that of the longest of its ascending steps that the streak's length reaches; `factor`
    is 1 then.
    """

    id: str
    currency: str | None
    factor: Fraction
    from_us: int
    until_us: int
    when: Check | None
    streak: str | None = None
    steps: tuple[tuple[int, Fraction], ...] = ()


@dataclass(frozen=True, slots=True)
class Levels:
    """Thresholds in the level currency: level n + 1 is reached at `thresholds[n]`, and gives `awards` once."""

    currency: str
    thresholds: tuple[int, ...]
    awards: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Board:
    """A leaderboard of what is earned in `currency`, or if that is None of how many events of types `on` came.

    `split` reads the value whose board an event counts for; None as a result: no board at all. `seasons` are those that
    a board by season counts in. With `personal_best` it is told when actors beat their scores in other windows.
    """

    id: str
    currency: str | None
    window: BoardWindow
    tie: Tie
    split: Callable[[EvalContext], str | None] | None
    on: tuple[str, ...] = ()
    when: Check | None = None
    seasons: tuple[Season, ...] = ()
    personal_best: bool = False


@dataclass(frozen=True, slots=True)
class Economy:
    """One revision of a tenant's economy, in force for events appended at `effective_ms` or later.

    `boards` is in document order. `game` is None where the document has nothing of it.
    """

    tenant: str
    revision: int
    effective_ms: int
    zone: Zone
    currencies: frozenset[str]
    rules: RuleIndex["Rule"]
    multipliers: tuple[Multiplier, ...]
    stacking: Stacking
    levels: Levels | None
    boards: Mapping[str, Board]
    versions: Versions
    game: Game | None = None
    spendable: frozenset[str] = frozenset()

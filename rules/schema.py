"""The economy document as pydantic models: what contracts section 3 promises of the sections that are built."""

from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StrictBool, Tag, model_validator

from rules.abuse_schema import AbusePart
from rules.badge_schema import BadgePart
from rules.board_schema import Leaderboard, SeasonPart
from rules.condition_schema import FieldPath, Model, When
from rules.fields import (
    Count,
    Currency,
    Duration,
    EventPattern,
    Factor,
    Id,
    Instant,
    NewCurrency,
    TenantName,
    ZoneName,
    known_in,
    mistake,
)
from rules.game_schema import On, Step, StreakPart
from rules.quest_schema import QuestPart
from rules.reward_schema import RewardPart

RULES_MAX = 10_000
PARTS_MAX = 1_000
_SEASON_MIN = timedelta(days=2)  # wherever the zone's midnight lies, and whatever its clocks do


def _amount_field(path: str) -> str:
    if path.startswith("event."):
        raise mistake("field", f"{path} is no number, so nothing can ever be awarded", "a field of data or actor")
    return path


class CurrencyOptions(Model):
    """What can be done with a currency."""

    spendable: StrictBool = False


class FieldAmount(Model):
    """An amount read from the event: floor(value / per) times `times`."""

    field: Annotated[FieldPath, AfterValidator(_amount_field)]
    per: Count = 1
    times: Count = 1


Award = Annotated[
    Annotated[Count, Tag("<count>")] | Annotated[FieldAmount, Tag("<field>")],
    Discriminator(lambda value: "<field>" if isinstance(value, dict | FieldAmount) else "<count>"),
]


class Limit(Model):
    """How much a rule gives one actor in a period: a number of awards, or an amount of one currency."""

    times: Count | None = None
    amount: Count | None = None
    of: Currency | None = None
    per: Literal["hour", "day", "week", "month", "ever"]

    @model_validator(mode="after")
    def _one_measure(self) -> "Limit":
        if (self.times is None) == (self.amount is None):
            raise mistake("limit", "a limit has either times or amount", "{times: 10, per: day}")
        if self.amount is not None and self.of is None:
            raise mistake("limit", "an amount is of one currency", "{amount: 500, of: xp, per: hour}")
        if self.times is not None and self.of is not None:
            raise mistake("limit", "`of` belongs to amount", "leave it out", at="of")
        return self


class Rule(Model):
    """What an event of some type earns."""

    id: Id
    on: On
    when: When | None = None
    award: Annotated[dict[Currency, Award], Field(min_length=1)]
    limit: Limit | None = None
    cooldown: Duration | None = None
    multipliers: StrictBool = True


class Multiplier(Model):
    """A factor on awards: one, or steps of them by the length of a streak."""

    id: Id
    currency: Currency | None = None
    factor: Factor | None = None
    streak: Annotated[str, AfterValidator(known_in("streaks", "streak"))] | None = None
    steps: Annotated[dict[Step, Factor], Field(max_length=100)] | None = None
    from_: Instant | None = Field(default=None, alias="from")
    until: Instant | None = None
    when: When | None = None

    @model_validator(mode="after")
    def _window(self) -> "Multiplier":
        if self.from_ is not None and self.until is not None and self.until <= self.from_:
            raise mistake("window", "the window ends before it begins", "an instant after `from`", at="until")
        return self

    @model_validator(mode="after")
    def _one_kind(self) -> "Multiplier":
        if (self.streak is None) != (self.steps is None):
            raise mistake("multiplier", "`streak` and `steps` belong together", "{streak: <id>, steps: {7: 1.1}}")
        if (self.factor is None) == (self.steps is None):
            raise mistake("multiplier", "a multiplier has either a factor or steps", "factor: 1.5")
        if self.steps is not None and not self.steps:
            raise mistake("multiplier", "at least one step is needed", "{7: 1.1}", at="steps")
        return self


def _ascending(thresholds: tuple[int, ...]) -> tuple[int, ...]:
    if thresholds[0] != 0:
        raise mistake("thresholds", "everyone starts at level 1, so the first threshold is 0", "[0, 100, …]", at="0")
    for index in range(1, len(thresholds)):
        if thresholds[index] <= thresholds[index - 1]:
            raise mistake("thresholds", "thresholds rise from level to level", "a greater number", at=str(index))
    return thresholds


class Levels(Model):
    """Levels by the balance of one currency."""

    currency: Currency
    thresholds: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=0, le=2**53 - 1)], ...],
        Field(min_length=1, max_length=10_000),
        AfterValidator(_ascending),
    ]
    award: dict[Currency, Count] = Field(default_factory=dict)


def _apart(seasons: tuple[SeasonPart, ...]) -> tuple[SeasonPart, ...]:
    """Refuse seasons that overlap, or begin less than a day apart: a season's board is named by its first day."""
    places = sorted(range(len(seasons)), key=lambda place: seasons[place].from_)
    for earlier, later in pairwise(places):
        first, second = seasons[earlier], seasons[later]
        if second.from_ < first.until or second.from_ - first.from_ < _SEASON_MIN:
            raise mistake("season", f"{second.id!r} begins in {first.id!r}, or on the same day", "a later instant")
    return seasons


Majors = Annotated[tuple[Annotated[int, Field(strict=True, ge=0)], ...], Field(min_length=1)]


class EconomyDocument(Model):
    """A tenant's whole game."""

    economy: TenantName
    timezone: ZoneName = "UTC"
    currencies: Annotated[
        dict[NewCurrency, Annotated[CurrencyOptions, BeforeValidator(lambda value: {} if value is None else value)]],
        Field(min_length=1, max_length=100),
    ]
    rules: Annotated[tuple[Rule, ...], Field(max_length=RULES_MAX)] = ()
    multipliers: Annotated[tuple[Multiplier, ...], Field(max_length=1_000)] = ()
    stacking: Literal["multiply", "highest", "add"] = "multiply"
    levels: Levels | None = None
    streaks: Annotated[tuple[StreakPart, ...], Field(max_length=PARTS_MAX)] = ()
    badges: Annotated[tuple[BadgePart, ...], Field(max_length=PARTS_MAX)] = ()
    quests: Annotated[tuple[QuestPart, ...], Field(max_length=PARTS_MAX)] = ()
    rewards: Annotated[tuple[RewardPart, ...], Field(max_length=PARTS_MAX)] = ()
    abuse: Annotated[tuple[AbusePart, ...], Field(max_length=PARTS_MAX)] = ()
    leaderboards: Annotated[tuple[Leaderboard, ...], Field(max_length=1_000)] = ()
    seasons: Annotated[tuple[SeasonPart, ...], Field(max_length=PARTS_MAX), AfterValidator(_apart)] = ()
    dataversions: dict[EventPattern, Majors] = Field(default_factory=dict)

"""Badges as documents write them: a criterion, the tiers it is held against, and what each gives."""

from itertools import pairwise
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StrictBool, StringConstraints, ValidationInfo, model_validator

from rules.condition_schema import FieldPath, Model, When
from rules.fields import Count, Currency, Id, known_in, mistake
from rules.game_schema import Bonus, On, Step

TIERS: Final = ("bronze", "silver", "gold", "platinum")
KINDS: Final = ("count", "sum", "level", "streak", "balance", "all", "any")
PARTS_DEPTH_MAX: Final = 4

Tier = Literal["bronze", "silver", "gold", "platinum"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Names = Annotated[dict[Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")], Name], Field()]
"""A name in several languages, by their tags: `en`, `pt-BR`."""


def _summed_field(path: str) -> str:
    if not path.startswith(("data.", "actor.")):
        raise mistake("field", f"{path} can't be summed up", "a field of data or actor")
    return path


class CountOf(Model):
    """Events of some types, for which a condition holds."""

    on: On
    when: When | None = None


class SumOf(CountOf):
    """The sum of a field of such events: whole parts of numbers that are not negative."""

    field: Annotated[FieldPath, AfterValidator(_summed_field)]


class StreakOf(Model):
    """A streak that has become so long at least once."""

    id: Annotated[str, AfterValidator(known_in("streaks", "streak"))]
    length: Step


def _reachable(level: int, info: ValidationInfo) -> int:
    levels = (info.context or {}).get("levels")
    if levels is not None and level > levels:
        raise mistake("level", f"there are {levels} levels", f"a level from 2 to {levels}")
    return level


class Criterion(Model):
    """What is held against a number: exactly one of the kinds. `at` belongs to what is counted."""

    count: CountOf | None = None
    sum: SumOf | None = None
    level: Annotated[int, Field(strict=True, ge=2), AfterValidator(_reachable)] | None = None
    streak: StreakOf | None = None
    balance: Annotated[dict[Currency, Count], Field(min_length=1)] | None = None
    all: Annotated[tuple["Criterion", ...], Field(max_length=20)] | None = None
    any: Annotated[tuple["Criterion", ...], Field(max_length=20)] | None = None
    at: Count | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "Criterion":
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise mistake("criterion", "a criterion is exactly one of " + ", ".join(KINDS), "count: {on: pr.merged}")
        if self.at is not None and given[0] not in {"count", "sum"}:
            raise mistake("criterion", f"`at` belongs to count and sum, not to {given[0]}", "leave it out", at="at")
        if () in (self.all, self.any):
            raise mistake("criterion", f"`{given[0]}` names at least one criterion", "[{level: 5}]", at=given[0])
        if _depth(self) > PARTS_DEPTH_MAX:
            raise mistake("criterion", f"at most {PARTS_DEPTH_MAX} levels of all and any", "make several badges")
        return self


def _depth(criterion: Criterion) -> int:
    parts = (*(criterion.all or ()), *(criterion.any or ()))
    return 1 + max(map(_depth, parts), default=0)


class BadgePart(Criterion):
    """A sign of what an actor has done."""

    id: Id
    name: Names = Field(default_factory=dict)
    category: Name | None = None
    tiers: Annotated[dict[Tier, Count], Field(min_length=1)] | None = None
    award: Bonus = Field(default_factory=dict)
    secret: StrictBool = False
    repeatable: StrictBool = False

    @model_validator(mode="after")
    def _counted(self) -> "BadgePart":
        counted = self.count is not None or self.sum is not None
        if self.tiers is not None:
            if not counted:
                raise mistake("tiers", "tiers are of what is counted: count or sum", "make a badge of each", at="tiers")
            if self.at is not None:
                raise mistake("tiers", "a badge has either tiers or `at`", "leave one out", at="at")
            numbers = [self.tiers[tier] for tier in TIERS if tier in self.tiers]
            if any(later <= earlier for earlier, later in pairwise(numbers)):
                raise mistake("tiers", "a higher tier takes more", "numbers that rise with the tier", at="tiers")
        if self.repeatable and (self.tiers is not None or not counted):
            raise mistake(
                "repeatable", "only a count or sum with `at` can be repeated", "leave it out", at="repeatable"
            )
        return self


Criterion.model_rebuild()
BadgePart.model_rebuild()

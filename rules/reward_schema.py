"""Rewards as documents write them: what points buy."""

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from rules.badge_schema import Names
from rules.condition_schema import Model
from rules.fields import Count, Duration, Id, mistake
from rules.game_schema import Bonus


def _affordable(cost: dict[str, int], info: ValidationInfo) -> dict[str, int]:
    spendable = (info.context or {}).get("spendable")
    for currency in cost:
        if spendable is not None and currency not in spendable:
            suggestion = f"{currency}: {{spendable: true}}, or another currency"
            raise mistake("cost", f"{currency!r} can't be spent", suggestion, at=currency)
    return cost


class RewardPart(Model):
    """Something to be had for points: as often as there are pieces, and as one actor may have it."""

    id: Id
    name: Names = Field(default_factory=dict)
    cost: Annotated[Bonus, Field(min_length=1), AfterValidator(_affordable)]
    stock: Count | None = None
    per_actor: Count | None = None
    expires_after: Duration | None = None

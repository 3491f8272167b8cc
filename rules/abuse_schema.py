"""Abuse limits as documents write them: how often is too often."""

from typing import Literal

from rules.condition_schema import Model, When
from rules.fields import Count, Id
from rules.game_schema import On


class AbusePart(Model):
    """More than so many events of some types in a period."""

    id: Id
    on: On
    when: When | None = None
    times: Count
    per: Literal["hour", "day", "week", "month", "ever"]
    action: Literal["refuse", "flag"]

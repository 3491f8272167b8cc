"""Leaderboards and seasons as documents write them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, ValidationInfo, model_validator

from rules.badge_schema import CountOf
from rules.condition_schema import FieldPath, Model
from rules.fields import Currency, Id, Instant, mistake


def _split_field(path: str) -> str:
    if path.startswith("profile.") or path == "event.time":
        raise mistake(
            "field", f"a board can't be split by {path}", "a field of data or actor, event.type, event.source"
        )
    return path


def _with_seasons(window: str, info: ValidationInfo) -> str:
    if window == "season" and not (info.context or {}).get("seasons", True):
        raise mistake("window", "there are no seasons", "add `seasons`, or choose day, week, month or all")
    return window


class Leaderboard(Model):
    """A board of scores: what is earned in one currency, or how many events of some types came."""

    id: Id
    currency: Currency | None = None
    count: CountOf | None = None
    window: Annotated[Literal["day", "week", "month", "season", "all"], AfterValidator(_with_seasons)]
    tie: Literal["first", "shared"] = "first"
    split: Annotated[FieldPath, AfterValidator(_split_field)] | None = None
    personal_best: StrictBool = False

    @model_validator(mode="after")
    def _one_measure(self) -> "Leaderboard":
        if (self.currency is None) == (self.count is None):
            raise mistake("leaderboard", "a leaderboard has either a currency or a count", "currency: xp")
        if self.personal_best and self.window == "all":
            raise mistake(
                "window", "a board for all time has no second window to beat", "day, week, month or season", at="window"
            )
        return self


class SeasonPart(Model):
    """A time with a beginning and an end, in which leaderboards may count."""

    id: Id
    from_: Instant = Field(alias="from")
    until: Instant

    @model_validator(mode="after")
    def _window(self) -> "SeasonPart":
        if self.until <= self.from_:
            raise mistake("window", "the season ends before it begins", "an instant after `from`", at="until")
        return self

"""Commands: attributes are set, the rest is answered, and what is no command is refused."""

from typing import Any

import pytest

from pipeline.errors import PoisonEvent, Reason
from rules.decision import Decision, Outcome
from rules.evaluate import apply
from rules.profile import EMPTY, Profile
from tests import builders


def command(name: str, data: dict[str, Any] | None = None, profile: Profile = EMPTY) -> Decision:
    """Return the answer to a command."""
    event = builders.event(type=f"plaudit.{name}", data=data or {})
    return apply(profile, event, builders.economy({"on": "*"}), profile.seq + 1)


def test_attributes_are_set_and_removed() -> None:
    """What is not named stays; null removes."""
    profile = Profile(seq=3, balances={"xp": 5}, attributes={"tier": "vip", "team": "red"})

    decision = command("attributes.set", {"tier": None, "friends": ["grace"], "timezone": "Asia/Tokyo"}, profile)

    assert decision.outcome == Outcome("applied")
    assert decision.profile.attributes == {"team": "red", "friends": ["grace"], "timezone": "Asia/Tokyo"}
    assert decision.profile.seq == 4
    assert decision.profile.balances == {"xp": 5}
    assert decision.postings == ()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"timezone": "Mars/Phobos", "tier": "vip"}, "invalid_timezone"),
        ({"timezone": 5}, "invalid_timezone"),
        ({"": 1}, "invalid_attribute_name"),
        ({"x" * 65: 1}, "invalid_attribute_name"),
        ({str(number): 1 for number in range(65)}, "too_many_attributes"),
        ({"bio": "x" * 5_000}, "attributes_too_large"),
        ({"n": 2**64}, "attribute_out_of_range"),
    ],
)
def test_attributes_beyond_bounds_are_refused_together(data: dict[str, Any], reason: str) -> None:
    """A profile stays small and storable; a refused command changes nothing."""
    decision = command("attributes.set", data)

    assert decision.outcome == Outcome("refused", reason)
    assert decision.profile is EMPTY


@pytest.mark.parametrize(
    "name", ["spend", "adjust", "badge.award", "reward.redeem", "streak.freeze", "quest.start", "reverse"]
)
def test_command_that_is_not_built_is_answered(name: str) -> None:
    """Whoever waits for the outcome gets one."""
    assert command(name).outcome == Outcome("refused", "not_supported")


def test_unknown_command_is_dead_lettered() -> None:
    """A name of ours that means nothing is a producer's mistake."""
    with pytest.raises(PoisonEvent) as refusal:
        command("make.me.rich")

    assert refusal.value.reason is Reason.UNKNOWN_COMMAND


def test_no_rule_pays_for_a_command() -> None:
    """Not even one on every type."""
    assert command("attributes.set", {"tier": "vip"}).postings == ()

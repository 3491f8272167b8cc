"""Commands: attributes are set, the rest is answered, and what is no command is refused."""

from typing import Any

import pytest

from pipeline.errors import PoisonEvent, Reason
from rules.decision import Decision, Outcome, RefusalReason
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
def test_attributes_beyond_bounds_are_refused_together(data: dict[str, Any], reason: RefusalReason) -> None:
    """A profile stays small and storable; a refused command changes nothing."""
    decision = command("attributes.set", data)

    assert decision.outcome == Outcome("refused", reason)
    assert decision.profile is EMPTY


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("spend", {"currency": "coins", "amount": 0}, "invalid_amount"),
        ("spend", {"currency": "coins", "amount": -1}, "invalid_amount"),
        ("spend", {"currency": "coins", "amount": True}, "invalid_amount"),
        ("spend", {"currency": "coins", "amount": 1.5}, "invalid_amount"),
        ("spend", {"currency": "coins", "amount": "5"}, "invalid_amount"),
        ("spend", {"currency": "coins"}, "invalid_amount"),
        ("spend", {"currency": "coins", "amount": 10**15 + 1}, "invalid_amount"),
        ("spend", {"currency": "coins", "amount": 11}, "insufficient_balance"),
        ("spend", {"currency": "gold", "amount": 1}, "unknown_currency"),
        ("spend", {"currency": ["coins"], "amount": 1}, "unknown_currency"),
        ("spend", {"currency": "xp", "amount": 1}, "not_spendable"),
        ("spend", {"currency": "coins", "amount": 1, "reason": 7}, "invalid_reason"),
        ("spend", {"currency": "coins", "amount": 1, "reason": "x" * 257}, "invalid_reason"),
        ("spend", {"currency": "coins", "amount": 1, "reason": "a\0b"}, "invalid_reason"),
        ("adjust", {"currency": "coins", "amount": -11}, "insufficient_balance"),
        ("adjust", {"currency": "gold", "amount": 1}, "unknown_currency"),
        ("adjust", {"currency": "xp", "amount": 0}, "invalid_amount"),
        ("adjust", {"currency": "points", "amount": 10**15}, "balance_out_of_range"),
        ("badge.award", {"badge": "b"}, "unknown_badge"),
        ("badge.award", {}, "unknown_badge"),
        ("badge.award", {"badge": ["b"]}, "unknown_badge"),
        ("streak.freeze", {"streak": "s"}, "unknown_streak"),
        ("quest.start", {"quest": "q"}, "unknown_quest"),
        ("reward.redeem", {"reward": "r"}, "unknown_reward"),
        ("reward.cancel", {"redemption": "r"}, "unknown_redemption"),
        ("reward.cancel", {}, "unknown_redemption"),
        ("reverse", {}, "unknown_event"),
        ("reverse", {"source": "s", "id": ""}, "unknown_event"),
        ("reverse", {"source": "s", "id": "x" * 257}, "unknown_event"),
        ("reverse", {"source": "s", "id": "a\0b"}, "unknown_event"),
    ],
)
def test_refused_command_changes_nothing(name: str, data: dict[str, Any], reason: RefusalReason) -> None:
    """The outcome says why, as a code."""
    profile = Profile(seq=3, balances={"coins": 10, "xp": 10, "points": 2**53 - 10**15})

    decision = command(name, data, profile)

    assert decision == Decision(profile, outcome=Outcome("refused", reason))
    assert decision.profile is profile


@pytest.mark.parametrize("name", ["answer.reversal", "answer.stock"])
def test_an_answer_that_says_nothing_is_refused(name: str) -> None:
    """Only a foreign producer can have made it."""
    with pytest.raises(PoisonEvent) as refusal:
        command(name, {"command": {}})

    assert refusal.value.reason is Reason.INVALID_RECORD


def test_unknown_command_is_dead_lettered() -> None:
    """A name of ours that means nothing is a producer's mistake."""
    with pytest.raises(PoisonEvent) as refusal:
        command("make.me.rich")

    assert refusal.value.reason is Reason.UNKNOWN_COMMAND


def test_no_rule_pays_for_a_command() -> None:
    """Not even one on every type."""
    assert command("attributes.set", {"tier": "vip"}).postings == ()

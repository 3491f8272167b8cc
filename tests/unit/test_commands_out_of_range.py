"""Commands that lead to a balance that no account can hold: they are refused whole, and their caller hears of it."""

from datetime import timedelta
from typing import Any

import pytest

from rules.amounts import BALANCE_MAX
from rules.decision import Decision, Outcome
from rules.profile import EMPTY, Profile
from tests import builders
from tests.scenarios.runner import Play, compiled

REFUSED = Outcome("refused", "balance_out_of_range")
SECTIONS: dict[str, Any] = {
    "rules": [{"id": "order", "on": "order.paid", "award": {"coins": {"field": "data.coins"}}}],
    "levels": {"currency": "xp", "thresholds": [0, 10, 100], "award": {"coins": 1}},
    "badges": [
        {"id": "rich", "balance": {"coins": 1_000}, "award": {"xp": 1}},
        {"id": "twice", "count": {"on": "x"}, "tiers": {"bronze": 1, "silver": 2}, "award": {"coins": 1}},
    ],
    "rewards": [{"id": "mug", "cost": {"coins": 50}, "stock": 1}],
}
"""An economy in which one thing leads to another."""


def play(profile: Profile = EMPTY) -> Play:
    """Return a game with one actor."""
    return Play(compiled(SECTIONS), actors={builders.ACTOR: profile}, seq=profile.seq + 1)


def send(played: Play, name: str, data: dict[str, Any], event_id: str = "c") -> Decision:
    """Apply the next event, and what the ledger answers to it."""
    event = builders.event(id=event_id, type=name, data=data, time=builders.INSTANT + timedelta(minutes=played.seq))
    return played.apply(event)


@pytest.mark.parametrize(
    ("name", "data", "profile"),
    [
        ("adjust", {"currency": "coins", "amount": 1_000}, Profile(balances={"xp": BALANCE_MAX}, level=3)),
        ("adjust", {"currency": "xp", "amount": 10}, Profile(balances={"coins": BALANCE_MAX})),
        ("badge.award", {"badge": "rich"}, Profile(balances={"xp": BALANCE_MAX}, level=3)),
        ("badge.award", {"badge": "twice", "tier": "silver"}, Profile(balances={"coins": BALANCE_MAX - 1})),
    ],
    ids=["a badge that follows", "a level that follows", "a badge by hand", "the second of two tiers"],
)
def test_a_command_whose_awards_are_out_of_range_is_refused(name: str, data: dict[str, Any], profile: Profile) -> None:
    """Its outcome says so, and nothing of it is applied: not even what was in range."""
    before = Profile(seq=3, balances=profile.balances, level=profile.level)
    played = play(before)

    assert send(played, f"plaudit.{name}", data) == Decision(before, outcome=REFUSED)
    assert played.actors[builders.ACTOR] == before


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("plaudit.reward.cancel", {"redemption": "r"}),
        ("plaudit.reverse", {"source": "tests/builders", "id": "r"}),
    ],
)
def test_a_refund_that_is_out_of_range_is_refused_and_may_be_asked_for_again(name: str, data: dict[str, Any]) -> None:
    """Once there is room for it, it comes; until then the redemption stands, and its piece is not given back."""
    played = play(Profile(seq=3, balances={"coins": BALANCE_MAX}))
    send(played, "plaudit.reward.redeem", {"reward": "mug"}, "r")
    send(played, "order.paid", {"coins": 50}, "o")
    before = played.actors[builders.ACTOR]

    refused = send(played, name, data, "undo-1")

    assert refused.outcome == REFUSED
    assert (refused.postings, refused.facts, refused.ask) == ((), (), None)
    assert (refused.event is None) or refused.event.id == "undo-1"
    assert played.actors[builders.ACTOR] == before
    assert played.taken["mug"] == 1
    send(played, "plaudit.spend", {"currency": "coins", "amount": 50}, "s")
    assert send(played, name, data, "undo-2").outcome == Outcome("applied")
    assert played.actors[builders.ACTOR].balances["coins"] == BALANCE_MAX
    assert played.taken["mug"] == 0

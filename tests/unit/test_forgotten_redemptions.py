"""Redemptions that a profile does not remember one by one any more: what can still be undone of them."""

import pytest

from pipeline.events import Event
from rules.decision import Decision, Outcome
from rules.profile import Profile
from rules.redemptions import REDEMPTIONS_MAX
from tests import builders
from tests.scenarios.runner import Play, compiled

ECONOMY = compiled({"rewards": [{"id": "mug", "cost": {"coins": 5}, "stock": 1}, {"id": "card", "cost": {"coins": 1}}]})
COINS = 1_000


def redeem(name: str, reward: str) -> Event:
    """Return the command that redeems a reward under an id."""
    return builders.event(type="plaudit.reward.redeem", id=name, data={"reward": reward})


def reverse(name: str) -> Event:
    """Return the command that reverses another."""
    return builders.event(type="plaudit.reverse", id=f"reverse {name}", data={"source": builders.SOURCE, "id": name})


def cancel(name: str) -> Event:
    """Return the command that cancels a redemption."""
    return builders.event(type="plaudit.reward.cancel", id=f"cancel {name}", data={"redemption": name})


def refused(decision: Decision) -> str | None:
    """Return why a command was refused, None if it was not."""
    return None if decision.outcome is None else decision.outcome.reason


def redeemed_and_then(reward: str, others: int) -> Play:
    """Let the actor redeem a reward as `first`, and then so many others."""
    played = Play(ECONOMY, actors={builders.ACTOR: Profile(balances={"coins": COINS})})
    played.apply(redeem("first", reward))
    for number in range(others):
        assert played.apply(redeem(f"other-{number}", "card")).outcome == Outcome("applied")
    return played


@pytest.mark.parametrize("reward", ["mug", "card"])
def test_a_forgotten_redemption_is_not_reversed(reward: str) -> None:
    """Points that came back without the piece would be a gift, and the piece nobody's for ever."""
    played = redeemed_and_then(reward, REDEMPTIONS_MAX)
    before = played.actors[builders.ACTOR]

    assert refused(played.apply(reverse("first"))) == "not_reversible"
    assert refused(played.apply(cancel("first"))) == "unknown_redemption"

    assert played.actors[builders.ACTOR] == before
    assert played.taken["mug"] == (reward == "mug")


def test_the_oldest_redemption_that_is_remembered_is_reversed() -> None:
    """With its piece, which is another's then."""
    played = redeemed_and_then("mug", REDEMPTIONS_MAX - 1)

    decision = played.apply(reverse("first"))

    assert decision.ask is not None
    assert played.taken["mug"] == 0
    assert played.actors[builders.ACTOR].balances == {"coins": COINS - (REDEMPTIONS_MAX - 1)}


def test_two_redemptions_of_one_id_are_not_reversed_for_one_piece() -> None:
    """An id may come again after its retention: the ledger then names what both cost, and one is at hand."""
    played = redeemed_and_then("card", 0)
    played.apply(redeem("first", "mug"))
    before = played.actors[builders.ACTOR]

    assert refused(played.apply(reverse("first"))) == "not_reversible"

    assert played.actors[builders.ACTOR] == before


def test_a_redemption_is_not_reversed_for_another_of_its_id_that_waits() -> None:
    """The ledger answered about the first one, while the second still waits for its piece."""
    played = redeemed_and_then("card", 0)
    played.ledger_is("away")
    played.apply(reverse("first"))
    played.apply(redeem("first", "mug"))

    reversal, _ = played.ledger_is("back")

    assert refused(reversal) == "not_reversible"
    assert played.actors[builders.ACTOR].balances == {"coins": COINS - 6}

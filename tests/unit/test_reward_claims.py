"""Claims on the stock of a reward: each answer is for one redemption, whatever else has the same id."""

from typing import Any

from pipeline.events import STOCK_ANSWER, Event, StockAsked
from rules.decision import Decision, Outcome
from rules.evaluate import apply
from rules.origins import claim_of
from rules.profile import Profile, Redemption
from tests import builders
from tests.scenarios.runner import compiled

COST = 3
ECONOMY = compiled({"rewards": [{"id": "mug", "cost": {"coins": COST}, "stock": 5}]})
REDEEM = builders.event(type="plaudit.reward.redeem", data={"reward": "mug"})


def redeemed(profile: Profile, seq: int) -> tuple[Profile, str]:
    """Return the profile after the command has come at that sequence, and the claim for which match asks."""
    decision = apply(profile, REDEEM, ECONOMY, seq)
    assert isinstance(decision.ask, StockAsked)
    return decision.profile, decision.ask.claim


def answered(profile: Profile, claim: str, seq: int, *, granted: bool = True) -> Decision:
    """Return what the ledger's answer to a claim does."""
    command = {"source": REDEEM.source, "id": REDEEM.id, "type": REDEEM.type, "time": REDEEM.time.isoformat()}
    data: dict[str, Any] = {"command": command, "reward": "mug", "claim": claim, "granted": granted}
    return apply(profile, builders.event(type=STOCK_ANSWER, id=f"answer-{seq}", data=data), ECONOMY, seq)


def redemptions(profile: Profile) -> list[Redemption]:
    """Return what the profile remembers of redemptions."""
    return [] if profile.game is None else list(profile.game.redemptions)


def test_two_redemptions_of_one_id_wait_for_an_answer_each() -> None:
    """An id may come again after its retention, while the ledger is away: neither waits for ever, both are paid."""
    first, one = redeemed(Profile(seq=0, balances={"coins": 10}), 1)
    both, two = redeemed(first, 2)
    assert one != two

    settled = answered(both, one, 3)
    refused = answered(settled.profile, two, 4, granted=False)

    assert (settled.outcome, refused.outcome) == (Outcome("applied"), Outcome("refused", "out_of_stock"))
    assert [(each.claim, each.state) for each in redemptions(settled.profile)] == [(one, "active"), (two, "pending")]
    assert [(each.claim, each.state) for each in redemptions(refused.profile)] == [(one, "active")]
    assert refused.profile.balances == {"coins": 10 - COST}


def test_an_answer_that_comes_again_settles_nothing_else() -> None:
    """Not even a redemption of the same id that waits for its own."""
    first, one = redeemed(Profile(seq=0, balances={"coins": 10}), 1)
    both, _ = redeemed(answered(first, one, 2).profile, 3)

    again = answered(both, one, 4)

    assert again == Decision(both)


def test_claims_differ_by_actor_and_sequence() -> None:
    """Two partitions may hold the same identity at the same sequence, each for an actor of its own."""

    def event(actor: str) -> Event:
        return builders.event(subject=actor, id="1")

    assert len({claim_of(event("ada"), 7), claim_of(event("bob"), 7), claim_of(event("ada"), 8)}) == 3
    assert claim_of(event("ada"), 7) == claim_of(event("ada"), 7)

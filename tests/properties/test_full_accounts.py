"""Accounts that are nearly full, with redemptions that wait for the ledger: no bound is broken, no refund gets lost."""

from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import STOCK_ANSWER, StockAsked
from rules.amounts import BALANCE_MAX
from rules.decision import Decision, actor_account
from rules.evaluate import apply
from rules.profile import Profile
from tests import builders
from tests.scenarios.runner import compiled

ECONOMY = compiled(
    {
        "rules": [{"id": "paid", "on": "order.paid", "award": {"coins": {"field": "data.coins"}}}],
        "rewards": [
            {"id": "mug", "cost": {"coins": 60}, "stock": 1_000},
            {"id": "pen", "cost": {"coins": 7}, "stock": 1_000},
            {"id": "card", "cost": {"coins": 5}},
        ],
    }
)
ACCOUNT = actor_account(builders.ACTOR)


class Till:
    """An actor whose account has `balance` coins, and the ledger, which answers when it is asked to."""

    def __init__(self, balance: int) -> None:
        self.profile = Profile(seq=0, balances={"coins": balance})
        self.ledger = balance
        self.waiting: list[dict[str, Any]] = []
        self.redeemed: list[str] = []
        self.seen = Counter[str]()

    def send(self, name: str, data: dict[str, Any]) -> Decision | None:
        """Judge the next event; None if it is a dead letter, which can only be for want of room."""
        seq = self.profile.seq + 1
        event = builders.event(id=f"e-{seq}", type=name, data=data, time=builders.INSTANT + timedelta(minutes=seq))
        try:
            decision = apply(self.profile, event, ECONOMY, seq)
        except PoisonEvent as poison:
            if (name, poison.reason) != ("order.paid", Reason.AMOUNT_OUT_OF_RANGE):
                raise
            self.seen["dead letter"] += 1
            return None
        # What changed nothing leaves no mark; the next event of the log has the next sequence all the same.
        self.profile = msgspec.structs.replace(decision.profile, seq=seq)
        for each in decision.postings:
            self.ledger += each.amount * ((each.credit_account == ACCOUNT) - (each.debit_account == ACCOUNT))
        if isinstance(decision.ask, StockAsked):
            origin = {"source": event.source, "id": event.id, "type": event.type, "time": event.time.isoformat()}
            self.waiting.append({"command": origin, "reward": decision.ask.reward, "claim": decision.ask.claim})
        if name == "plaudit.reward.redeem":
            self.redeemed.append(event.id)
        if decision.outcome is not None:
            self.seen[decision.outcome.reason or decision.outcome.status] += 1
        return decision

    def answer(self, random: Random, *, granted: bool) -> None:
        """Let the ledger answer one of the commands that wait."""
        if self.waiting:
            said = self.waiting.pop(random.randrange(len(self.waiting)))
            decision = self.send(STOCK_ANSWER, said | {"granted": granted})
            assert decision is not None
            assert decision.outcome is not None
            assert (decision.outcome.status == "applied") is granted


def happen(till: Till, random: Random) -> None:
    """Let one thing happen that moves points, or one that waits come to its end."""
    amount = random.randrange(1, 130)
    match random.randrange(7):
        case 0:
            till.send("order.paid", {"coins": amount})
        case 1:
            till.send("plaudit.adjust", {"currency": "coins", "amount": amount})
        case 2:
            till.send("plaudit.spend", {"currency": "coins", "amount": amount})
        case 3 | 4:
            till.send("plaudit.reward.redeem", {"reward": random.choice(["mug", "pen", "card"])})
        case 5:
            till.send("plaudit.reward.cancel", {"redemption": random.choice(till.redeemed or ["none"])})
        case _:
            till.answer(random, granted=random.random() < 0.5)


def settle(till: Till, random: Random) -> None:
    """Let the ledger answer all that waits."""
    while till.waiting:
        till.answer(random, granted=random.random() < 0.5)


@given(seed=st.integers(0, 2**32), room=st.integers(0, 200))
def test_no_account_ever_holds_more_than_it_can(seed: int, room: int) -> None:
    """Neither the profile's balance nor the ledger's; they differ by what is reserved, and in the end not at all."""
    random, till = Random(seed), Till(BALANCE_MAX - room)
    for _ in range(60):
        happen(till, random)
        assert 0 <= till.profile.balances["coins"] <= till.ledger <= BALANCE_MAX
    settle(till, random)

    assert till.profile.balances["coins"] == till.ledger <= BALANCE_MAX


def test_the_histories_come_to_the_bound() -> None:
    """Properties of accounts with plenty of room would be cheap."""
    seen = Counter[str]()
    for seed in range(20):
        random, till = Random(seed), Till(BALANCE_MAX - 100)
        for _ in range(60):
            happen(till, random)
        settle(till, random)
        seen += till.seen

    assert seen.keys() >= {"dead letter", "balance_out_of_range", "applied", "out_of_stock", "not_settled"}

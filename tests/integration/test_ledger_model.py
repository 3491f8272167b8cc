"""The ledger in PostgreSQL against a model of twenty lines: whatever is done to both, they agree."""

import asyncio
from collections import defaultdict
from itertools import count
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from pipeline.errors import InvariantBroken
from sinks.ledger.posting import Posting
from sinks.ledger.queries import progress
from sinks.ledger.sink import LedgerSink
from sinks.ledger.verify import verify
from tests.builders import INSTANT
from tests.ledger import balances, posting, spend

ACTORS = st.sampled_from(["ada", "bo", "\U0001f3c6"])
AMOUNTS = st.integers(1, 2**40)
MOVES = st.lists(st.tuples(ACTORS, AMOUNTS, st.booleans(), st.integers(0, 3)), max_size=6)
# Each run has a tenant and a partition of its own in one database.
_NUMBERS = count()


class Model:
    """What the ledger must hold: balances by account, and the last sequence."""

    def __init__(self) -> None:
        self.balances: dict[str, int] = defaultdict(int)
        self.reached = -1

    def apply(self, batch: list[Posting]) -> bool:
        """Apply what is new, unless an actor would end below zero; return whether it was taken."""
        after, reached = self.balances.copy(), self.reached
        for seq, transaction in batch:
            if seq <= reached:
                continue
            reached = seq
            for transfer in transaction.transfers:
                after[transfer.debit_account] -= transfer.amount
                after[transfer.credit_account] += transfer.amount
        if any(balance < 0 for account, balance in after.items() if account.startswith("actor:")):
            return False
        self.balances, self.reached = after, reached
        return True


class LedgerMachine(RuleBasedStateMachine):
    """Appends, redelivers, overdraws and restarts."""

    database = ""

    def __init__(self) -> None:
        super().__init__()
        self.number = next(_NUMBERS)
        self.tenant = f"tenant-{self.number}"
        self.model = Model()
        self.log: list[Posting] = []
        self.runner = asyncio.Runner()
        self.sink = LedgerSink(self.database)

    @rule(moves=MOVES)
    def append(self, moves: list[tuple[str, int, bool, int]]) -> None:
        """Events after the last one, with gaps, some of which spend what may not be there."""
        batch, seq = [], self.model.reached
        for actor, amount, spends, gap in moves:
            seq += 1 + gap
            leg: dict[str, Any] = spend(amount, actor) if spends else {"amount": amount}
            batch.append(posting(seq, leg, actor=actor, tenant=self.tenant))
        if self._apply(batch):
            self.log += batch

    @precondition(lambda self: self.log)
    @rule(data=st.data())
    def redeliver(self, data: st.DataObject) -> None:
        """Any stretch of the log once more, up to twice."""
        start = data.draw(st.integers(0, len(self.log) - 1))
        end = data.draw(st.integers(start, len(self.log)))
        self._apply(self.log[start:end] * data.draw(st.integers(1, 2)))

    @rule()
    def restart(self) -> None:
        """Another worker takes over, with a connection of its own."""
        self.runner.run(self.sink.close())
        self.sink = LedgerSink(self.database)

    def _apply(self, batch: list[Posting]) -> bool:
        expected = self.model.apply(batch)
        try:
            self.runner.run(self.sink.apply(self.number, batch, INSTANT))
        except InvariantBroken:
            assert not expected
        else:
            assert expected
        return expected

    @invariant()
    def agrees_with_the_model(self) -> None:
        """Balances and progress are the model's."""
        expected = {(account, "xp"): balance for account, balance in self.model.balances.items()}
        assert balances(self.database, self.tenant) == expected
        assert progress(self.database).get(self.number, -1) == self.model.reached

    def teardown(self) -> None:
        """The rows prove themselves."""
        self.runner.run(self.sink.close())
        self.runner.close()
        assert verify(self.database).findings == []


def test_ledger_equals_its_model(database: str) -> None:
    """Appended, redelivered, overdrawn and restarted in any order."""
    machine = type("Machine", (LedgerMachine,), {"database": database})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=10, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

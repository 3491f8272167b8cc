"""Tenants never mix: what one gets does not depend on whether others send the same names, identities and times."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from agents.dedupe import DedupeStage
from agents.leaderboards import LeaderboardsStage
from agents.ledger import LedgerStage
from agents.match import MatchStage
from agents.normalize import NormalizeStage
from pipeline.recordbatch.model import Output, Run
from pipeline.revisions.documents import compile_document
from pipeline.topology import BOARDS, PROFILES, SEEN
from rules.economy import Economy
from sinks.ledger.parallel import ParallelSink
from sinks.ledger.rows import GENESIS, AccountKey, Rows
from tables.board_shards import BoardShards
from tests.builders import INSTANT, cloudevent
from tests.memory import MemoryRecord, MemoryTable, step

TENANTS = ("acme", "acme-2")  # one name begins with the other
PREFIX = "p."
Sent = tuple[str, str, str, int]  # tenant, actor, event id, amount

sent = st.lists(
    st.tuples(
        st.sampled_from(TENANTS),
        st.sampled_from(("ada", "2|ada", "grace")),
        st.sampled_from(("1", "2", "3")),
        st.integers(1, 30),
    ),
    max_size=30,
)


GAME = {
    "currencies": {"xp": {}},
    "leaderboards": [{"id": "daily", "currency": "xp", "window": "day"}],
}


class Economies:
    """The same game for every tenant."""

    def __init__(self) -> None:
        limited = {"id": "buy", "on": "purchase.completed", "award": {"xp": {"field": "data.amount"}}}
        limited["limit"] = {"amount": 50, "of": "xp", "per": "day"}
        self._economies = {
            tenant: compile_document(json.dumps(GAME | {"economy": tenant, "rules": [limited]}).encode(), 1, 0)
            for tenant in TENANTS
        }

    async def confirmed(self, appended_ms: int) -> None:
        """Everything is known."""

    def at(self, tenant: str, appended_ms: int) -> Economy:
        return self._economies[tenant]


ECONOMIES = Economies()
NORMALIZE = NormalizeStage("events", "dead", 1, "cloudevents", None)
DEDUPE = DedupeStage(unique="unique", outcomes="outcomes", dead_letters="dead", retention_days=30)
LEDGER = LedgerStage(dead_letters="dead", events="events", sink=ParallelSink("never opened"))


@dataclass
class Result:
    """What follows from some events: transactions as produced, accounts' totals, rows of boards and of profiles."""

    transactions: list[tuple[bytes | None, bytes | None]] = field(default_factory=list)
    totals: dict[AccountKey, tuple[int, int]] = field(default_factory=dict)
    boards: dict[bytes, bytes] = field(default_factory=dict)
    profiles: dict[bytes, bytes] = field(default_factory=dict)

    def of(self, tenant: str) -> "Result":
        """Return the part that is a tenant's."""
        key, prefix = f"{tenant}|".encode(), f"{tenant}\0".encode()
        return Result(
            [each for each in self.transactions if (each[0] or b"").startswith(key)],
            {account: total for account, total in self.totals.items() if account[0] == tenant},
            {row: value for row, value in self.boards.items() if row.startswith(prefix)},
            {row: value for row, value in self.profiles.items() if row.startswith(key)},
        )


def result(events: Sequence[Sent]) -> Result:
    """Send events through all stages; those without a tenant are left out, and their offsets stay empty."""
    unique = step(DEDUPE, list(normalized(events)), {SEEN.name: MemoryTable()}).outputs.get(("unique", 0), [])
    if not unique:
        return Result()
    profiles, boards = MemoryTable(), MemoryTable()
    match = MatchStage(prefix=PREFIX, economies=ECONOMIES)
    posted = step(match, read_back(unique), {PROFILES.name: profiles}).outputs.get((f"{PREFIX}transactions", 0), [])
    records = read_back(posted)
    postings = LEDGER.process(Run("transactions", 0, records), {}).postings
    rows = Rows(0, INSTANT, GENESIS)
    rows.add(postings)
    ranking = LeaderboardsStage(facts="facts", dead_letters="dead", windows_kept=2, shards=BoardShards())
    ranking.partition_opened(0, {BOARDS.name: boards})
    step(ranking, records, {BOARDS.name: boards})
    totals = {key: (rows.debits.get(key, 0), rows.credits.get(key, 0)) for key in rows.debits | rows.credits}
    return Result([(each.key, each.value) for each in posted], totals, boards.rows, profiles.rows)


def normalized(events: Sequence[Sent]) -> Iterator[MemoryRecord]:
    """Yield what normalize makes of the events, at offsets that do not depend on other tenants' events."""
    for number, (tenant, actor, event_id, amount) in enumerate(events):
        if tenant:
            envelope = cloudevent(tenant=tenant, subject=actor, id=event_id, source="till", data={"amount": amount})
            value = json.dumps(envelope | {"type": "purchase.completed"}).encode()
            raw = MemoryRecord(value, timestamp=int(INSTANT.timestamp()) * 1_000)
            [output] = step(NORMALIZE, [raw], {}).outputs["events", 0]
            yield MemoryRecord(output.value, offset=number, key=output.key, headers=output.headers)


def read_back(outputs: Sequence[Output]) -> list[MemoryRecord]:
    """Return records as the next stage reads them."""
    return [MemoryRecord(each.value, key=each.key, headers=each.headers) for each in outputs]


@given(sent)
def test_a_tenant_among_others_gets_what_it_gets_alone(events: list[Sent]) -> None:
    """Transactions, totals, boards and profiles are the same, byte for byte, with and without the others' events."""
    together = result(events)

    for tenant in TENANTS:
        alone = result([one if one[0] == tenant else ("", *one[1:]) for one in events])
        assert together.of(tenant) == alone == alone.of(tenant)

"""What a reconciliation takes from the ledger and from the log."""

from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from pipeline.events import Transaction, actor_key, encode_json
from pipeline.reconcile.model import BalanceKey, RowKey
from pipeline.reconcile.records import Transactions, balance_of, earned, lasting_boards, scores
from pipeline.reconcile.tables import BoardStates, ProfileStates
from pipeline.reconcile.tally import NOTHING, Stated
from pipeline.recordbatch.snapshot import Entry, Snapshot
from pipeline.recordbatch.store import packed
from rules.economy import Economy
from rules.profile import Game, Profile, Redemption
from sinks.ledger.queries import MovementRow
from tables import boards, personal_bests, profiles
from tests.builders import ACTOR, TENANT, economy, score, transaction

ALL_TIME = {"id": "rich", "currency": "xp", "window": "all"}


class Record(NamedTuple):
    """A record of a changelog or of the log."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    offset: int = 0
    timestamp: int = 1_000


def posted(debit: str, credit: str) -> MovementRow:
    """Return a transfer of the ledger."""
    return MovementRow(0, 1, ACTOR, debit, credit, "xp", 5)


@pytest.mark.parametrize(
    ("debit", "credit", "moved", "counted"),
    [
        ("issued", f"actor:{ACTOR}", 5, 5),
        ("adjusted", f"actor:{ACTOR}", 5, 5),
        (f"actor:{ACTOR}", "adjusted", -5, -5),
        (f"actor:{ACTOR}", "issued", -5, -5),
        (f"actor:{ACTOR}", "spent", -5, 0),
        ("spent", f"actor:{ACTOR}", 5, 0),
        ("reversed", "issued", None, -5),
    ],
)
def test_a_transfer_moves_a_balance_and_counts_on_boards(
    debit: str, credit: str, moved: int | None, counted: int
) -> None:
    """As the rules post and score it: what is spent still counts on boards, what is taken back does not."""
    transfer = posted(debit, credit)

    assert balance_of(transfer) == (None if moved is None else (BalanceKey(ACTOR, "xp"), moved))
    assert earned(transfer) == counted


def revision(number: int, *leaderboards: dict[str, Any]) -> Economy:
    """Return a revision of an economy with these leaderboards."""
    return replace(economy(leaderboards=list(leaderboards)), revision=number)


def test_only_boards_that_never_changed_are_explained_by_the_ledger() -> None:
    """Another currency, window or split, or a later birth, and the ledger's sum says nothing about them."""
    daily, split = {**ALL_TIME, "window": "day"}, {**ALL_TIME, "split": "data.team"}
    other = {**ALL_TIME, "currency": "coins"}

    assert lasting_boards([revision(1, ALL_TIME), revision(2, ALL_TIME)]) == {"xp": ["rich"]}
    for changed in (daily, split, other):
        assert lasting_boards([revision(1, ALL_TIME), revision(2, changed)]) == {}
        assert lasting_boards([revision(1, changed), revision(2, ALL_TIME)]) == {}
    assert lasting_boards([revision(1), revision(2, ALL_TIME)]) == {}
    assert lasting_boards([revision(2, ALL_TIME)]) == {}
    assert lasting_boards([]) == {}


def test_repeats_on_the_log_are_counted_once() -> None:
    """A worker that died between its outputs and its commit produces them again; other tenants are left out."""
    taken: list[tuple[int, int, Transaction]] = []
    transactions = Transactions(TENANT, lambda *each: taken.append(each))

    def appended(seq: int, tenant: str = TENANT, timestamp: int = 1_000) -> Record:
        headers = (("plaudit-seq", b"%d" % seq), ("plaudit-appended", b"%d" % (timestamp - 500)))
        value = encode_json(transaction(tenant=tenant))
        return Record(actor_key(tenant, ACTOR), value, headers, timestamp=timestamp)

    transactions.read(3, [appended(1), appended(4, timestamp=1_200), appended(1), appended(4), appended(5, "other")])
    transactions.read(3, [appended(5), Record(actor_key(TENANT, ACTOR), b"{", (("plaudit-seq", b"6"),)), appended(7)])
    transactions.read(2, [appended(1)])

    assert [(partition, seq) for partition, seq, _ in taken] == [(3, 1), (3, 4), (3, 7), (2, 1)]
    assert transactions.since_ms == {3: 500, 2: 500}


def test_a_transaction_names_its_rows() -> None:
    """A row without a split has an empty one."""
    scored = transaction(scores=(score(board="rich", window="all", points=7), score(board="team", split="red")))

    found = dict(scores(scored))

    assert found[RowKey("rich", "all", "", ACTOR)] == 7
    assert RowKey("team", score().window, "red", ACTOR) in found


def test_what_a_redemption_has_reserved_is_still_held() -> None:
    """The ledger moves it when the stock has answered; until then the profile has set it aside."""

    def redemption(state: Any, amount: int) -> Redemption:
        return Redemption("mug", "shop", f"{state}-{amount}", 0, {"xp": amount}, None, state)

    game = Game(redemptions=(redemption("pending", 30), redemption("active", 40), redemption("cancelled", 50)))
    states = ProfileStates(TENANT)
    stored = packed(9, profiles.encode(Profile(seq=9, balances={"xp": 12, "coins": 3}, game=game)))
    states.snapshot.take(0, [Record(actor_key(TENANT, ACTOR), stored), Record(actor_key("other", ACTOR), stored)])
    states.refresh()

    assert len(states) == 1
    assert states.stated(BalanceKey(ACTOR, "xp")) == Stated(9, 42)
    assert states.stated(BalanceKey(ACTOR, "coins")) == Stated(9, 3)
    assert states.stated(BalanceKey(ACTOR, "gold")) == Stated(9, 0)
    assert states.stated(BalanceKey("nobody", "xp")) == NOTHING


def test_an_expired_window_is_known_by_its_shard() -> None:
    """Shards expire windows on their own, so the actor's counts; the window that never closes does not expire."""
    states = BoardStates(TENANT)
    expiry = packed(5, boards.encode(boards.Expiry(1, "2026-03-02", 5)))
    standing = packed(6, boards.encode(boards.Standing(1, 20, 0, 6)))
    key = boards.board_key(TENANT, "daily", "2026-03-03", None, ACTOR)
    best = packed(6, personal_bests.encode(personal_bests.Bests(1, {"2026-03-03": 20}, [], 6)))
    best_key = personal_bests.bests_prefix(TENANT, "daily", None) + ACTOR.encode()
    rows = {boards.expiry_key(TENANT, "daily"): expiry, key: standing, best_key: best}
    states.snapshot.take(1, [Record(*row) for row in rows.items()])
    states.refresh()

    assert states.rows() == [RowKey("daily", "2026-03-03", "", ACTOR)]
    assert states.stated(RowKey("daily", "2026-03-03", "", ACTOR)) == Stated(6, 20)
    assert states.expired(1, RowKey("daily", "2026-03-02", "", ACTOR))
    assert not states.expired(0, RowKey("daily", "2026-03-02", "", ACTOR))
    assert not states.expired(1, RowKey("daily", "2026-03-03", "", ACTOR))
    assert not states.expired(1, RowKey("daily", "all", "", ACTOR))


def test_a_snapshot_takes_the_higher_sequence() -> None:
    """As in recovery, what a zombie wrote late, and what comes again, changes nothing; a deletion is an entry, too."""
    snapshot = Snapshot(b"acme|")
    late, deleted = Record(b"acme|ada", packed(3, b"old")), Record(b"acme|eve", None, (("plaudit-seq", b"8"),))

    snapshot.take(0, [Record(b"acme|ada", packed(5, b"new")), late, Record(b"acme|eve", packed(7, b"there")), deleted])
    snapshot.take(0, [late, Record(b"\0fence", b"writer"), Record(b"acmes|ada", packed(9, b"other"))])
    snapshot.take(1, [late])

    assert snapshot.entries == {
        (0, b"acme|ada"): Entry(5, b"new"),
        (0, b"acme|eve"): Entry(8, None),
        (1, b"acme|ada"): Entry(3, b"old"),
    }

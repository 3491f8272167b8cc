"""The stock of rewards against a real PostgreSQL: never more than there is, whoever asks, however often."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from pipeline.errors import TransientError
from sinks.ledger.sink import LedgerSink
from tests.builders import TENANT
from tests.ledger import rows

WORKERS = 4


@pytest.fixture
async def sinks(database: str) -> AsyncIterator[list[LedgerSink]]:
    """Sinks of several workers on one ledger."""
    opened = [LedgerSink(database) for _ in range(WORKERS)]
    yield opened
    for sink in opened:
        await sink.close()


async def test_stock_is_never_oversold(sinks: list[LedgerSink], database: str) -> None:
    """Many claims at the same time from several workers, each asked twice: as many are granted as there are pieces."""
    claims = [(sinks[number % WORKERS], f"claim-{number}") for number in range(40)] * 2

    answers = await asyncio.gather(*(sink.claim_piece(TENANT, "ada", "mug", 7, claim) for sink, claim in claims))

    said: dict[str, bool] = {}
    for (_, claim), granted in zip(claims, answers, strict=True):
        assert said.setdefault(claim, granted) == granted, "a claim is answered once"
    assert sum(said.values()) == 7
    assert rows(database, "SELECT tenant, reward, taken FROM plaudit.reward_stock") == [(TENANT, "mug", 7)]


async def test_a_returned_piece_is_free_again_once(sinks: list[LedgerSink]) -> None:
    """A repeated return frees no second piece, that of another tenant none at all, and the claim keeps its answer."""
    sink = sinks[0]
    assert [await sink.claim_piece(TENANT, "ada", "mug", 1, claim) for claim in ("a", "b")] == [True, False]

    await sink.return_piece("other", "mug", "a")
    for claim in ("a", "a", "b", "c"):
        await sink.return_piece(TENANT, "mug", claim)

    assert [await sink.claim_piece(TENANT, "ada", "mug", 1, claim) for claim in ("c", "d")] == [True, False]
    assert [await sink.claim_piece(TENANT, "ada", "mug", 1, claim) for claim in ("a", "b")] == [True, False]


async def test_rewards_and_tenants_have_stocks_of_their_own(sinks: list[LedgerSink]) -> None:
    """One more piece of the one is none of the other."""
    places = [(TENANT, "mug"), (TENANT, "cap"), ("other", "mug")]

    granted = [await sinks[0].claim_piece(tenant, "ada", reward, 1, f"{tenant}-{reward}") for tenant, reward in places]

    assert granted == [True] * 3


async def test_a_lowered_stock_takes_nothing_back(sinks: list[LedgerSink]) -> None:
    """It grants nothing more."""
    sink = sinks[0]
    assert [await sink.claim_piece(TENANT, "ada", "mug", 3, claim) for claim in "abc"] == [True] * 3

    assert [await sink.claim_piece(TENANT, "ada", "mug", 2, claim) for claim in "ad"] == [True, False]


async def test_a_connection_that_is_lost_is_opened_again(sinks: list[LedgerSink], database: str) -> None:
    """What was asked over it is asked once more, and counts once."""
    sink = sinks[0]
    await sink.claim_piece(TENANT, "ada", "mug", 5, "a")
    with psycopg.connect(database, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    with pytest.raises(TransientError):
        await sink.claim_piece(TENANT, "ada", "mug", 5, "a")

    assert await sink.claim_piece(TENANT, "ada", "mug", 5, "a")
    assert rows(database, "SELECT taken FROM plaudit.reward_stock") == [(1,)]

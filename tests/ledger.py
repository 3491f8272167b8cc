"""What tests of the ledger share: postings, direct looks into the tables."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from pipeline.events import cause_id, encode_json, identity, transfer_id
from sinks.ledger.posting import Posting, decode_posted
from tests.builders import SOURCE, TENANT, transaction, transfer


def posting(seq: int, *legs: dict[str, Any], actor: str = "ada", tenant: str = TENANT, **changes: Any) -> Posting:
    """Return what the event at `seq` posted: an award of 10 xp unless `legs` say otherwise; ids follow the event."""
    event_id = changes.pop("event_id", f"event-{seq}")
    cause = cause_id(identity(tenant, SOURCE, event_id), seq)
    transfers = tuple(
        transfer(**{"id": transfer_id(cause, number), "leg": number, "credit_account": f"actor:{actor}"} | leg)
        for number, leg in enumerate(legs or ({},))
    )
    posted = transaction(actor=actor, tenant=tenant, event_id=event_id, transfers=transfers, **changes)
    return Posting(seq, decode_posted(encode_json(posted)))


def spend(amount: int, actor: str = "ada") -> dict[str, Any]:
    """Return a leg that takes from an actor."""
    accounts = {"debit_account": f"actor:{actor}", "credit_account": "spent"}
    return {"amount": amount, "kind": "spend", **accounts}


def rows(database: str, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """Run one statement as the owner, outside any role; return its rows, if it has any."""
    with psycopg.connect(database, autocommit=True) as connection:
        cursor = connection.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []


def seqs(database: str) -> list[int]:
    """Return the sequence of every transfer, in order of partition, sequence and leg."""
    return [seq for (seq,) in rows(database, "SELECT seq FROM plaudit.transfers ORDER BY partition, seq, leg")]


def balances(database: str, tenant: str = TENANT) -> dict[tuple[str, str], int]:
    """Return the balance of each account and currency, as the view shows it."""
    query = "SELECT account, currency, balance FROM plaudit.balances WHERE tenant = %s"
    return {(account, currency): balance for account, currency, balance in rows(database, query, (tenant,))}


def in_server_of(database: str, name: str, login: str | None = None) -> str:
    """Return the URL of another database of the same server; `login` is `name:password` if it isn't the owner's."""
    parts = urlsplit(database)
    place = parts.netloc if login is None else f"{login}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=place, path=f"/{name}"))

"""What match asks of the ledger, answered from its rows."""

from datetime import datetime
from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow


class Caused(NamedTuple):
    """A transfer that an event caused."""

    event_type: str
    occurred_at: datetime
    debit_account: str
    credit_account: str
    amount: int
    currency: str


# By the index on tenant and event id; an actor sees nothing of another's events.
_CAUSED = """
    SELECT event_type, occurred_at, debit_account, credit_account, amount, currency
    FROM plaudit.transfers
    WHERE tenant = %s AND event_id = %s AND event_source = %s AND actor = %s
    ORDER BY seq, leg
"""


async def caused_by(
    connection: psycopg.AsyncConnection[TupleRow], tenant: str, actor: str, source: str, event_id: str
) -> list[Caused]:
    """Return the transfers that an event of the actor caused, in their order."""
    rows = await connection.execute(_CAUSED, (tenant, event_id, source, actor))
    return [Caused(*row) async for row in rows]

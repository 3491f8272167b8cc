"""Claims on the stock of rewards: one at a time for each reward, each decided once (docs/adr/0011)."""

import psycopg
from psycopg.rows import TupleRow

Connection = psycopg.AsyncConnection[TupleRow]

_OPEN = "INSERT INTO plaudit.reward_stock (tenant, reward, taken) VALUES (%s, %s, 0) ON CONFLICT DO NOTHING"
# Whoever is second waits here, and then sees what the first has decided.
_LOCK = "SELECT taken FROM plaudit.reward_stock WHERE tenant = %s AND reward = %s FOR UPDATE"
_DECIDED = "SELECT granted FROM plaudit.reward_claims WHERE tenant = %s AND claim = %s"
_DECIDE = """
    INSERT INTO plaudit.reward_claims (tenant, claim, reward, actor, granted, returned)
    VALUES (%s, %s, %s, %s, %s, false)
"""
_RETURN = """
    UPDATE plaudit.reward_claims SET returned = true
    WHERE tenant = %s AND claim = %s AND reward = %s AND granted AND NOT returned
"""
_COUNT = "UPDATE plaudit.reward_stock SET taken = taken + %s WHERE tenant = %s AND reward = %s"


async def claim_piece(connection: Connection, tenant: str, actor: str, reward: str, stock: int, claim: str) -> bool:
    """Return whether a claim gets one of `stock` pieces. Asked again, the same claim gets the same answer."""
    async with connection.transaction():
        await connection.execute(_OPEN, (tenant, reward))
        taken = await (await connection.execute(_LOCK, (tenant, reward))).fetchone()
        decided = await (await connection.execute(_DECIDED, (tenant, claim))).fetchone()
        if decided is not None:
            return bool(decided[0])
        granted = taken is not None and int(taken[0]) < stock
        await connection.execute(_DECIDE, (tenant, claim, reward, actor, granted))
        if granted:
            await connection.execute(_COUNT, (1, tenant, reward))
        return granted


async def return_piece(connection: Connection, tenant: str, reward: str, claim: str) -> None:
    """Make the piece of a claim free again, once; of a claim that has none this does nothing."""
    async with connection.transaction():
        await connection.execute(_LOCK, (tenant, reward))
        returned = await connection.execute(_RETURN, (tenant, claim, reward))
        if returned.rowcount:
            await connection.execute(_COUNT, (-1, tenant, reward))

"""The statements that the peers in Python share."""

from collections import Counter
from collections.abc import Iterable

# occurred_at, amount, leg, tenant, actor, currency, event_source, event_id, event_type, cause.
Row = tuple[str, int, int, str, str, str, str, str, str, str]

COLUMNS = "occurred_at, amount, leg, tenant, actor, currency, event_source, event_id, event_type, cause"
COPY = f"COPY transfers ({COLUMNS}) FROM STDIN"
INSERT = f"INSERT INTO transfers ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
ADD = """
    INSERT INTO balances AS b (tenant, actor, currency, balance)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[])
    ON CONFLICT (tenant, actor, currency) DO UPDATE SET balance = b.balance + excluded.balance
"""


def sums(rows: Iterable[Row]) -> tuple[list[str], list[str], list[str], list[int]]:
    """Return the parameters of `ADD`: what rows add to each account, in one order, so that no two writers deadlock."""
    added: Counter[tuple[str, str, str]] = Counter()
    for _, amount, _, tenant, actor, currency, *_ in rows:
        added[(tenant, actor, currency)] += amount
    accounts = sorted(added)
    tenants, actors, currencies = ([account[part] for account in accounts] for part in range(3))
    return tenants, actors, currencies, [added[account] for account in accounts]

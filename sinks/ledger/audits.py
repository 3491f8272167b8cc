"""The checks that the database itself can compute: balances from transfers, zero sums, progress."""

from collections.abc import Iterator

import psycopg

from sinks.ledger.chain import Finding

# Enough to see what kind of thing happened.
_FINDINGS_MAX = 10

# An estimate, for a progress bar.
_ESTIMATE = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'plaudit.transfers'::regclass"

# Each account's totals, once more from the transfers, held against what the sink has added up.
_BALANCES = """
    WITH lines AS (
        SELECT partition, tenant, debit_account AS account, currency, amount AS debit, 0 AS credit
        FROM plaudit.transfers
        UNION ALL
        SELECT partition, tenant, credit_account, currency, 0, amount FROM plaudit.transfers
    ), recomputed AS (
        SELECT partition, tenant, account, currency, sum(debit) AS debits, sum(credit) AS credits
        FROM lines GROUP BY partition, tenant, account, currency
    )
    SELECT partition, tenant, account, currency, recomputed.debits, recomputed.credits, stored.debits, stored.credits
    FROM recomputed FULL JOIN plaudit.account_balances AS stored USING (partition, tenant, account, currency)
    WHERE recomputed.debits IS DISTINCT FROM stored.debits OR recomputed.credits IS DISTINCT FROM stored.credits
    ORDER BY partition, tenant, account, currency LIMIT %s
"""

# What one account has lost another has got: all accounts of a tenant and currency add up to nothing.
_SUMS = """
    SELECT tenant, currency, sum(credits - debits) FROM plaudit.account_balances
    GROUP BY tenant, currency HAVING sum(credits - debits) <> 0 ORDER BY tenant, currency LIMIT %s
"""

# An actor's balance over all partitions; the constraint guards each row.
_BELOW_ZERO = """
    SELECT tenant, account, currency, sum(credits - debits) FROM plaudit.account_balances WHERE account LIKE 'actor:%%'
    GROUP BY tenant, account, currency HAVING sum(credits - debits) < 0 ORDER BY tenant, account, currency LIMIT %s
"""

# The sink moves the progress in the transaction that writes the link.
_PROGRESS = """
    SELECT partition, max(last_seq), (SELECT seq FROM plaudit.progress WHERE progress.partition = chain.partition)
    FROM plaudit.chain GROUP BY partition ORDER BY partition
"""


def estimated_transfers(connection: psycopg.Connection) -> int:
    """Return about how many transfers there are; 0 if the database has not counted yet."""
    row = connection.execute(_ESTIMATE).fetchone()
    return 0 if row is None else int(row[0])


def balance_findings(connection: psycopg.Connection) -> Iterator[Finding]:
    """Yield the first accounts whose stored totals are not the sums of their transfers, or below zero."""
    for partition, tenant, account, currency, *totals in connection.execute(_BALANCES, (_FINDINGS_MAX,)):
        names = ("debits", "credits")
        rows, stored = (
            ", ".join(f"{name} {'none' if value is None else value}" for name, value in zip(names, pair, strict=True))
            for pair in (totals[:2], totals[2:])
        )
        what = f"tenant {tenant!r}, account {account!r}, {currency!r}: transfers give {rows}; stored are {stored}"
        yield Finding("balances", what, partition)
    for tenant, account, currency, balance in connection.execute(_BELOW_ZERO, (_FINDINGS_MAX,)):
        what = f"tenant {tenant!r}, account {account!r}, {currency!r}: the actor stands at {balance}"
        yield Finding("balances", what)


def sum_findings(connection: psycopg.Connection) -> Iterator[Finding]:
    """Yield the first tenants and currencies whose accounts do not add up to zero."""
    for tenant, currency, total in connection.execute(_SUMS, (_FINDINGS_MAX,)):
        yield Finding("zero sum", f"tenant {tenant!r}, {currency!r}: the accounts add up to {total}")


def progress_findings(connection: psycopg.Connection) -> Iterator[Finding]:
    """Yield the partitions whose progress lies behind their chain: the sink would write those rows once more."""
    for partition, last_seq, seq in connection.execute(_PROGRESS):
        if seq is None or seq < last_seq:
            found = "is missing" if seq is None else f"is {seq}"
            yield Finding("progress", f"the progress {found}, the chain ends at {last_seq}", partition, last_seq)

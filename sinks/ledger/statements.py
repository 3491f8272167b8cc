"""The sink's SQL, run under `READ COMMITTED`: once the partition's row is locked, each statement sees all there is."""

from sinks.ledger.rows import COLUMNS

# Until the transaction ends nobody else writes for this partition: neither the next owner nor a worker that was
# thought dead.
LOCK_PROGRESS = "SELECT seq FROM plaudit.progress WHERE partition = %s FOR UPDATE"

# The first batch of a partition has no row to lock. Whoever is second waits here for the first.
CREATE_PROGRESS = "INSERT INTO plaudit.progress (partition, seq) VALUES (%s, -1) ON CONFLICT (partition) DO NOTHING"

SET_PROGRESS = "UPDATE plaudit.progress SET seq = %s WHERE partition = %s"

LAST_LINK = "SELECT hash FROM plaudit.chain WHERE partition = %s ORDER BY last_seq DESC LIMIT 1"

COPY_TRANSFERS = f"COPY plaudit.transfers ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"

INSERT_LINK = """
    INSERT INTO plaudit.chain (partition, first_seq, last_seq, transfers, previous, hash, recorded_at)
    VALUES (%s, %s, %s, %s, %b, %b, %s)
"""

INSERT_CHECKSUMS = "INSERT INTO plaudit.row_checksums (partition, last_seq, checksums) VALUES (%s, %s, %b)"

# One entry per touched account.
_TOUCHED = """
    unnest(
        %(tenants)s::text[], %(accounts)s::text[], %(currencies)s::text[], %(debits)s::numeric[], %(credits)s::numeric[]
    ) AS touched (tenant, account, currency, debits, credits)
"""

# Adds what a batch moved to its accounts, each touched once. The conflict clause always goes through the primary key;
# a join (MERGE) would be planned by statistics, and scans the whole partition when they are old.
ADD_TO_BALANCES = f"""
    INSERT INTO plaudit.account_balances AS balance (partition, tenant, account, currency, debits, credits)
    SELECT %(partition)s, tenant, account, currency, debits, credits FROM {_TOUCHED}
    ON CONFLICT (partition, tenant, account, currency)
    DO UPDATE SET debits = balance.debits + excluded.debits, credits = balance.credits + excluded.credits
"""  # our own text

# The same for actors who lost more than they got in the batch. PostgreSQL checks constraints on the proposed row even
# if it becomes an update, and such a change alone looks like an account below zero: propose the new totals instead.
# LIMIT keeps the lookup a lookup, one index search per account, whatever the statistics say.
TAKE_FROM_BALANCES = f"""
    INSERT INTO plaudit.account_balances AS balance (partition, tenant, account, currency, debits, credits)
    SELECT %(partition)s, tenant, account, currency,
           touched.debits + coalesce(present.debits, 0), touched.credits + coalesce(present.credits, 0)
    FROM {_TOUCHED} LEFT JOIN LATERAL (
        SELECT debits, credits FROM plaudit.account_balances AS own
        WHERE own.partition = %(partition)s
          AND own.tenant = touched.tenant AND own.account = touched.account AND own.currency = touched.currency
        LIMIT 1
    ) AS present ON true
    ON CONFLICT (partition, tenant, account, currency)
    DO UPDATE SET debits = excluded.debits, credits = excluded.credits
"""  # our own text

# The planner may think that a fresh table is best read whole; a batch always looks for single rows. A batch never
# waits for input between its statements: who stands still for this long was stopped, and must not keep the next owner
# waiting.
SESSION = (
    "SET enable_seqscan = off",
    # What is committed here is acknowledged to the log: a server that forgot it in a crash would have lost it for good.
    # Only `off` is replaced; how many standbys a commit waits for is the administrator's to say.
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
    "SET lock_timeout = '10s'",
    "SET idle_in_transaction_session_timeout = '30s'",
    "SET statement_timeout = '60s'",
)

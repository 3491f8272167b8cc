-- What every peer leaves in PostgreSQL: a row for each transfer, with the columns and indexes that audits of the
-- product's ledger use (no hash chain, no progress, one leg instead of double entry), and a balance for each account.
CREATE TABLE transfers (
    occurred_at     timestamptz NOT NULL,
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    amount          bigint      NOT NULL CHECK (amount > 0),
    leg             integer     NOT NULL,
    tenant          text        NOT NULL,
    actor           text        NOT NULL,
    currency        text        NOT NULL,
    event_source    text        NOT NULL,
    event_id        text        NOT NULL,
    event_type      text        NOT NULL,
    cause           text        NOT NULL,
    PRIMARY KEY (tenant, event_id, event_source, leg)
);
CREATE INDEX transfers_by_actor ON transfers (tenant, actor);
CREATE INDEX transfers_by_time ON transfers (tenant, occurred_at);

CREATE TABLE balances (
    tenant    text   NOT NULL,
    actor     text   NOT NULL,
    currency  text   NOT NULL,
    balance   bigint NOT NULL CHECK (balance >= 0),
    PRIMARY KEY (tenant, actor, currency)
) WITH (fillfactor = 80);

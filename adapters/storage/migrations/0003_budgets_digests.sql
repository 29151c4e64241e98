-- Budgets and their notices, digests posted, chain tests, how bills were read.

CREATE TABLE budgets (
    id {integer} NOT NULL CONSTRAINT pk_budgets PRIMARY KEY{autoincrement},
    amount_nano_usd BIGINT NOT NULL,
    period VARCHAR(16) NOT NULL,
    "then" TEXT,
    set_by TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    in_force BOOLEAN NOT NULL
);
CREATE TABLE budget_notices (
    budget_id BIGINT NOT NULL,
    period_start BIGINT NOT NULL,
    percent INTEGER NOT NULL,
    CONSTRAINT pk_budget_notices PRIMARY KEY (budget_id, period_start, percent)
);
CREATE TABLE digests (
    kind VARCHAR(32) NOT NULL,
    channel TEXT NOT NULL,
    period VARCHAR(64) NOT NULL,
    claimed_at BIGINT NOT NULL,
    surface TEXT,
    message_channel TEXT,
    message_id TEXT,
    CONSTRAINT pk_digests PRIMARY KEY (kind, channel, period)
);
CREATE TABLE chain_tests (
    id {integer} NOT NULL CONSTRAINT pk_chain_tests PRIMARY KEY{autoincrement},
    at BIGINT NOT NULL,
    chain_ok BOOLEAN NOT NULL,
    answered INTEGER NOT NULL,
    hops INTEGER NOT NULL,
    would_serve TEXT,
    actor_name TEXT NOT NULL
);
CREATE INDEX ix_chain_tests_at ON chain_tests (at);
CREATE TABLE bill_reads (
    provider VARCHAR(64) NOT NULL,
    at BIGINT NOT NULL,
    trouble TEXT NOT NULL,
    hint TEXT NOT NULL,
    CONSTRAINT pk_bill_reads PRIMARY KEY (provider)
);
CREATE TABLE meter_readings (
    provider VARCHAR(64) NOT NULL,
    at BIGINT NOT NULL,
    amount_nano BIGINT NOT NULL,
    currency VARCHAR(16) NOT NULL,
    rises BOOLEAN NOT NULL,
    account TEXT NOT NULL,
    CONSTRAINT pk_meter_readings PRIMARY KEY (provider, at)
);

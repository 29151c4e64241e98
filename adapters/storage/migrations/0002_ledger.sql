-- The ledger with its rollups and bills, the config's revisions, small memories.

CREATE TABLE attempts (
    id {integer} NOT NULL CONSTRAINT pk_attempts PRIMARY KEY,
    at BIGINT NOT NULL,
    request_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    asked TEXT NOT NULL,
    served TEXT,
    dialect TEXT NOT NULL,
    caller TEXT,
    source TEXT NOT NULL,
    agent TEXT,
    session TEXT,
    stream BOOLEAN NOT NULL,
    status INTEGER NOT NULL,
    reason VARCHAR(32),
    answered BOOLEAN NOT NULL,
    last BOOLEAN NOT NULL,
    fallback BOOLEAN NOT NULL,
    input_tokens BIGINT NOT NULL,
    cached_input_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    cache_write_1h_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    reported_cost_usd TEXT,
    cost_nano_usd BIGINT,
    estimated BOOLEAN NOT NULL,
    price TEXT,
    latency_ms FLOAT,
    first_token_ms FLOAT
);
CREATE INDEX ix_attempts_at ON attempts (at);
CREATE UNIQUE INDEX ix_attempts_request_id_number ON attempts (request_id, number);
CREATE TABLE spend_hourly (
    hour BIGINT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    caller TEXT NOT NULL,
    source TEXT NOT NULL,
    agent TEXT NOT NULL,
    cost_nano_usd BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    fallback_requests BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    cached_input_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    fallback_cost_nano_usd BIGINT NOT NULL,
    CONSTRAINT pk_spend_hourly PRIMARY KEY (hour, model, provider, caller, source, agent)
) {without_rowid};
CREATE TABLE reprices (
    id {integer} NOT NULL CONSTRAINT pk_reprices PRIMARY KEY{autoincrement},
    at BIGINT NOT NULL,
    why TEXT NOT NULL,
    request_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    cost_nano_usd BIGINT,
    price TEXT
);
CREATE INDEX ix_reprices_request_id_number ON reprices (request_id, number);
CREATE TABLE bills (
    provider VARCHAR(64) NOT NULL,
    day DATE NOT NULL,
    amount_usd_nano BIGINT NOT NULL,
    fetched_at BIGINT NOT NULL,
    CONSTRAINT pk_bills PRIMARY KEY (provider, day)
);
CREATE TABLE config_revisions (
    number INTEGER NOT NULL,
    at BIGINT NOT NULL,
    revision VARCHAR(64) NOT NULL,
    raw {bytes} NOT NULL,
    CONSTRAINT pk_config_revisions PRIMARY KEY (number)
);
CREATE TABLE memory (
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_memory PRIMARY KEY (key)
);

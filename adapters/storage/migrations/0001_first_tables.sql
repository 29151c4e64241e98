-- The first tables: journal, reverts, refusals, services, cool-downs, events, mutes, buttons.

CREATE TABLE changes (
    id {integer} NOT NULL CONSTRAINT pk_changes PRIMARY KEY{autoincrement},
    document TEXT NOT NULL,
    state VARCHAR(16) NOT NULL,
    at BIGINT NOT NULL,
    actor_key TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    surface VARCHAR(32) NOT NULL,
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    old TEXT NOT NULL,
    new TEXT NOT NULL,
    touched TEXT NOT NULL,
    revision_before VARCHAR(64) NOT NULL,
    revision VARCHAR(64) NOT NULL,
    diff TEXT NOT NULL,
    view TEXT NOT NULL,
    reverts BIGINT
);
CREATE INDEX ix_changes_document_state_id ON changes (document, state, id);
CREATE TABLE document_state (
    document TEXT NOT NULL,
    revision VARCHAR(64) NOT NULL,
    view TEXT NOT NULL,
    change_id BIGINT NOT NULL,
    CONSTRAINT pk_document_state PRIMARY KEY (document)
);
CREATE TABLE reverts (
    id {integer} NOT NULL CONSTRAINT pk_reverts PRIMARY KEY{autoincrement},
    document TEXT NOT NULL,
    change_id BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    state VARCHAR(16) NOT NULL
);
CREATE INDEX ix_reverts_change_id ON reverts (change_id);
CREATE INDEX ix_reverts_document_state_due_at ON reverts (document, state, due_at);
CREATE TABLE refusals (
    id {integer} NOT NULL CONSTRAINT pk_refusals PRIMARY KEY{autoincrement},
    at BIGINT NOT NULL,
    actor_key TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    surface VARCHAR(32) NOT NULL,
    command TEXT NOT NULL,
    why TEXT NOT NULL
);
CREATE INDEX ix_refusals_at ON refusals (at);
CREATE TABLE services (
    name VARCHAR(64) NOT NULL,
    alive_at BIGINT NOT NULL,
    CONSTRAINT pk_services PRIMARY KEY (name)
);
CREATE TABLE cooldowns (
    scope TEXT NOT NULL,
    reason VARCHAR(32) NOT NULL,
    until BIGINT NOT NULL,
    failures INTEGER NOT NULL,
    CONSTRAINT pk_cooldowns PRIMARY KEY (scope)
);
CREATE TABLE fallback_events (
    id {integer} NOT NULL CONSTRAINT pk_fallback_events PRIMARY KEY{autoincrement},
    at BIGINT NOT NULL,
    request_id TEXT NOT NULL,
    from_model TEXT NOT NULL,
    to_model TEXT,
    reason VARCHAR(32) NOT NULL,
    source VARCHAR(32) NOT NULL
);
CREATE INDEX ix_fallback_events_at ON fallback_events (at);
CREATE TABLE incidents (
    id {integer} NOT NULL CONSTRAINT pk_incidents PRIMARY KEY{autoincrement},
    state VARCHAR(32) NOT NULL,
    primary_model TEXT NOT NULL,
    reason VARCHAR(32) NOT NULL,
    opened_at BIGINT NOT NULL,
    resolved_at BIGINT,
    requests BIGINT NOT NULL,
    served_by TEXT,
    details TEXT NOT NULL
);
CREATE INDEX ix_incidents_opened_at ON incidents (opened_at);
CREATE TABLE mutes (
    scope VARCHAR(64) NOT NULL,
    until BIGINT NOT NULL,
    CONSTRAINT pk_mutes PRIMARY KEY (scope)
);
CREATE TABLE buttons (
    id VARCHAR(40) NOT NULL,
    made_at BIGINT NOT NULL,
    action TEXT NOT NULL,
    claimed_by TEXT,
    claimed_at BIGINT,
    CONSTRAINT pk_buttons PRIMARY KEY (id)
);
CREATE INDEX ix_buttons_made_at ON buttons (made_at);

-- Alerts: events as an outbox, incidents with who looks after them, messages, leases.

ALTER TABLE fallback_events ADD COLUMN detail TEXT;
ALTER TABLE fallback_events ADD COLUMN asked BOOLEAN;
ALTER TABLE fallback_events ADD COLUMN key VARCHAR(32);
ALTER TABLE fallback_events ADD COLUMN taken_at BIGINT;
UPDATE fallback_events SET taken_at = at;
CREATE UNIQUE INDEX ix_fallback_events_key ON fallback_events (key);
CREATE INDEX ix_fallback_events_waiting ON fallback_events (id) WHERE taken_at IS NULL;
ALTER TABLE incidents ADD COLUMN revision INTEGER DEFAULT 0 NOT NULL;
ALTER TABLE incidents ADD COLUMN acknowledged_by TEXT;
ALTER TABLE incidents ADD COLUMN acknowledged_at BIGINT;
CREATE INDEX ix_incidents_resolved_at ON incidents (resolved_at);
CREATE TABLE alert_posts (
    key VARCHAR(128) NOT NULL,
    surface VARCHAR(32) NOT NULL,
    wanted INTEGER NOT NULL,
    shown INTEGER NOT NULL,
    wanted_at BIGINT NOT NULL,
    channel TEXT,
    message_id TEXT,
    claimed_at BIGINT,
    shown_at BIGINT,
    retry_at BIGINT,
    failures INTEGER NOT NULL,
    CONSTRAINT pk_alert_posts PRIMARY KEY (key, surface)
);
CREATE INDEX ix_alert_posts_behind ON alert_posts (surface) WHERE wanted > shown;
CREATE TABLE alert_notices (
    key VARCHAR(128) NOT NULL,
    kind VARCHAR(32) NOT NULL,
    at BIGINT NOT NULL,
    data TEXT NOT NULL,
    CONSTRAINT pk_alert_notices PRIMARY KEY (key)
);
CREATE TABLE alert_troubles (
    surface VARCHAR(32) NOT NULL,
    since BIGINT NOT NULL,
    message TEXT NOT NULL,
    hint TEXT NOT NULL,
    CONSTRAINT pk_alert_troubles PRIMARY KEY (surface)
);
CREATE TABLE leases (
    name VARCHAR(64) NOT NULL,
    holder VARCHAR(64) NOT NULL,
    until BIGINT NOT NULL,
    CONSTRAINT pk_leases PRIMARY KEY (name)
);

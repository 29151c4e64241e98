-- Changes that wait for a second operator; which model a plan was approved for, under which rules.

CREATE TABLE approvals (
    id {integer} NOT NULL CONSTRAINT pk_approvals PRIMARY KEY{autoincrement},
    document TEXT NOT NULL,
    words TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    surface VARCHAR(16) NOT NULL,
    groups TEXT NOT NULL,
    home TEXT NOT NULL,
    role VARCHAR(16) NOT NULL,
    at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    rules TEXT NOT NULL,
    facts TEXT NOT NULL,
    shown TEXT NOT NULL,
    state VARCHAR(16) NOT NULL,
    decided_by TEXT,
    decided_key TEXT,
    decided_at BIGINT,
    overridden BOOLEAN NOT NULL,
    note TEXT NOT NULL,
    change_id BIGINT,
    posted VARCHAR(16) NOT NULL
);
CREATE INDEX ix_approvals_document ON approvals (document, id);
ALTER TABLE plans ADD COLUMN ref TEXT NOT NULL DEFAULT '';
ALTER TABLE plans ADD COLUMN approved TEXT NOT NULL DEFAULT '';

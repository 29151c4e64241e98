-- Trials of another model on a share of the conversations: at most one runs on a config. Attempts
-- know their trial and arm; `conversation` only groups requests, nobody can be found by it.

CREATE TABLE trials (
    id {integer} NOT NULL CONSTRAINT pk_trials PRIMARY KEY,
    document TEXT NOT NULL,
    primary_model TEXT NOT NULL,
    candidate TEXT NOT NULL,
    share INTEGER NOT NULL,
    started_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    actor_name TEXT NOT NULL,
    reason TEXT NOT NULL,
    ended_at BIGINT,
    ended VARCHAR(32),
    ended_by TEXT NOT NULL,
    detail TEXT NOT NULL,
    told BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX ix_trials_running ON trials (document) WHERE ended IS NULL;
CREATE TABLE trial_steps (
    id {integer} NOT NULL CONSTRAINT pk_trial_steps PRIMARY KEY,
    trial_id BIGINT NOT NULL,
    document TEXT NOT NULL,
    at BIGINT NOT NULL,
    action VARCHAR(32) NOT NULL,
    share INTEGER NOT NULL,
    actor_key TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    surface VARCHAR(32) NOT NULL,
    candidate TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX ix_trial_steps_document ON trial_steps (document, id);
ALTER TABLE attempts ADD COLUMN trial BIGINT;
ALTER TABLE attempts ADD COLUMN candidate BOOLEAN;
ALTER TABLE attempts ADD COLUMN conversation BIGINT;
CREATE INDEX ix_attempts_trial ON attempts (trial) WHERE trial IS NOT NULL;

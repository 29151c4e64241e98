-- Recurring switches, and which of their windows are dealt with.

CREATE TABLE plans (
    document TEXT NOT NULL,
    number INTEGER NOT NULL,
    model TEXT NOT NULL,
    "when" TEXT NOT NULL,
    reason TEXT NOT NULL,
    set_by TEXT NOT NULL,
    set_by_key TEXT NOT NULL,
    surface VARCHAR(16) NOT NULL,
    set_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_by TEXT,
    CONSTRAINT pk_plans PRIMARY KEY (document, number)
);
CREATE TABLE plan_runs (
    document TEXT NOT NULL,
    number INTEGER NOT NULL,
    start_at BIGINT NOT NULL,
    end_at BIGINT NOT NULL,
    change_id BIGINT,
    why TEXT NOT NULL,
    CONSTRAINT pk_plan_runs PRIMARY KEY (document, number, start_at)
);
CREATE INDEX ix_plan_runs_end_at ON plan_runs (end_at);

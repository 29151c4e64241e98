-- Which of a chat's commands and clicks were acted on.

CREATE TABLE triggers (
    id TEXT NOT NULL,
    at BIGINT NOT NULL,
    CONSTRAINT pk_triggers PRIMARY KEY (id)
);
CREATE INDEX ix_triggers_at ON triggers (at);

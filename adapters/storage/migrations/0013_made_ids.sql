-- Who made the responses that callers refer to.

CREATE TABLE made_ids (
    digest VARCHAR(32) NOT NULL,
    model TEXT NOT NULL,
    at BIGINT NOT NULL,
    CONSTRAINT pk_made_ids PRIMARY KEY (digest)
);
CREATE INDEX ix_made_ids_at ON made_ids (at);

-- What daily looks at the providers' model lists have shown, and when each list was last read.

CREATE TABLE model_lists (
    provider VARCHAR(64) NOT NULL CONSTRAINT pk_model_lists PRIMARY KEY,
    looked_at BIGINT NOT NULL,
    size INTEGER NOT NULL
);
CREATE TABLE model_lifecycles (
    model TEXT NOT NULL CONSTRAINT pk_model_lifecycles PRIMARY KEY,
    looked_at BIGINT NOT NULL,
    listed_at BIGINT,
    absent INTEGER NOT NULL,
    absent_since BIGINT,
    retires_on VARCHAR(10),
    dated BOOLEAN NOT NULL,
    withdrawn_on VARCHAR(10),
    answered_at BIGINT,
    refused_at BIGINT,
    remind_at BIGINT
);

-- The ledger by quarters of an hour, and what few calls have: speech, searches, special terms.

ALTER TABLE attempts ADD COLUMN extras TEXT;
CREATE TABLE spend_quarterly (
    quarter BIGINT NOT NULL,
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
    CONSTRAINT pk_spend_quarterly PRIMARY KEY (quarter, model, provider, caller, source, agent)
) {without_rowid};
INSERT INTO spend_quarterly (
    quarter, model, provider, caller, source, agent, cost_nano_usd, requests, fallback_requests,
    attempts, failed, unpriced, input_tokens, cached_input_tokens, cache_write_tokens,
    output_tokens, reasoning_tokens, fallback_cost_nano_usd
)
SELECT
    at - at % 900000000, model, provider, coalesce(caller, ''), source, coalesce(agent, ''),
    sum(coalesce(cost_nano_usd, 0)),
    sum(CASE WHEN last THEN 1 ELSE 0 END),
    sum(CASE WHEN last AND fallback THEN 1 ELSE 0 END),
    count(*),
    count(reason),
    sum(CASE WHEN cost_nano_usd IS NULL AND input_tokens + output_tokens > 0 THEN 1 ELSE 0 END),
    sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens),
    sum(output_tokens), sum(reasoning_tokens),
    sum(CASE WHEN fallback THEN coalesce(cost_nano_usd, 0) ELSE 0 END)
FROM attempts
GROUP BY at - at % 900000000, model, provider, coalesce(caller, ''), source, coalesce(agent, '');

-- Outages by what is broken: each event's hops, when a model answered again, who looks after it.
-- Outages of before count as down until they were over.

ALTER TABLE fallback_events ADD COLUMN context TEXT;
CREATE INDEX ix_fallback_events_from_model_at ON fallback_events (from_model, at);
ALTER TABLE incidents ADD COLUMN acknowledged_key TEXT;
ALTER TABLE incidents ADD COLUMN up_since BIGINT;
ALTER TABLE incidents ADD COLUMN gaps TEXT;
UPDATE incidents SET up_since = resolved_at;

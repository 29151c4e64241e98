-- Fallback events are written before our own probe has confirmed them, and held back until then; no
-- event of before is held back.

ALTER TABLE fallback_events ADD COLUMN held_until BIGINT;

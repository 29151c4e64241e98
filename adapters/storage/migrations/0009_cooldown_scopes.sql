-- Cool-downs by key and model, with their beginning and whether the provider named their end.
-- Old rows hold a whole key for one model's trouble, so they go.

DELETE FROM cooldowns;
ALTER TABLE cooldowns ADD COLUMN since BIGINT;
ALTER TABLE cooldowns ADD COLUMN named BOOLEAN DEFAULT {false} NOT NULL;

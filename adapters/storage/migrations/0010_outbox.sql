-- Budget notices are rows of the outbox, like all that channels are told: moved over, so that they
-- are not told again. In brackets, since SQLite divides what `||` has put together.

INSERT INTO alert_notices (key, kind, at, data)
SELECT
    'budget:' || budget_id || ':' || (period_start / 1000000) || ':' || percent,
    'budget', period_start, '{"error":""}'
FROM budget_notices;
INSERT INTO alert_notices (key, kind, at, data)
SELECT
    'budget:' || budget_id || ':' || (period_start / 1000000) || ':switch',
    'budget_switch', period_start, '{"error":""}'
FROM budget_notices WHERE percent = 100;
DROP TABLE budget_notices;

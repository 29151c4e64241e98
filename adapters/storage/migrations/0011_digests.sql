-- The weekly digest is a row of the outbox, like all that channels are told: which weeks were posted
-- is moved over, and the posts whose end is not known. A period was named by its days:
-- `2026-02-23 to 2026-03-01`.

INSERT INTO alert_notices (key, kind, at, data)
SELECT
    'digest:' || substr(period, 1, 10), 'digest', min(claimed_at),
    '{"monday":"' || substr(period, 1, 10) || '"}'
FROM digests GROUP BY substr(period, 1, 10);
INSERT INTO alert_posts (key, surface, wanted, shown, wanted_at, claimed_at, failures)
SELECT
    'digest:' || substr(period, 1, 10), substr(channel, 1, 32), 1, 0, claimed_at, claimed_at, 0
FROM digests WHERE message_id IS NULL;
DROP TABLE digests;

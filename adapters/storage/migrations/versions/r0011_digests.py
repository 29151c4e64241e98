"""The weekly digest is a row of the outbox, like all that channels are told."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# A period was named by its days: `2026-02-23 to 2026-03-01`.
_MONDAY = "substr(period, 1, 10)"
_KEY = f"'digest:' || {_MONDAY}"


def upgrade() -> None:
    """Move over which weeks were posted, and the posts whose end is not known."""
    op.execute(
        "INSERT INTO alert_notices (key, kind, at, data) "  # noqa: S608
        f"SELECT {_KEY}, 'digest', min(claimed_at), '{{\"monday\":\"' || {_MONDAY} || '\"}}' "
        f"FROM digests GROUP BY {_MONDAY}"
    )
    op.execute(
        "INSERT INTO alert_posts "  # noqa: S608
        "(key, surface, wanted, shown, wanted_at, claimed_at, failures) "
        f"SELECT {_KEY}, substr(channel, 1, 32), 1, 0, claimed_at, claimed_at, 0 FROM digests "
        "WHERE message_id IS NULL"
    )
    op.drop_table("digests")

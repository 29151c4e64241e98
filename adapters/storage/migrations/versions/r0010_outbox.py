"""Budget notices are rows of the outbox, like all that channels are told."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# In brackets: SQLite divides what `||` has put together.
_KEY = "'budget:' || budget_id || ':' || (period_start / 1000000) || ':' || "


def upgrade() -> None:
    """Move over what was told, so that it is not told again."""
    for what, kind, where in (
        ("percent", "budget", ""),
        ("'switch'", "budget_switch", " WHERE percent = 100"),
    ):
        op.execute(
            "INSERT INTO alert_notices (key, kind, at, data) "  # noqa: S608
            f"SELECT {_KEY}{what}, '{kind}', period_start, '{{\"error\":\"\"}}' "
            f"FROM budget_notices{where}"
        )
    op.drop_table("budget_notices")

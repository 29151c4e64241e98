"""How much of each rollup's cost is an estimate."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ROLLUPS = (("spend_hourly", "hour", 3_600_000_000), ("spend_quarterly", "quarter", 900_000_000))
_KIN = {
    "model": "model",
    "provider": "provider",
    "caller": "coalesce(caller, '')",
    "source": "source",
    "agent": "coalesce(agent, '')",
}


def upgrade() -> None:
    """Add the figure, and fill it from the rows there are."""
    for table, start, span in _ROLLUPS:
        figure = sa.Column("estimated_cost_nano_usd", sa.BigInteger, nullable=False)
        figure.server_default = sa.DefaultClause("0")
        op.add_column(table, figure)
        keys = {start: f"at - at % {span}", **_KIN}
        named = ", ".join(f"{key} AS {name}" for name, key in keys.items())
        same = " AND ".join(f"{table}.{name} = found.{name}" for name in keys)
        op.execute(
            f"UPDATE {table} SET estimated_cost_nano_usd = found.cost "  # noqa: S608
            f"FROM (SELECT {named}, sum(cost_nano_usd) AS cost FROM attempts "
            f"WHERE estimated AND cost_nano_usd IS NOT NULL GROUP BY {', '.join(keys.values())}) "
            f"AS found WHERE {same}"
        )

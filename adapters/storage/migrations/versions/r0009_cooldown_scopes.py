"""Cool-downs by key and model, with their beginning and whether the provider named their end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; old rows hold a whole key for one model's trouble, so they go."""
    op.execute("DELETE FROM cooldowns")
    op.add_column("cooldowns", sa.Column("since", sa.BigInteger))
    op.add_column(
        "cooldowns", sa.Column("named", sa.Boolean, nullable=False, server_default=sa.false())
    )

"""Fallback events are written before our own probe has confirmed them, and held back until then."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; no event of before is held back."""
    op.add_column("fallback_events", sa.Column("held_until", sa.BigInteger))

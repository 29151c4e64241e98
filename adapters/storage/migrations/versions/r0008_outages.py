"""Outages by what is broken: each event's hops, when a model answered again, who looks after it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; outages of before count as down until they were over."""
    op.add_column("fallback_events", sa.Column("context", sa.Text))
    op.create_index("ix_fallback_events_from_model_at", "fallback_events", ["from_model", "at"])
    op.add_column("incidents", sa.Column("acknowledged_key", sa.Text))
    op.add_column("incidents", sa.Column("up_since", sa.BigInteger))
    op.add_column("incidents", sa.Column("gaps", sa.Text))
    op.execute("UPDATE incidents SET up_since = resolved_at")

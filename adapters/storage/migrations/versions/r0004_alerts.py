"""Alerts: events as an outbox, incidents with who looks after them, messages, leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and make the tables."""
    _events()
    _incidents()
    _messages()
    _others()


def _events() -> None:
    op.add_column("fallback_events", sa.Column("detail", sa.Text))
    op.add_column("fallback_events", sa.Column("asked", sa.Boolean))
    op.add_column("fallback_events", sa.Column("key", sa.String(32)))
    op.add_column("fallback_events", sa.Column("taken_at", sa.BigInteger))
    # What happened under an older release is history and no alert.
    op.execute("UPDATE fallback_events SET taken_at = at")
    op.create_index("ix_fallback_events_key", "fallback_events", ["key"], unique=True)
    waiting = sa.text("taken_at IS NULL")
    op.create_index(
        "ix_fallback_events_waiting",
        "fallback_events",
        ["id"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )


def _incidents() -> None:
    op.add_column(
        "incidents",
        sa.Column("revision", sa.Integer, nullable=False, server_default=sa.text("0")),
    )
    op.add_column("incidents", sa.Column("acknowledged_by", sa.Text))
    op.add_column("incidents", sa.Column("acknowledged_at", sa.BigInteger))
    op.create_index("ix_incidents_resolved_at", "incidents", ["resolved_at"])


def _messages() -> None:
    op.create_table(
        "alert_posts",
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("surface", sa.String(32), nullable=False),
        sa.Column("wanted", sa.Integer, nullable=False),
        sa.Column("shown", sa.Integer, nullable=False),
        sa.Column("wanted_at", sa.BigInteger, nullable=False),
        sa.Column("channel", sa.Text),
        sa.Column("message_id", sa.Text),
        sa.Column("claimed_at", sa.BigInteger),
        sa.Column("shown_at", sa.BigInteger),
        sa.Column("retry_at", sa.BigInteger),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("key", "surface", name="pk_alert_posts"),
    )
    behind = sa.text("wanted > shown")
    op.create_index(
        "ix_alert_posts_behind",
        "alert_posts",
        ["surface"],
        sqlite_where=behind,
        postgresql_where=behind,
    )


def _others() -> None:
    op.create_table(
        "alert_notices",
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_alert_notices"),
    )
    op.create_table(
        "alert_troubles",
        sa.Column("surface", sa.String(32), nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("surface", name="pk_alert_troubles"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )

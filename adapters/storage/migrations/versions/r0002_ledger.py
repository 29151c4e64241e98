"""The ledger with its rollups and bills, the config's revisions, small memories."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _attempts()
    _sums()
    _prices()
    _small()


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", _Id, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("served", sa.Text),
        sa.Column("dialect", sa.Text, nullable=False),
        sa.Column("caller", sa.Text),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("agent", sa.Text),
        sa.Column("session", sa.Text),
        sa.Column("stream", sa.Boolean, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("reason", sa.String(32)),
        sa.Column("answered", sa.Boolean, nullable=False),
        sa.Column("last", sa.Boolean, nullable=False),
        sa.Column("fallback", sa.Boolean, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_input_tokens", sa.BigInteger, nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger, nullable=False),
        sa.Column("cache_write_1h_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.Column("reported_cost_usd", sa.Text),
        sa.Column("cost_nano_usd", sa.BigInteger),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("price", sa.Text),
        sa.Column("latency_ms", sa.Float),
        sa.Column("first_token_ms", sa.Float),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index("ix_attempts_at", "attempts", ["at"])
    op.create_index(
        "ix_attempts_request_id_number", "attempts", ["request_id", "number"], unique=True
    )


def _sums() -> None:
    op.create_table(
        "spend_hourly",
        sa.Column("hour", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("cost_nano_usd", sa.BigInteger, nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("fallback_requests", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("unpriced", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_input_tokens", sa.BigInteger, nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.Column("fallback_cost_nano_usd", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            "hour", "model", "provider", "caller", "source", "agent", name="pk_spend_hourly"
        ),
        sqlite_with_rowid=False,
    )


def _prices() -> None:
    op.create_table(
        "reprices",
        sa.Column("id", _Id, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("cost_nano_usd", sa.BigInteger),
        sa.Column("price", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_reprices"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reprices_request_id_number", "reprices", ["request_id", "number"])
    op.create_table(
        "bills",
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("amount_usd_nano", sa.BigInteger, nullable=False),
        sa.Column("fetched_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("provider", "day", name="pk_bills"),
    )


def _small() -> None:
    op.create_table(
        "config_revisions",
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.String(64), nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_config_revisions"),
    )
    op.create_table(
        "memory",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_memory"),
    )

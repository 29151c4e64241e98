"""Budgets and their notices, digests posted, chain tests, how bills were read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _budgets()
    _posted()
    _bills()


def _budgets() -> None:
    op.create_table(
        "budgets",
        sa.Column("id", _Id, nullable=False),
        sa.Column("amount_nano_usd", sa.BigInteger, nullable=False),
        sa.Column("period", sa.String(16), nullable=False),
        sa.Column("then", sa.Text),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("set_at", sa.BigInteger, nullable=False),
        sa.Column("in_force", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_budgets"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "budget_notices",
        sa.Column("budget_id", sa.BigInteger, nullable=False),
        sa.Column("period_start", sa.BigInteger, nullable=False),
        sa.Column("percent", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("budget_id", "period_start", "percent", name="pk_budget_notices"),
    )


def _posted() -> None:
    op.create_table(
        "digests",
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("period", sa.String(64), nullable=False),
        sa.Column("claimed_at", sa.BigInteger, nullable=False),
        sa.Column("surface", sa.Text),
        sa.Column("message_channel", sa.Text),
        sa.Column("message_id", sa.Text),
        sa.PrimaryKeyConstraint("kind", "channel", "period", name="pk_digests"),
    )
    op.create_table(
        "chain_tests",
        sa.Column("id", _Id, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("chain_ok", sa.Boolean, nullable=False),
        sa.Column("answered", sa.Integer, nullable=False),
        sa.Column("hops", sa.Integer, nullable=False),
        sa.Column("would_serve", sa.Text),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chain_tests"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_chain_tests_at", "chain_tests", ["at"])


def _bills() -> None:
    op.create_table(
        "bill_reads",
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("trouble", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("provider", name="pk_bill_reads"),
    )
    op.create_table(
        "meter_readings",
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("amount_nano", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(16), nullable=False),
        sa.Column("rises", sa.Boolean, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("provider", "at", name="pk_meter_readings"),
    )

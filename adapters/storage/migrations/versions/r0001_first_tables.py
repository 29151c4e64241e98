"""The first tables: journal, reverts, refusals, services, cool-downs, events, mutes, buttons."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _journal()
    _gateway()
    _chat()


def _journal() -> None:
    op.create_table(
        "changes",
        sa.Column("id", _Id, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor_key", sa.Text, nullable=False),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.Column("surface", sa.String(32), nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("old", sa.Text, nullable=False),
        sa.Column("new", sa.Text, nullable=False),
        sa.Column("touched", sa.Text, nullable=False),
        sa.Column("revision_before", sa.String(64), nullable=False),
        sa.Column("revision", sa.String(64), nullable=False),
        sa.Column("diff", sa.Text, nullable=False),
        sa.Column("view", sa.Text, nullable=False),
        sa.Column("reverts", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_changes"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_changes_document_state_id", "changes", ["document", "state", "id"])
    op.create_table(
        "document_state",
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("revision", sa.String(64), nullable=False),
        sa.Column("view", sa.Text, nullable=False),
        sa.Column("change_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("document", name="pk_document_state"),
    )
    op.create_table(
        "reverts",
        sa.Column("id", _Id, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("change_id", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reverts"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reverts_change_id", "reverts", ["change_id"])
    op.create_index("ix_reverts_document_state_due_at", "reverts", ["document", "state", "due_at"])
    op.create_table(
        "refusals",
        sa.Column("id", _Id, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor_key", sa.Text, nullable=False),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.Column("surface", sa.String(32), nullable=False),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_refusals"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_refusals_at", "refusals", ["at"])
    op.create_table(
        "services",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("alive_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_services"),
    )


def _gateway() -> None:
    op.create_table(
        "cooldowns",
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_cooldowns"),
    )
    op.create_table(
        "fallback_events",
        sa.Column("id", _Id, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("from_model", sa.Text, nullable=False),
        sa.Column("to_model", sa.Text),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_fallback_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_fallback_events_at", "fallback_events", ["at"])
    op.create_table(
        "incidents",
        sa.Column("id", _Id, nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("primary_model", sa.Text, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("resolved_at", sa.BigInteger),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("served_by", sa.Text),
        sa.Column("details", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_incidents_opened_at", "incidents", ["opened_at"])
    op.create_table(
        "mutes",
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_mutes"),
    )


def _chat() -> None:
    op.create_table(
        "buttons",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("claimed_by", sa.Text),
        sa.Column("claimed_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_buttons"),
    )
    op.create_index("ix_buttons_made_at", "buttons", ["made_at"])

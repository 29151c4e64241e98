"""The ledger by quarters of an hour, and what few calls have: speech, searches, special terms."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_QUARTER = 900_000_000
_KIN = {
    "model": "model",
    "provider": "provider",
    "caller": "coalesce(caller, '')",
    "source": "source",
    "agent": "coalesce(agent, '')",
}
_FIGURES = {
    "cost_nano_usd": "coalesce(cost_nano_usd, 0)",
    "requests": "CASE WHEN last THEN 1 ELSE 0 END",
    "fallback_requests": "CASE WHEN last AND fallback THEN 1 ELSE 0 END",
    "attempts": "1",
    "failed": "CASE WHEN reason IS NULL THEN 0 ELSE 1 END",
    "unpriced": "CASE WHEN cost_nano_usd IS NULL AND input_tokens + output_tokens > 0"
    " THEN 1 ELSE 0 END",
    "input_tokens": "input_tokens",
    "cached_input_tokens": "cached_input_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "output_tokens": "output_tokens",
    "reasoning_tokens": "reasoning_tokens",
    "fallback_cost_nano_usd": "CASE WHEN fallback THEN coalesce(cost_nano_usd, 0) ELSE 0 END",
}


def upgrade() -> None:
    """Make the table and fill it from the rows there are."""
    op.add_column("attempts", sa.Column("extras", sa.Text))
    op.create_table(
        "spend_quarterly",
        sa.Column("quarter", sa.BigInteger, autoincrement=False, nullable=False),
        *(sa.Column(kin, sa.Text, nullable=False) for kin in _KIN),
        *(sa.Column(figure, sa.BigInteger, nullable=False) for figure in _FIGURES),
        sa.PrimaryKeyConstraint("quarter", *_KIN, name="pk_spend_quarterly"),
        sqlite_with_rowid=False,
    )
    names = ", ".join(("quarter", *_KIN, *_FIGURES))
    kin = ", ".join((f"at - at % {_QUARTER}", *_KIN.values()))
    sums = ", ".join(f"sum({figure})" for figure in _FIGURES.values())
    op.execute(
        f"INSERT INTO spend_quarterly ({names}) "  # noqa: S608
        f"SELECT {kin}, {sums} FROM attempts GROUP BY {kin}"
    )

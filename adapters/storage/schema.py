"""The database's tables: one shape for SQLite and PostgreSQL.

A new table or column goes here and into a migration of `migrations/versions`, whose number is
appended to `codec.REVISIONS`; a test holds the three together.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    false,
    text,
)

from adapters.storage.columns import Id, JsonText, PlainText, UtcMicros, metadata
from adapters.storage.schema_alerts import alert_notices, alert_posts, alert_troubles, leases

# Tables that stand elsewhere are in the same book, and are reached through here like the others.
__all__ = ["alert_notices", "alert_posts", "alert_troubles", "leases", "metadata"]

changes = Table(
    "changes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("document", PlainText, nullable=False),
    Column("state", String(16), nullable=False),
    Column("at", UtcMicros, nullable=False),
    Column("actor_key", PlainText, nullable=False),
    Column("actor_name", PlainText, nullable=False),
    Column("surface", String(32), nullable=False),
    Column("action", PlainText, nullable=False),
    Column("reason", PlainText, nullable=False),
    Column("old", JsonText, nullable=False),
    Column("new", JsonText, nullable=False),
    Column("touched", JsonText, nullable=False),
    Column("revision_before", String(64), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("diff", PlainText, nullable=False),
    Column("view", JsonText, nullable=False),
    Column("reverts", BigInteger),
    Index(None, "document", "state", "id"),
    sqlite_autoincrement=True,
)
"""The config's history. A row is `pending` until its bytes are written, then `done`."""

document_state = Table(
    "document_state",
    metadata,
    Column("document", PlainText, primary_key=True),
    Column("revision", String(64), nullable=False),
    Column("view", JsonText, nullable=False),
    Column("change_id", BigInteger, nullable=False),
)
"""What was last known of a config, and by which row of `changes` (0: by looking at it first)."""

reverts = Table(
    "reverts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("document", PlainText, nullable=False),
    Column("change_id", BigInteger, nullable=False, index=True),
    Column("due_at", UtcMicros, nullable=False),
    Column("state", String(16), nullable=False),
    Index(None, "document", "state", "due_at"),
    sqlite_autoincrement=True,
)

refusals = Table(
    "refusals",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", UtcMicros, nullable=False, index=True),
    Column("actor_key", PlainText, nullable=False),
    Column("actor_name", PlainText, nullable=False),
    Column("surface", String(32), nullable=False),
    Column("command", PlainText, nullable=False),
    Column("why", PlainText, nullable=False),
    sqlite_autoincrement=True,
)

services = Table(
    "services",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("alive_at", UtcMicros, nullable=False),
)

cooldowns = Table(
    "cooldowns",
    metadata,
    Column("scope", PlainText, primary_key=True),
    Column("reason", String(32), nullable=False),
    Column("until", UtcMicros, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("since", UtcMicros),
    Column("named", Boolean, nullable=False, server_default=false()),
)

fallback_events = Table(
    "fallback_events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", UtcMicros, nullable=False, index=True),
    Column("request_id", PlainText, nullable=False),
    Column("from_model", PlainText, nullable=False),
    Column("to_model", PlainText),
    Column("reason", String(32), nullable=False),
    Column("source", String(32), nullable=False),
    Column("detail", PlainText),
    Column("asked", Boolean),
    Column("context", JsonText),
    Column("key", String(32)),
    Column("taken_at", UtcMicros),
    Column("held_until", UtcMicros),
    Index(None, "key", unique=True),
    Index(None, "from_model", "at"),
    Index(
        "ix_fallback_events_waiting",
        "id",
        sqlite_where=text("taken_at IS NULL"),
        postgresql_where=text("taken_at IS NULL"),
    ),
    sqlite_autoincrement=True,
)
"""`key` is the same for what is the same event told twice; `taken_at` is when alerts counted it,
`held_until` how long they leave a claim to the gateway's own probe."""

incidents = Table(
    "incidents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("state", String(32), nullable=False),
    Column("primary_model", PlainText, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("opened_at", UtcMicros, nullable=False, index=True),
    Column("resolved_at", UtcMicros, index=True),
    Column("requests", BigInteger, nullable=False),
    Column("served_by", PlainText),
    Column("details", JsonText, nullable=False),
    Column("revision", Integer, nullable=False, server_default=text("0")),
    Column("acknowledged_by", PlainText),
    Column("acknowledged_key", PlainText),
    Column("acknowledged_at", UtcMicros),
    Column("up_since", UtcMicros),
    Column("gaps", JsonText),
    sqlite_autoincrement=True,
)

mutes = Table(
    "mutes",
    metadata,
    Column("scope", String(64), primary_key=True),
    Column("until", UtcMicros, nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("request_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("asked", Text, nullable=False),
    Column("served", Text),
    Column("dialect", Text, nullable=False),
    Column("caller", Text),
    Column("source", Text, nullable=False),
    Column("agent", Text),
    Column("session", Text),
    Column("stream", Boolean, nullable=False),
    Column("status", Integer, nullable=False),
    Column("reason", String(32)),
    Column("answered", Boolean, nullable=False),
    Column("last", Boolean, nullable=False),
    Column("fallback", Boolean, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("cache_write_1h_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("reported_cost_usd", Text),
    Column("cost_nano_usd", BigInteger),
    Column("estimated", Boolean, nullable=False),
    Column("price", Text),
    Column("latency_ms", Float),
    Column("first_token_ms", Float),
    Column("extras", Text),
    Index(None, "request_id", "number", unique=True),
)
"""The ledger, one row an attempt; `ledger_rows` knows what stands in it.

It is written too often for the types above: times are `codec.micros_of`, text is clean already.
`extras` is JSON of what few calls have: speech, web searches, special terms.
"""

_FIGURES = (
    "cost_nano_usd",
    "requests",
    "fallback_requests",
    "attempts",
    "failed",
    "unpriced",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "fallback_cost_nano_usd",
    "estimated_cost_nano_usd",
)


def _rollup(name: str, start: str) -> Table:
    kin = ("model", "provider", "caller", "source", "agent")
    return Table(
        name,
        metadata,
        Column(start, BigInteger, primary_key=True, autoincrement=False),
        *(Column(column, Text, primary_key=True) for column in kin),
        *(Column(figure, BigInteger, nullable=False) for figure in _FIGURES),
        sqlite_with_rowid=False,
    )


spend_hourly = _rollup("spend_hourly", "hour")
spend_quarterly = _rollup("spend_quarterly", "quarter")
"""What an hour's and a quarter of an hour's attempts add up to, by its start; '' stands for no
caller or no agent.
"""

reprices = Table(
    "reprices",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", UtcMicros, nullable=False),
    Column("why", PlainText, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("cost_nano_usd", BigInteger),
    Column("price", Text),
    Index(None, "request_id", "number"),
    sqlite_autoincrement=True,
)
"""The figures that an attempt had until they were corrected at `at`."""

bills = Table(
    "bills",
    metadata,
    Column("provider", String(64), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("amount_usd_nano", BigInteger, nullable=False),
    Column("fetched_at", UtcMicros, nullable=False),
)

config_revisions = Table(
    "config_revisions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcMicros, nullable=False),
    Column("revision", String(64), nullable=False),
    Column("raw", LargeBinary, nullable=False),
)
"""The config document, where it lives here: the highest number is the present one."""

memory = Table(
    "memory",
    metadata,
    Column("key", PlainText, primary_key=True),
    Column("value", PlainText, nullable=False),
)
"""Small things to remember, such as which commands Discord was last told."""

buttons = Table(
    "buttons",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("made_at", UtcMicros, nullable=False, index=True),
    Column("action", JsonText, nullable=False),
    Column("claimed_by", PlainText),
    Column("claimed_at", UtcMicros),
)

triggers = Table(
    "triggers",
    metadata,
    Column("id", PlainText, primary_key=True),
    Column("at", UtcMicros, nullable=False, index=True),
)
"""Commands and clicks that were acted on: a recorded request must do nothing when sent again."""

budgets = Table(
    "budgets",
    metadata,
    Column("id", Id, primary_key=True),
    Column("amount_nano_usd", BigInteger, nullable=False),
    Column("period", String(16), nullable=False),
    Column("then", PlainText),
    Column("set_by", PlainText, nullable=False),
    Column("set_at", UtcMicros, nullable=False),
    Column("in_force", Boolean, nullable=False),
    sqlite_autoincrement=True,
)
"""Every budget there was; at most one is in force."""

chain_tests = Table(
    "chain_tests",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", UtcMicros, nullable=False, index=True),
    Column("chain_ok", Boolean, nullable=False),
    Column("answered", Integer, nullable=False),
    Column("hops", Integer, nullable=False),
    Column("would_serve", PlainText),
    Column("actor_name", PlainText, nullable=False),
    sqlite_autoincrement=True,
)

made_ids = Table(
    "made_ids",
    metadata,
    Column("digest", String(32), primary_key=True),
    Column("model", PlainText, nullable=False),
    Column("at", UtcMicros, nullable=False, index=True),
)
"""Who made the responses that callers refer to."""

bill_reads = Table(
    "bill_reads",
    metadata,
    Column("provider", String(64), primary_key=True),
    Column("at", UtcMicros, nullable=False),
    Column("trouble", PlainText, nullable=False),
    Column("hint", PlainText, nullable=False),
)
"""When each provider was last asked for its bill, and what went wrong."""

meter_readings = Table(
    "meter_readings",
    metadata,
    Column("provider", String(64), primary_key=True),
    Column("at", UtcMicros, primary_key=True, autoincrement=False),
    Column("amount_nano", BigInteger, nullable=False),
    Column("currency", String(16), nullable=False),
    Column("rises", Boolean, nullable=False),
    Column("account", Text, nullable=False),
)
"""What the meters of providers that tell no days have shown."""

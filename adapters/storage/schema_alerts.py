"""The tables of alerts, beside events and incidents: what stands in which channel."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, text

from adapters.storage.columns import JsonText, PlainText, UtcMicros, metadata

alert_posts = Table(
    "alert_posts",
    metadata,
    Column("key", String(128), primary_key=True),
    Column("surface", String(32), primary_key=True),
    Column("wanted", Integer, nullable=False),
    Column("shown", Integer, nullable=False),
    Column("wanted_at", UtcMicros, nullable=False),
    Column("channel", PlainText),
    Column("message_id", PlainText),
    Column("claimed_at", UtcMicros),
    Column("shown_at", UtcMicros),
    Column("retry_at", UtcMicros),
    Column("failures", Integer, nullable=False),
    Index(
        "ix_alert_posts_behind",
        "surface",
        sqlite_where=text("wanted > shown"),
        postgresql_where=text("wanted > shown"),
    ),
)
"""One row a message and surface: claimed before it is posted, its id kept after."""

alert_notices = Table(
    "alert_notices",
    metadata,
    Column("key", String(128), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("at", UtcMicros, nullable=False),
    Column("data", JsonText, nullable=False),
)
"""What messages say that are no incident's."""

alert_troubles = Table(
    "alert_troubles",
    metadata,
    Column("surface", String(32), primary_key=True),
    Column("since", UtcMicros, nullable=False),
    Column("message", PlainText, nullable=False),
    Column("hint", PlainText, nullable=False),
)
"""The surfaces that take no alerts at the moment."""

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", UtcMicros, nullable=False),
)
"""Which process does what only one may do, and how long it is believed to live."""

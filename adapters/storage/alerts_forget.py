"""What alerts need no longer: messages nobody edits again, and what made up an old outage."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, delete, not_, select, update

from adapters.storage import schema
from bot.ports.alerts import NoticeKind

_incidents = schema.incidents
_posts = schema.alert_posts
_notices = schema.alert_notices


def forget(connection: Connection, before: datetime) -> int:
    """Drop what was over before then, and return how many rows that were.

    An incident's row stays for good, without its details; one that is open keeps everything.
    So does a digest's: by it a week is known to be posted, whatever the clock said meanwhile.
    """
    open_ids = connection.execute(
        select(_incidents.c.id).where(_incidents.c.resolved_at.is_(None))
    ).scalars()
    kept = [not_(_posts.c.key.startswith(f"incident:{number}:")) for number in open_ids]
    changes = (
        delete(_posts).where(and_(_posts.c.wanted_at < before, *kept)),
        delete(_notices).where(_notices.c.at < before, _notices.c.kind != NoticeKind.DIGEST),
        update(_incidents)
        .where(_incidents.c.resolved_at < before, _incidents.c.details != {})
        .values(details={}),
    )
    return sum(connection.execute(change).rowcount for change in changes)

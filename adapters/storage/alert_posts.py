"""Messages of alerts and their notices in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from adapters.storage.codec import micros_of, text_of, time_of, time_or_none, value_of
from adapters.storage.connection import Connection, Row
from adapters.storage.database import Database
from bot.ports import MessageRef
from bot.ports.alerts import DesiredMessage, MessageState, Notice, NoticeKind

_IT = "key = ? AND surface = ?"


class AlertPosts:
    """The part of the AlertStore port that has to do with messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def behind(self, surface: str) -> Sequence[MessageState]:
        """Return the messages that do not show what is wanted, the oldest wish first."""
        rows = await self._database.read(
            lambda c: c.rows(
                "SELECT * FROM alert_posts WHERE surface = ? AND wanted > shown "
                "ORDER BY wanted_at, key",
                surface,
            )
        )
        return [_post(row) for row in rows]

    async def post(self, key: str, surface: str) -> MessageState | None:
        """Return one message."""
        row = await self._database.read(
            lambda c: c.row(f"SELECT * FROM alert_posts WHERE {_IT}", key, surface)
        )
        return None if row is None else _post(row)

    async def claim(self, post: MessageState, at: datetime) -> bool:
        """Take the right to post; False when another process took it since the row was read."""
        as_read = (
            0 if post.claimed_at is None else micros_of(post.claimed_at),
            post.message.id if post.message else "",
        )
        claimed = await self._database.write(
            lambda c: c.update(
                "alert_posts",
                {"claimed_at": at},
                f"{_IT} AND coalesce(claimed_at, 0) = ? AND coalesce(message_id, '') = ?",
                post.key,
                post.surface,
                *as_read,
            )
        )
        return claimed == 1

    async def posted(
        self, post: MessageState, message: MessageRef, shown: int, at: datetime
    ) -> None:
        """Remember the message and which version it shows."""
        await self._set(
            post,
            channel=message.channel,
            message_id=message.id,
            shown=shown,
            shown_at=at,
            claimed_at=None,
            retry_at=None,
            failures=0,
        )

    async def put_off(
        self, post: MessageState, retry_at: datetime, *, unclaim: bool = False
    ) -> None:
        """Count a failure and try again later."""
        freed = {"claimed_at": None} if unclaim else {}
        await self._set(post, retry_at=retry_at, failures=post.failures + 1, **freed)

    async def give_up(self, post: MessageState) -> None:
        """Leave the message as it is, shown or not."""
        await self._set(post, shown=post.wanted, retry_at=None)

    async def add_notice(self, notice: Notice, surfaces: Sequence[str]) -> bool:
        """Keep a notice and ask for its messages; False when its key is known already."""
        if await self.notice(notice.key) is not None:
            return False

        def work(connection: Connection) -> bool:
            if not connection.insert("alert_notices", _values(notice), "ON CONFLICT DO NOTHING"):
                return False
            for surface in surfaces:
                want(connection, DesiredMessage(notice.key, surface, 1), notice.at)
            return True

        return await self._database.write(work)

    async def amend_notice(self, notice: Notice, surfaces: Sequence[str]) -> None:
        """Change what a notice says and ask for its messages to be edited."""

        def work(connection: Connection) -> None:
            connection.update("alert_notices", _values(notice), "key = ?", notice.key)
            for surface in surfaces:
                wanted = connection.value(
                    f"SELECT wanted FROM alert_posts WHERE {_IT}", notice.key, surface
                )
                want(connection, DesiredMessage(notice.key, surface, (wanted or 0) + 1), notice.at)

        await self._database.write(work)

    async def notice(self, key: str) -> Notice | None:
        """Return a notice."""
        row = await self._database.read(
            lambda c: c.row("SELECT * FROM alert_notices WHERE key = ?", key)
        )
        if row is None:
            return None
        kind = NoticeKind(row["kind"])
        return Notice(row["key"], kind, time_of(row["at"]), value_of(row["data"]))

    async def _set(self, post: MessageState, **values: Any) -> None:
        await self._database.write(
            lambda c: c.update("alert_posts", values, _IT, post.key, post.surface)
        )


def want(connection: Connection, one: DesiredMessage, at: datetime) -> None:
    """Ask for a message, or for a later version of it; an older one changes nothing."""
    row = {
        "key": one.key,
        "surface": one.surface,
        "wanted": one.version,
        "shown": 0,
        "wanted_at": at,
        "failures": 0,
    }
    connection.insert(
        "alert_posts",
        row,
        "ON CONFLICT (key, surface) DO UPDATE "
        "SET wanted = excluded.wanted, wanted_at = excluded.wanted_at "
        "WHERE alert_posts.wanted < excluded.wanted",
    )


def _values(notice: Notice) -> dict[str, Any]:
    return {
        "key": notice.key,
        "kind": notice.kind.value,
        "at": notice.at,
        "data": text_of(notice.data),
    }


def _post(row: Row) -> MessageState:
    message = None
    if row["message_id"] is not None:
        message = MessageRef(row["surface"], row["channel"], row["message_id"])
    return MessageState(
        key=row["key"],
        surface=row["surface"],
        wanted=row["wanted"],
        shown=row["shown"],
        wanted_at=time_of(row["wanted_at"]),
        message=message,
        claimed_at=time_or_none(row["claimed_at"]),
        shown_at=time_or_none(row["shown_at"]),
        retry_at=time_or_none(row["retry_at"]),
        failures=row["failures"],
    )

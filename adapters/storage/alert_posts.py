"""Messages of alerts and their notices in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select, update

from adapters.storage import schema
from adapters.storage.database import Database, upsert
from bot.ports import MessageRef
from bot.ports.alerts import Notice, NoticeKind, Post, Want

_posts = schema.alert_posts
_notices = schema.alert_notices


class SqlPosts:
    """The part of the AlertStore port that has to do with messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def behind(self, surface: str) -> Sequence[Post]:
        """Return the messages that do not show what is wanted, the oldest wish first."""
        query = (
            select(_posts)
            .where(_posts.c.surface == surface, _posts.c.wanted > _posts.c.shown)
            .order_by(_posts.c.wanted_at, _posts.c.key)
        )
        return [_post(row) for row in await self._database.read(lambda c: c.execute(query).all())]

    async def post(self, key: str, surface: str) -> Post | None:
        """Return one message."""
        query = select(_posts).where(_posts.c.key == key, _posts.c.surface == surface)
        row = await self._database.read(lambda c: c.execute(query).one_or_none())
        return None if row is None else _post(row)

    async def claim(self, post: Post, at: datetime) -> bool:
        """Take the right to post; False when another process took it since the row was read."""
        as_read = (
            _posts.c.claimed_at.is_not_distinct_from(post.claimed_at),
            _posts.c.message_id.is_not_distinct_from(post.message.id if post.message else None),
        )
        change = update(_posts).where(_is(post), *as_read).values(claimed_at=at)
        return await self._database.write(lambda c: c.execute(change).rowcount == 1)

    async def posted(self, post: Post, message: MessageRef, shown: int, at: datetime) -> None:
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

    async def put_off(self, post: Post, retry_at: datetime, *, unclaim: bool = False) -> None:
        """Count a failure and try again later."""
        freed = {"claimed_at": None} if unclaim else {}
        await self._set(post, retry_at=retry_at, failures=post.failures + 1, **freed)

    async def give_up(self, post: Post) -> None:
        """Leave the message as it is, shown or not."""
        await self._set(post, shown=post.wanted, retry_at=None)

    async def add_notice(self, notice: Notice, surfaces: Sequence[str]) -> bool:
        """Keep a notice and ask for its messages; False when its key is known already."""
        if await self.notice(notice.key) is not None:
            return False

        def work(connection: Connection) -> bool:
            new = upsert(connection, _notices).values(_values(notice)).on_conflict_do_nothing()
            made = connection.execute(new.returning(_notices.c.key)).one_or_none()
            if made is None:
                return False
            for surface in surfaces:
                want(connection, Want(notice.key, surface, 1), notice.at)
            return True

        return await self._database.write(work)

    async def amend_notice(self, notice: Notice, surfaces: Sequence[str]) -> None:
        """Change what a notice says and ask for its messages to be edited."""
        change = update(_notices).where(_notices.c.key == notice.key).values(_values(notice))

        def work(connection: Connection) -> None:
            connection.execute(change)
            for surface in surfaces:
                query = select(_posts.c.wanted).where(
                    _posts.c.key == notice.key, _posts.c.surface == surface
                )
                version = (connection.scalar(query) or 0) + 1
                want(connection, Want(notice.key, surface, version), notice.at)

        await self._database.write(work)

    async def notice(self, key: str) -> Notice | None:
        """Return a notice."""
        query = select(_notices).where(_notices.c.key == key)
        row = await self._database.read(lambda c: c.execute(query).one_or_none())
        return None if row is None else Notice(row.key, NoticeKind(row.kind), row.at, row.data)

    async def _set(self, post: Post, **values: Any) -> None:
        change = update(_posts).where(_is(post)).values(values)
        await self._database.write(lambda c: c.execute(change))


def want(connection: Connection, one: Want, at: datetime) -> None:
    """Ask for a message, or for a later version of it; an older one changes nothing."""
    row = upsert(connection, _posts).values(
        key=one.key,
        surface=one.surface,
        wanted=one.version,
        shown=0,
        wanted_at=at,
        failures=0,
    )
    connection.execute(
        row.on_conflict_do_update(
            index_elements=[_posts.c.key, _posts.c.surface],
            set_={"wanted": row.excluded.wanted, "wanted_at": row.excluded.wanted_at},
            where=_posts.c.wanted < row.excluded.wanted,
        )
    )


def _is(post: Post) -> ColumnElement[bool]:
    return and_(_posts.c.key == post.key, _posts.c.surface == post.surface)


def _values(notice: Notice) -> dict[str, Any]:
    return {
        "key": notice.key,
        "kind": notice.kind.value,
        "at": notice.at,
        "data": notice.data,
    }


def _post(row: Row[Any]) -> Post:
    message = None
    if row.message_id is not None:
        message = MessageRef(row.surface, row.channel, row.message_id)
    return Post(
        key=row.key,
        surface=row.surface,
        wanted=row.wanted,
        shown=row.shown,
        wanted_at=row.wanted_at,
        message=message,
        claimed_at=row.claimed_at,
        shown_at=row.shown_at,
        retry_at=row.retry_at,
        failures=row.failures,
    )

"""The config's rows as another program would write them: by hand, in SQL."""

from __future__ import annotations

import sqlite3

import psycopg

from adapters.storage.url import parse_url
from bot.ports import revision_of

_ADD = """
    INSERT INTO config_revisions (number, at, revision, raw)
    SELECT coalesce(max(number), 0) + 1, 0, {0}, {0} FROM config_revisions
"""


def put_config(url: str, raw: bytes | None) -> None:
    """Make `raw` the newest revision, or with None take all of them away."""
    at = parse_url(url)
    if at.path is not None:
        connection = sqlite3.connect(at.path, timeout=10)
        with connection:
            if raw is None:
                connection.execute("DELETE FROM config_revisions")
            else:
                connection.execute(_ADD.format("?"), (revision_of(raw), raw))
        connection.close()
        return
    with psycopg.connect(at.text.replace("+psycopg", "")) as server:
        if raw is None:
            server.execute("DELETE FROM config_revisions")
        else:
            server.execute(_ADD.format("%s").encode(), (revision_of(raw), raw))
        server.execute("NOTIFY changeover_config")

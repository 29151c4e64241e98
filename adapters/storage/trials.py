"""Trials in the database, and what the ledger's rows of each arm add up to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from adapters.storage.codec import micros_of, time_of, time_or_none
from adapters.storage.connection import Connection, Row
from adapters.storage.database import Database
from bot.access import Actor
from bot.ports.trials import (
    Affected,
    ArmFigures,
    ClumpSums,
    Trial,
    TrialEnd,
    TrialSlot,
    TrialStep,
)

_RUNNING = "document = ? AND ended IS NULL"

# A line a request: whether its arm's own model answered or failed, and what that took.
_OWN = "model = CASE WHEN candidate THEN ? ELSE ? END"
_GOOD = f"{_OWN} AND reason IS NULL AND status <> 499"
_REQUESTS = f"""WITH requests AS (
    SELECT request_id, candidate, min(conversation) AS conversation, min(at) AS at,
        min(coalesce(caller, '')) AS caller,
        max(CASE WHEN {_GOOD} THEN 1 ELSE 0 END) AS good,
        max(CASE WHEN {_OWN} AND reason IS NOT NULL THEN 1 ELSE 0 END) AS bad,
        max(CASE WHEN fallback THEN 1 ELSE 0 END) AS fell,
        sum(CASE WHEN {_OWN} THEN cost_nano_usd END) AS cost,
        min(CASE WHEN {_GOOD} THEN coalesce(first_token_ms, latency_ms) END) AS ms
    FROM attempts WHERE trial = ? GROUP BY request_id, candidate
), asked AS (
    SELECT *, CASE WHEN good = 1 OR bad = 1 THEN 1 ELSE 0 END AS asked,
        CASE WHEN good = 0 AND bad = 1 THEN 1 ELSE 0 END AS failed
    FROM requests
) """
_OWNS = 4
"""How often `_OWN` stands in it."""

_SLOTS = """SELECT (at - ?) / ? AS slot, candidate, count(*) AS requests, sum(asked) AS asked,
    sum(failed) AS errors, sum(fell) AS fallbacks,
    sum(CASE WHEN good = 1 AND cost IS NOT NULL THEN 1 ELSE 0 END) AS costed,
    sum(CASE WHEN good = 1 THEN coalesce(cost, 0) ELSE 0 END) AS cost,
    sum(CASE WHEN good = 1 THEN CAST(coalesce(cost, 0) AS FLOAT) * cost ELSE 0 END) AS squares
    FROM asked GROUP BY 1, 2"""
_TIMES = """SELECT (at - ?) / ? AS slot, candidate, CAST(CASE
    WHEN ms < 1000 THEN round(ms) WHEN ms < 10000 THEN round(ms / 10) * 10
    WHEN ms < 100000 THEN round(ms / 100) * 100 ELSE round(ms / 1000) * 1000
    END AS INTEGER) AS time_ms, count(*) AS counted
    FROM asked WHERE ms IS NOT NULL GROUP BY 1, 2, 3"""
_AFFECTED = """SELECT caller, count(*) AS requests, sum(failed) AS errors FROM asked
    WHERE candidate GROUP BY caller ORDER BY 2 DESC, 1"""
_CLUMPS = """, talks AS (
    SELECT candidate, sum(asked) AS asked, sum(failed) AS failed,
        sum(CASE WHEN ms IS NULL THEN 0 ELSE 1 END) AS timed,
        sum(CASE WHEN ms > ? THEN 1 ELSE 0 END) AS slow
    FROM asked GROUP BY candidate, conversation
) SELECT candidate,
    sum(asked) AS a_counted, sum(failed) AS a_bad, sum(asked * asked) AS a_squares,
    sum(failed * failed) AS a_bad_squares, sum(asked * failed) AS a_products,
    sum(timed) AS b_counted, sum(slow) AS b_bad, sum(timed * timed) AS b_squares,
    sum(slow * slow) AS b_bad_squares, sum(timed * slow) AS b_products
    FROM talks GROUP BY candidate"""


class DatabaseTrials:
    """The Trials port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def running(self, document: str) -> Trial | None:
        """Return the trial under way."""
        return await self._one(f"SELECT * FROM trials WHERE {_RUNNING}", document)

    async def latest(self, document: str) -> Trial | None:
        """Return the trial that began last."""
        return await self._one(
            "SELECT * FROM trials WHERE document = ? ORDER BY id DESC LIMIT 1", document
        )

    async def start(self, trial: Trial, actor: Actor) -> Trial | None:
        """Begin a trial and return it with its id; None when another is under way."""
        row = await self._database.write(lambda c: _start(c, trial, actor))
        return None if row is None else _trial(row)

    async def set_share(self, trial: Trial, share: int, actor: Actor, at: datetime) -> bool:
        """Change the share; False when the trial is over."""

        def work(connection: Connection) -> bool:
            changed = connection.update(
                "trials", {"share": share}, "id = ? AND ended IS NULL", trial.id
            )
            if changed:
                _note(connection, trial, actor, at, "share", share)
            return changed == 1

        return await self._database.change(work)

    async def finish(
        self, trial: Trial, end: TrialEnd, actor: Actor, at: datetime, detail: str = ""
    ) -> bool:
        """End a trial; False when somebody was first."""
        over = {
            "ended": end.value,
            "ended_at": at,
            "ended_by": actor.name,
            "detail": detail,
            "told": False,
        }

        def work(connection: Connection) -> bool:
            changed = connection.update("trials", over, "id = ? AND ended IS NULL", trial.id)
            if changed:
                _note(connection, trial, actor, at, end.value, trial.share, detail)
            return changed == 1

        return await self._database.change(work)

    async def untold(self, document: str) -> Sequence[Trial]:
        """Return the trials that are over and whose card does not say so yet."""
        rows = await self._database.read(
            lambda c: c.rows(
                "SELECT * FROM trials WHERE document = ? AND NOT told ORDER BY id", document
            )
        )
        return [_trial(row) for row in rows]

    async def set_told(self, trial: Trial) -> None:
        """Note that the card says how the trial ended."""
        await self._database.change(
            lambda c: c.update("trials", {"told": True}, "id = ?", trial.id)
        )

    async def steps(self, document: str, limit: int) -> Sequence[TrialStep]:
        """Return the history of trials, newest first."""
        rows = await self._database.read(
            lambda c: c.rows(
                "SELECT * FROM trial_steps WHERE document = ? ORDER BY id DESC LIMIT ?",
                document,
                limit,
            )
        )
        return [_step(row) for row in rows]

    async def slots(self, trial: Trial, slot_s: int) -> Sequence[TrialSlot]:
        """Add up both arms by stretches of `slot_s` seconds from the trial's start, in order."""
        since = (micros_of(trial.started_at), slot_s * 1_000_000)

        def work(connection: Connection) -> tuple[list[Row], list[Row]]:
            known = (*_own(trial), *since)
            return connection.rows(_REQUESTS + _SLOTS, *known), connection.rows(
                _REQUESTS + _TIMES, *known
            )

        sums, times = await self._database.read(work)
        timed: dict[tuple[int, bool], dict[int, int]] = {}
        for row in times:
            arm = timed.setdefault((row["slot"], bool(row["candidate"])), {})
            arm[int(row["time_ms"])] = row["counted"]
        arms = {(row["slot"], bool(row["candidate"])): _figures(row, timed) for row in sums}
        nothing = ArmFigures()
        return [
            TrialSlot(slot, arms.get((slot, True), nothing), arms.get((slot, False), nothing))
            for slot in sorted({slot for slot, _ in arms})
        ]

    async def clumps(
        self, trial: Trial, limit_ms: float
    ) -> tuple[tuple[ClumpSums, ClumpSums], tuple[ClumpSums, ClumpSums]]:
        """Add up conversations: the candidate's and the primary's, each errors and slowness."""
        rows = await self._database.read(
            lambda c: c.rows(_REQUESTS + _CLUMPS, *_own(trial), limit_ms)
        )
        found = {bool(row["candidate"]): (_clump(row, "a"), _clump(row, "b")) for row in rows}
        none = (ClumpSums(), ClumpSums())
        return found.get(True, none), found.get(False, none)

    async def affected(self, trial: Trial) -> Sequence[Affected]:
        """Return whose requests went to the candidate, the most first."""
        rows = await self._database.read(lambda c: c.rows(_REQUESTS + _AFFECTED, *_own(trial)))
        return [Affected(row["caller"], row["requests"], int(row["errors"])) for row in rows]

    async def _one(self, sql: str, document: str) -> Trial | None:
        row = await self._database.read(lambda c: c.row(sql, document))
        return None if row is None else _trial(row)


def _start(connection: Connection, trial: Trial, actor: Actor) -> Row | None:
    values = {
        "document": trial.document,
        "primary_model": trial.primary,
        "candidate": trial.candidate,
        "share": trial.share,
        "started_at": trial.started_at,
        "ends_at": trial.ends_at,
        "actor_name": actor.name,
        "reason": trial.reason,
        "ended_by": "",
        "detail": "",
        "told": True,
    }
    if not connection.insert("trials", values, "ON CONFLICT DO NOTHING"):
        return None
    row = connection.row(f"SELECT * FROM trials WHERE {_RUNNING}", trial.document)
    if row is not None:
        _note(connection, _trial(row), actor, trial.started_at, "start", trial.share, trial.reason)
    return row


def _note(
    connection: Connection,
    trial: Trial,
    actor: Actor,
    at: datetime,
    action: str,
    share: int,
    reason: str = "",
) -> None:
    values = {
        "trial_id": trial.id,
        "document": trial.document,
        "at": at,
        "action": action,
        "share": share,
        "actor_key": actor.key,
        "actor_name": actor.name,
        "surface": actor.surface.value,
        "candidate": trial.candidate,
        "reason": reason,
    }
    connection.insert("trial_steps", values)


def _own(trial: Trial) -> tuple[Any, ...]:
    """Return what `_REQUESTS` takes."""
    return (*((trial.candidate, trial.primary) * _OWNS), trial.id)


def _figures(row: Row, timed: dict[tuple[int, bool], dict[int, int]]) -> ArmFigures:
    return ArmFigures(
        requests=row["requests"],
        asked=int(row["asked"]),
        errors=int(row["errors"]),
        fallbacks=int(row["fallbacks"]),
        costed=int(row["costed"]),
        cost_nano_usd=int(row["cost"]),
        cost_squares=float(row["squares"] or 0),
        times=timed.get((row["slot"], bool(row["candidate"])), {}),
    )


def _clump(row: Row, which: str) -> ClumpSums:
    names = ("counted", "bad", "squares", "bad_squares", "products")
    return ClumpSums(*(int(row[f"{which}_{name}"]) for name in names))


def _trial(row: Row) -> Trial:
    return Trial(
        document=row["document"],
        primary=row["primary_model"],
        candidate=row["candidate"],
        share=row["share"],
        started_at=time_of(row["started_at"]),
        ends_at=time_of(row["ends_at"]),
        actor_name=row["actor_name"],
        reason=row["reason"],
        id=row["id"],
        ended_at=time_or_none(row["ended_at"]),
        end=None if row["ended"] is None else TrialEnd(row["ended"]),
        ended_by=row["ended_by"],
        detail=row["detail"],
        told=bool(row["told"]),
    )


def _step(row: Row) -> TrialStep:
    return TrialStep(
        trial_id=row["trial_id"],
        at=time_of(row["at"]),
        action=row["action"],
        share=row["share"],
        actor_key=row["actor_key"],
        actor_name=row["actor_name"],
        surface=row["surface"],
        candidate=row["candidate"],
        reason=row["reason"],
    )

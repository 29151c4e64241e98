"""OpenClaw's sessions and cron jobs over its RPC: which keep their own model, and changing that.

`sessions.list` tells who chose a session's model since 2026.9 only; for older releases the state
folder does. `sessions.patch` needs the scope write since 2026.9 and admin before. It is asked with
the least first: since 2026.9 an admin's choice may become the config's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from adapters.openclaw.pinned import jobs_in, session_pin
from adapters.openclaw.rpc import ADMIN, READ, WRITE, Rpc, ScopeError, connected
from bot.errors import ChangeoverError
from bot.models import Secret
from bot.ports import Json
from bot.ports.reloads import Pin, PinChange, PinKind, PinOutcome, PinResult, Pins

_LOOK_S = 8.0
_CHANGE_S = 20.0
_MOST_PAGES = 50
_MOST_RUNS = 200
_MOST_ASKED = 20

_Key = tuple[PinKind, str]


async def look(url: str, token: Secret | None, on_disk: Sequence[Pin]) -> Pins:
    """Return what has a model of its own; what the disk says, and why, when OpenClaw is away."""
    try:
        async with connected(url, token, _LOOK_S) as rpc:
            pins, _ = await _present(rpc, on_disk)
            jobs = [pin for pin in pins if pin.kind is PinKind.JOB][:_MOST_ASKED]
            ran = {job.key: await _ran_in(rpc, job.key) for job in jobs}
    except ChangeoverError as error:
        return Pins(tuple(on_disk), error.info)
    return Pins(
        tuple(
            replace(p, sessions=ran[p.key]) if p.kind is PinKind.JOB and p.key in ran else p
            for p in pins
        )
    )


async def change(
    url: str, token: Secret | None, on_disk: Sequence[Pin], changes: Sequence[PinChange]
) -> list[PinResult]:
    """Change each that is still as it was; what cannot be changed says why."""
    try:
        async with connected(url, token, _CHANGE_S) as rpc:
            pins, there = await _present(rpc, on_disk)
    except ChangeoverError as error:
        return [PinResult(one, PinOutcome.FAILED, error.info) for one in changes]
    now = {(pin.kind, pin.key): pin.model for pin in pins}
    results = {one: _standing(one, now, there) for one in changes}
    for kind, scopes in ((PinKind.SESSION, (READ, WRITE)), (PinKind.JOB, (ADMIN,))):
        due = [one for one in changes if one.kind is kind and results[one] is None]
        if due:
            results |= await _change(url, token, due, scopes)
    return [results[one] or PinResult(one, PinOutcome.DONE) for one in changes]


def _standing(one: PinChange, now: dict[_Key, str], there: set[_Key]) -> PinResult | None:
    """Return what needs no asking; None where it is to be changed."""
    key = (one.kind, one.key)
    if key not in there:
        return PinResult(one, PinOutcome.GONE)
    if now.get(key) == one.after:
        return PinResult(one, PinOutcome.DONE)
    return None if now.get(key) == one.before else PinResult(one, PinOutcome.MOVED_ON)


async def _change(
    url: str, token: Secret | None, due: Sequence[PinChange], scopes: Sequence[str]
) -> dict[PinChange, PinResult | None]:
    results: dict[PinChange, PinResult | None] = {}
    refused: list[PinChange] = []
    try:
        async with connected(url, token, _CHANGE_S, scopes=scopes) as rpc:
            for one in due:
                try:
                    await _set(rpc, one)
                    results[one] = PinResult(one, PinOutcome.DONE)
                except ScopeError as error:
                    results[one] = PinResult(one, PinOutcome.FAILED, error.info)
                    refused.append(one)
                except ChangeoverError as error:
                    results[one] = PinResult(one, PinOutcome.FAILED, error.info)
    except ChangeoverError as error:
        results |= {
            one: PinResult(one, PinOutcome.FAILED, error.info) for one in due if one not in results
        }
    if refused and ADMIN not in scopes:
        results |= await _change(url, token, refused, (ADMIN,))
    return results


async def _set(rpc: Rpc, one: PinChange) -> None:
    """Set one model and see that it is set. Raises RpcError."""
    if one.kind is PinKind.JOB:
        payload: Json = {"kind": "agentTurn", "model": one.after}
        told = await rpc.call("cron.update", {"id": one.key, "patch": {"payload": payload}})
        held = told.get("payload")
        now = held.get("model") if isinstance(held, dict) else None
    else:
        told = await rpc.call("sessions.patch", {"key": one.key, "model": one.after})
        entry = told.get("entry")
        now = _override(entry) if isinstance(entry, dict) else None
    if now != one.after:
        raise ChangeoverError("OpenClaw accepted the change and did not make it.")


def _override(entry: dict[str, Json]) -> str | None:
    provider, model = entry.get("providerOverride"), entry.get("modelOverride")
    if not isinstance(model, str) or not model:
        return None
    return f"{provider}/{model}" if isinstance(provider, str) and provider else model


async def _present(rpc: Rpc, on_disk: Sequence[Pin]) -> tuple[list[Pin], set[_Key]]:
    """Return what has a model of its own, and all there is. Raises RpcError."""
    rows = await _all(rpc, "sessions.list", "sessions", {})
    jobs = await _all(rpc, "cron.list", "jobs", {"includeDisabled": True})
    sessions = {pin.key: pin for pin in on_disk if pin.kind is PinKind.SESSION}
    there = {(PinKind.SESSION, str(row.get("key"))) for row in rows}
    there |= {(PinKind.JOB, str(job.get("id"))) for job in jobs}
    for row in rows:
        key, provider, model = str(row.get("key")), row.get("modelProvider"), row.get("model")
        if row.get("modelOverrideSource") == "user" and key not in sessions and model:
            agent = key.split(":")[1] if key.startswith("agent:") else ""
            sessions[key] = session_pin(key, agent, f"{provider}/{model}", row)
    kept = [pin for pin in sessions.values() if (pin.kind, pin.key) in there]
    return [*jobs_in(jobs), *kept], there


async def _all(rpc: Rpc, method: str, name: str, params: dict[str, Json]) -> list[dict[str, Json]]:
    """Return the rows of all pages. Raises RpcError."""
    rows: list[dict[str, Json]] = []
    offset: Json = None
    for _ in range(_MOST_PAGES):
        told = await rpc.call(method, params if offset is None else {**params, "offset": offset})
        page = told.get(name)
        rows += [row for row in page if isinstance(row, dict)] if isinstance(page, list) else []
        offset = told.get("nextOffset")
        if told.get("hasMore") is not True or not isinstance(offset, int):
            break
    return rows


async def _ran_in(rpc: Rpc, job: str) -> tuple[str, ...]:
    """Return the sessions of a job's last runs; none of a release that does not say."""
    try:
        told = await rpc.call("cron.runs", {"id": job, "limit": _MOST_RUNS})
    except ChangeoverError:
        return ()
    runs = told.get("entries")
    found = (
        [run.get("sessionId") for run in runs if isinstance(run, dict)]
        if isinstance(runs, list)
        else []
    )
    return tuple(dict.fromkeys(name for name in found if isinstance(name, str)))

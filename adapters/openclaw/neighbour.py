"""Whether a Moltbot or OpenClaw runs on the config: asked by every status, so it loads little."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from adapters.openclaw.find import Attachable, Reachable, gather
from adapters.openclaw.pinned import pinned_in, signed_in
from bot.config.include import resolve_includes
from bot.errors import ChangeoverError
from bot.openclaw.place import Place, decide
from bot.ports import ConfigStore
from bot.ports.reloads import Neighbour, Pin, PinChange, PinOutcome, PinResult, Pins


async def place_of(settings: Attachable, store: ConfigStore) -> Place:
    """Return where it keeps things."""
    try:
        config = resolve_includes(await store.read())
    except ChangeoverError:
        config = {}
    return await asyncio.to_thread(lambda: decide(gather(settings, store.location, config)))


async def neighbour_of(settings: Attachable, store: ConfigStore) -> Neighbour:
    """Return whether one is attached, and to which providers it has signed in by itself."""
    place = await place_of(settings, store)
    state = Path(place.state) if place.state else None
    profiles = await asyncio.to_thread(signed_in, state) if state else frozenset()
    return Neighbour(place.attached, profiles)


async def pinned_of(settings: Reachable, store: ConfigStore) -> Pins:
    """Return the sessions and cron jobs that do not follow the config."""
    found = await _pinned_on_disk(settings, store)
    if settings.gateway_url:
        from adapters.openclaw.pins import look

        return await look(settings.gateway_url, settings.gateway_token, found)
    return Pins(tuple(found), _no_gateway().info if found else None)


async def repin(
    settings: Reachable, store: ConfigStore, changes: Sequence[PinChange]
) -> Sequence[PinResult]:
    """Have OpenClaw change them where they still stand as they were; never raises."""
    if not settings.gateway_url:
        return [PinResult(one, PinOutcome.FAILED, _no_gateway().info) for one in changes]
    from adapters.openclaw.pins import change

    found = await _pinned_on_disk(settings, store)
    return await change(settings.gateway_url, settings.gateway_token, found, changes)


async def _pinned_on_disk(settings: Reachable, store: ConfigStore) -> list[Pin]:
    state = (await place_of(settings, store)).state
    return await asyncio.to_thread(pinned_in, Path(state)) if state else []


def _no_gateway() -> ChangeoverError:
    return ChangeoverError("Without OPENCLAW_GATEWAY_URL OpenClaw cannot be asked to change them.")

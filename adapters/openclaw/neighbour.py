"""Whether a Moltbot or OpenClaw runs on the config: asked by every status, so it loads little."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from adapters.openclaw.find import Attachable, gather
from adapters.openclaw.pinned import pinned_in, signed_in
from bot.config.include import resolve_includes
from bot.errors import ChangeoverError
from bot.openclaw.place import Place, decide
from bot.ports import ConfigStore
from bot.ports.reloads import Neighbour, Pinned


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


async def pinned_of(settings: Attachable, store: ConfigStore) -> Sequence[Pinned]:
    """Return the sessions and cron jobs that do not follow the config."""
    state = (await place_of(settings, store)).state
    return await asyncio.to_thread(pinned_in, Path(state)) if state else ()

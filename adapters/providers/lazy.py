"""Model lists, without their HTTP library until one is really asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import import_module

from bot.models import Provider, Secret


class LazyModelLists:
    """The ModelLists port."""

    async def models(self, provider: Provider, base_url: str, key: Secret | None) -> Sequence[str]:
        """Return the ids a provider lists."""
        # In a thread: an import of half a second would hold up the probes beside it.
        module = await asyncio.to_thread(import_module, "adapters.providers.model_lists")
        found: Sequence[str] = await module.HttpxModelLists().models(provider, base_url, key)
        return found

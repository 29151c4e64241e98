"""Model lists, without their HTTP library until one is really asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import import_module

from bot.models import Provider, Secret
from bot.ports.lifecycles import ModelListing


class LazyModelLists:
    """The ModelLists port."""

    async def models(self, provider: Provider, base_url: str, key: Secret | None) -> Sequence[str]:
        """Return the ids a provider lists."""
        return (await self.listing(provider, base_url, key)).ids

    async def listing(self, provider: Provider, base_url: str, key: Secret | None) -> ModelListing:
        """Return a provider's list with its dates."""
        # In a thread: an import of half a second would hold up the probes beside it.
        module = await asyncio.to_thread(import_module, "adapters.providers.model_lists")
        found: ModelListing = await module.HttpxModelLists().listing(provider, base_url, key)
        return found

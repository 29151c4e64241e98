"""Model lists, without their HTTP library until one is really asked for."""

from __future__ import annotations

from collections.abc import Sequence

from bot.models import Provider, Secret


class LazyModelLists:
    """The ModelLists port."""

    async def models(self, provider: Provider, base_url: str, key: Secret | None) -> Sequence[str]:
        """Return the ids a provider lists."""
        from adapters.providers.model_lists import HttpxModelLists

        return await HttpxModelLists().models(provider, base_url, key)

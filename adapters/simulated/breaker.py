"""Which simulated providers are down, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.errors import UsageError
from bot.models import FailureReason

RETRY_AFTER_S = 30


@dataclass(frozen=True, slots=True)
class Break:
    """How a provider is broken; `retry_after_s` is what a rate limit tells the caller."""

    reason: FailureReason
    retry_after_s: int = RETRY_AFTER_S


class Breaker:
    """Breaks providers and heals them again, by name."""

    def __init__(self, providers: Iterable[str]) -> None:
        self._providers = tuple(providers)
        self._broken: dict[str, Break] = {}

    def break_provider(
        self, provider: str, reason: str, *, retry_after_s: int = RETRY_AFTER_S
    ) -> Break:
        """Let every request to a provider fail from now on, each in that provider's own way.

        Raises:
            UsageError: there is no such provider or reason.
        """
        name = self._known(provider)
        try:
            broken = Break(FailureReason(reason), retry_after_s)
        except ValueError:
            reasons = ", ".join(FailureReason)
            raise UsageError(
                f"{reason!r} is not a failure reason.", f"Use one of {reasons}."
            ) from None
        self._broken[name] = broken
        return broken

    def heal(self, provider: str) -> bool:
        """Let a provider answer again; False when it was not broken.

        Raises:
            UsageError: there is no such provider.
        """
        return self._broken.pop(self._known(provider), None) is not None

    def state(self, provider: str) -> Break | None:
        """Return how a provider is broken, if it is."""
        return self._broken.get(provider)

    @property
    def broken(self) -> Mapping[str, Break]:
        """Everything that is broken at the moment."""
        return dict(self._broken)

    def _known(self, provider: str) -> str:
        name = provider.strip().lower()
        if name not in self._providers:
            raise UsageError(
                f"{provider!r} is not a simulated provider.",
                f"Use one of {', '.join(self._providers)}.",
            )
        return name

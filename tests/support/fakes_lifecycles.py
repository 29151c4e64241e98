"""Lifecycles in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.models import ModelRef
from bot.ports.lifecycles import Lifecycle


class FakeLifecycles:
    """Keeps rows as the database would."""

    def __init__(self) -> None:
        self.kept: dict[ModelRef, Lifecycle] = {}
        self.looks: dict[str, datetime] = {}
        self.sizes: dict[str, int] = {}

    async def rows(self) -> Sequence[Lifecycle]:
        return sorted(self.kept.values(), key=lambda one: str(one.ref))

    async def claim(self, provider: str, at: datetime, last_before: datetime) -> bool:
        last = self.looks.get(provider)
        if last is not None and last_before < last <= at:
            return False
        self.looks[provider] = at
        return True

    async def size(self, provider: str) -> int:
        return self.sizes.get(provider, 0)

    async def keep(self, provider: str, size: int, found: Sequence[Lifecycle]) -> None:
        if size:
            self.sizes[provider] = size
        for one in found:
            before = self.kept.get(one.ref)
            self.kept[one.ref] = replace(one, remind_at=before.remind_at if before else None)

    async def remind(self, ref: ModelRef, now: datetime, at: datetime | None) -> None:
        row = self.kept.get(ref) or Lifecycle(ref, now)
        self.kept[ref] = replace(row, remind_at=at)

"""Decides what is to be said of each incident, and keeps it before a word is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.alerts.counting import in_place, in_step
from bot.alerts.grouping import Answers
from bot.alerts.impact import Impacts
from bot.alerts.outage_cost import with_costs
from bot.alerts.policy import AlertSettings, EvaluationContext, decide
from bot.alerts.status_pages import StatusPages
from bot.alerts.transitions import SPEAKING, carry_out, wants
from bot.incident import Incident, State
from bot.outage import AlertReason
from bot.ports.alerts import AlertStore, DesiredMessage


class Evaluation:
    """Every incident that is open, or whose end is not on the surfaces yet."""

    def __init__(
        self,
        store: AlertStore,
        answers: Answers,
        impacts: Impacts,
        settings: AlertSettings,
        surfaces: Sequence[str],
        pages: StatusPages,
    ) -> None:
        self._store = store
        self._answers = answers
        self._impacts = impacts
        self._settings = settings
        self._surfaces = surfaces
        self._pages = pages

    async def run(self, now: datetime, muted_until: datetime | None) -> None:
        """Evaluate them all against one view of the config, in one transaction."""
        window = now - self._settings.unstable_within
        kept = await self._store.incidents(window)
        known = [in_step(incident, now) for incident in kept]
        open_ones = [incident for incident in known if incident.state is not State.RESOLVED]
        unsaid = [i for i in known if i.state is State.RESOLVED and i.changed != i.told]
        if not open_ones and not unsaid:
            return
        scene = await self._context(open_ones, muted_until)
        before = {incident.id: incident for incident in kept}
        changed: list[Incident] = []
        asked: list[DesiredMessage] = []
        for incident in [*open_ones, *unsaid]:
            opens = sum(_alike(incident, o) and _opened_since(o, window) for o in known)
            after, messages = await self._step(incident, now, replace(scene, opens=opens))
            if after != before[incident.id]:
                changed.append(after)
            asked += messages
        if changed:
            await self._store.commit((), changed, asked, now)

    async def _context(
        self, open_ones: Sequence[Incident], muted_until: datetime | None
    ) -> EvaluationContext:
        chains = await self._impacts.chains() if open_ones else None
        return EvaluationContext(
            muted_until=muted_until,
            exhausted=frozenset(
                model
                for incident in open_ones
                if incident.reason is AlertReason.CHAIN_EXHAUSTED
                for model in (
                    incident.primary,
                    *incident.models,
                    *(hop.model for hop in incident.hops),
                )
            ),
            primaries=chains[0] if chains else None,
            in_use=chains[1] if chains else frozenset(),
        )

    async def _step(
        self, incident: Incident, now: datetime, scene: EvaluationContext
    ) -> tuple[Incident, list[DesiredMessage]]:
        """Settle what is known, decide (wait, mute, quiet hours), carry out, add the cost, ask."""
        incident = await self._answers.counted(incident, now)
        incident = in_place(incident, scene.primaries)
        if incident.state is not State.RESOLVED:
            incident = await self._pages.with_page(incident, now)
        decision = decide(incident, now, self._settings, scene)
        after = carry_out(incident, decision, now, scene, self._settings.quiet)
        if decision.step in SPEAKING:
            after = await with_costs(after, self._store, self._impacts, now)
        return after, wants(after, decision.step, self._surfaces)


def _alike(incident: Incident, other: Incident) -> bool:
    return incident.id != other.id and incident.group == other.group


def _opened_since(incident: Incident, since: datetime) -> bool:
    return incident.announced_at is not None and incident.announced_at > since

"""An incident in words: which card a message shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.alerts.impact import Impact
from bot.alerts.incident import Incident, State
from bot.alerts.mute import LOUD
from bot.alerts.outage_cost import saving_of
from bot.alerts.policy import AlertSettings
from bot.card import Card, Person
from bot.costs.pricing import usd
from bot.messages.alert_notes import FirstEvent, details_card
from bot.messages.alerts import (
    DownHopWords,
    IncidentWords,
    continued_card,
    ended_card,
    incident_card,
    over_card,
)
from bot.outage import down_time
from bot.ports.alerts import AlertReason
from bot.routing.redact import redact


def present_card(
    incident: Incident,
    outlook: Impact,
    calls: Sequence[Person],
    settings: AlertSettings,
    now: datetime,
) -> Card:
    """Return what the incident's newest message shows."""
    words = words_of(incident, outlook, calls, settings, now)
    return over_card(words) if incident.state is State.RESOLVED else incident_card(words)


def older_card(incident: Incident, settings: AlertSettings, now: datetime) -> Card:
    """Return what a message shows that a newer one has taken over from."""
    return continued_card(words_of(incident, Impact(), (), settings, now))


def first_events(incident: Incident) -> Card | None:
    """Return the details below the first message, if there are any."""
    if not incident.samples:
        return None
    events = [
        FirstEvent(
            one.at, one.request_id, one.to_model or None, one.reason, redact(one.detail).strip()
        )
        for one in incident.samples
    ]
    return details_card(incident.id, incident.primary, events)


def calling(incident: Incident, people: Sequence[Person], surface: str) -> list[Person]:
    """Return whom a message calls: the operators, or who acknowledged it once time has passed."""
    if incident.acknowledged_by is None:
        loud = incident.reason in LOUD
        return [one for one in people if one.surface == surface] if loud else []
    said, since = incident.last_repeat_at, incident.acknowledged_at
    again = said is not None and since is not None and said > since
    return _owner(incident, surface) if again else []


def called(incident: Incident, people: Sequence[Person], surface: str) -> list[Person]:
    """Return who was called or acknowledged it, and is told of its end."""
    pinged = [one for one in people if one.surface == surface] if incident.pinged else []
    owner = [one for one in _owner(incident, surface) if all(one.id != p.id for p in pinged)]
    return [*pinged, *owner]


def _owner(incident: Incident, surface: str) -> list[Person]:
    where, _, id_ = incident.acknowledged_key.partition(":")
    known = where == surface and incident.acknowledged_by is not None
    return [Person(surface, id_, incident.acknowledged_by or "", ping=True)] if known else []


def end_card(incident: Incident, people: Sequence[Person], now: datetime) -> Card:
    """Return what those are told who were called."""
    return ended_card(words_of(incident, Impact(), people, AlertSettings(), now))


def words_of(
    incident: Incident,
    outlook: Impact,
    calls: Sequence[Person],
    settings: AlertSettings,
    now: datetime,
) -> IncidentWords:
    """Put an incident and its outlook together."""
    who, since = incident.acknowledged_by, incident.acknowledged_at
    return IncidentWords(
        id=incident.id,
        primary=incident.primary,
        reason=incident.reason,
        since=incident.opened_at,
        now=now,
        rerouted=incident.rerouted,
        refused=incident.refused,
        cut=incident.cut,
        models=incident.models or (incident.primary,),
        hops=[DownHopWords(one.model, one.reason, one.detail) for one in incident.hops],
        down=down_time([incident], now),
        served=sorted(incident.served, key=lambda pair: (-pair[1], pair[0])),
        began_with=_began_with(incident),
        says=incident.says,
        good_since=incident.good_since if incident.good else None,
        calm=settings.unstable_within if incident.unstable else settings.recover_after,
        acknowledged=(who, since) if who and since else None,
        saving=saving_of(incident),
        lost_cache_usd=usd(incident.lost_cache_nano_usd),
        place=outlook.place,
        lost=outlook.lost,
        again_at=outlook.again_at,
        prices=outlook.prices,
        switch=outlook.switch,
        step=outlook.step,
        further=outlook.further,
        calls=tuple(calls),
        opens=incident.opens,
        reminder=incident.messages > 1,
        ended_at=incident.ended_at,
        end=incident.end,
    )


def _began_with(incident: Incident) -> AlertReason | None:
    """Return why the first model of a dead chain failed, or what an outage began with."""
    if incident.reason is not AlertReason.CHAIN_EXHAUSTED:
        first = incident.first_reason
        return first if first is not incident.reason else None
    return AlertReason(incident.samples[0].reason) if incident.samples else None

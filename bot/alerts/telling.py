"""An incident in words: which card a message shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.alerts.incident import Incident, State
from bot.alerts.mute import LOUD
from bot.alerts.outage_cost import saving_of
from bot.alerts.outlook import Outlook
from bot.alerts.policy import AlertSettings
from bot.card import Card, Person
from bot.messages.alert_notes import FirstEvent, details_card
from bot.messages.alerts import IncidentWords, continued_card, incident_card, over_card
from bot.ports.alerts import AlertReason
from bot.routing.redact import redact


def present_card(
    incident: Incident,
    outlook: Outlook,
    calls: Sequence[Person],
    settings: AlertSettings,
    now: datetime,
) -> Card:
    """Return what the incident's newest message shows."""
    words = words_of(incident, outlook, calls, settings, now)
    return over_card(words) if incident.state is State.RESOLVED else incident_card(words)


def older_card(incident: Incident, settings: AlertSettings, now: datetime) -> Card:
    """Return what a message shows that a newer one has taken over from."""
    return continued_card(words_of(incident, Outlook(), (), settings, now))


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


def words_of(
    incident: Incident,
    outlook: Outlook,
    calls: Sequence[Person],
    settings: AlertSettings,
    now: datetime,
) -> IncidentWords:
    """Put an incident and its outlook together."""
    who, since = incident.acknowledged_by, incident.acknowledged_at
    called = incident.reason in LOUD and who is None
    return IncidentWords(
        id=incident.id,
        primary=incident.primary,
        reason=incident.reason,
        since=incident.opened_at,
        now=now,
        rerouted=incident.rerouted,
        refused=incident.refused,
        served=sorted(incident.served, key=lambda pair: (-pair[1], pair[0])),
        began_with=AlertReason(incident.samples[0].reason) if incident.samples else None,
        says=incident.says,
        good_since=incident.good_since if incident.good else None,
        calm=settings.unstable_within if incident.unstable else settings.recover_after,
        acknowledged=(who, since) if who and since else None,
        saving=saving_of(incident),
        place=outlook.place,
        lost=outlook.lost,
        again_at=outlook.again_at,
        prices=outlook.prices,
        switch=outlook.switch,
        step=outlook.step,
        further=outlook.further,
        calls=tuple(calls) if called else (),
        opens=incident.opens,
        reminder=incident.messages > 1,
        ended_at=incident.ended_at,
        end=incident.end,
    )

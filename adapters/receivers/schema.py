"""The JSON of events: what docs/webhooks.md describes, and all that leaves in a webhook.

A version adds fields and event types; one that took any away would be the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.ports.receivers import Event, EventType, ReceiverError

VERSION: Literal[1] = 1

Headline = str | list[str] | dict[str, Any] | None
"""A primary's model, a chain as a list, aliases as an object, or nothing."""


class Model(BaseModel):
    """A part of an event."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)


class Served(Model):
    """Requests that a model answered."""

    model: str
    requests: int


class Incident(Model):
    """An outage as it was at that moment; `key` is the same in all of its events."""

    id: int
    key: str
    state: Literal["pending", "open", "resolved"]
    severity: Literal["critical", "error", "warning"]
    primary: str
    models: list[str]
    reason: str
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    ended_at: datetime | None
    end: Literal["recovered", "blip", "moved_on", "silence"] | None
    requests: int
    rerouted: int
    refused: int
    cut: int
    served_by: list[Served]
    saved_usd: float | None


class IncidentData(Model):
    """Data of all `incident.` events."""

    incident: Incident


class Night(Model):
    """One outage that quiet hours kept back."""

    id: int
    primary: str
    reason: str
    opened_at: datetime
    ended_at: datetime | None
    requests: int


class NightData(Model):
    """What quiet hours kept back; `night` is the local day they began on."""

    night: date
    incidents: list[Night]


class Change(Model):
    """A change of the config; `actor_key` is empty or like slack:U012345."""

    id: int
    action: str
    actor: str
    actor_key: str
    surface: str
    reason: str | None
    old: Headline
    new: Headline
    paths: list[str]
    reverts: int | None
    revision_before: str
    revision: str


class ChangeData(Model):
    """Data of `config.changed`."""

    change: Change


class ApprovalData(Model):
    """A change waits for another operator, or was decided; `overridden`: made without one."""

    approval: int
    state: str
    old: Headline = None
    new: Headline = None
    overridden: bool = False


class RevertData(Model):
    """A timed switch has come to its end; not `changed` where somebody switched meanwhile."""

    changed: bool
    reverts: int
    old: Headline = None
    new: Headline = None


class PlanData(Model):
    """A plan's window has begun; not `changed` where `error` kept it from switching."""

    plan: int
    changed: bool
    old: Headline = None
    new: Headline = None
    change_id: int | None = None
    revert_at: datetime | None = None
    error: str | None = None


class Trial(Model):
    """A trial; `state` is running or how it ended."""

    id: int
    primary: str
    candidate: str
    share_percent: int
    started_at: datetime
    ends_at: datetime
    actor: str
    reason: str | None
    state: str
    ended_at: datetime | None
    ended_by: str | None
    detail: str | None


class Arm(Model):
    """The figures of one model in a trial."""

    requests: int
    errors: int
    error_rate: float | None
    first_token_p50_ms: float | None
    first_token_p95_ms: float | None
    cost_usd_per_request: float | None
    fallbacks: int


class Arms(Model):
    """Both models of a trial."""

    primary: Arm
    candidate: Arm


class TrialData(Model):
    """Data of `trial.updated` and `trial.stopped`."""

    trial: Trial
    arms: Arms


class Hop(Model):
    """A hop's verdict in a chain test, and in the one before."""

    model: str
    verdict: str
    before: str | None


class ChainTestData(Model):
    """A scheduled chain test with news in it; `gone` are hops of the test before."""

    chain_ok: bool
    would_serve: str | None
    hops: list[Hop]
    gone: list[str]


class BudgetData(Model):
    """A budget has reached `percent`."""

    amount_usd: float
    period: str
    spent_usd: float
    then: str | None
    percent: int
    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")


class BudgetSwitch(Model):
    """What became of the switch at 100 %."""

    changed: bool
    old: str | None = None
    new: str | None = None
    change_id: int | None = None
    revert_at: datetime | None = None
    error: str | None = None


class BudgetSwitchData(Model):
    """Data of `budget.switched`."""

    switch: BudgetSwitch


class PriceData(Model):
    """A published price has changed: what the last week cost, and would have cost."""

    model: str
    before_usd: float
    after_usd: float


class Spend(Model):
    """What a model cost."""

    key: str
    cost_usd: float | None
    requests: int
    input_tokens: int
    output_tokens: int


class Day(Model):
    """What a day cost."""

    day: date
    cost_usd: float | None


class DigestData(Model):
    """A week's spend; `groups` are by model."""

    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")
    total_usd: float | None
    requests: int
    fallback_requests: int
    previous_total_usd: float | None
    change_percent: float | None
    fallback_cost_usd: float | None
    fallback_saved_usd: float | None
    incidents: int
    degraded_minutes: float
    groups: list[Spend]
    days: list[Day]


class DeliveryData(Model):
    """Alerts do not reach a chat, or with `until`: they do again."""

    surface: str
    since: datetime
    until: datetime | None
    message: str | None = None


DATA: Mapping[EventType, type[Model]] = {
    **{kind: IncidentData for kind in EventType if kind.of_incident},
    EventType.NIGHT_SUMMARY: NightData,
    EventType.CONFIG_CHANGED: ChangeData,
    EventType.APPROVAL_UPDATED: ApprovalData,
    EventType.SWITCH_REVERTED: RevertData,
    EventType.PLAN_FIRED: PlanData,
    EventType.TRIAL_UPDATED: TrialData,
    EventType.TRIAL_STOPPED: TrialData,
    EventType.CHAIN_TESTED: ChainTestData,
    EventType.BUDGET_REACHED: BudgetData,
    EventType.BUDGET_SWITCHED: BudgetSwitchData,
    EventType.PRICE_CHANGED: PriceData,
    EventType.DIGEST_READY: DigestData,
    EventType.DELIVERY_FAILED: DeliveryData,
}


class Envelope(BaseModel):
    """Every event: `id` and `timestamp` are the same however often it is sent."""

    version: Literal[1] = VERSION
    id: str
    type: EventType
    timestamp: datetime
    title: str
    data: Model


def written(event: Event) -> str:
    """Return an event's JSON. Raises ReceiverError where it does not fit the schema."""
    try:
        data = DATA[event.type].model_validate(event.data)
        envelope = Envelope(
            id=event.id, type=event.type, timestamp=event.at, title=event.title, data=data
        )
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise ReceiverError(
            f"{event.type} could not be written: {where} does not fit the schema.", rejected=True
        ) from None
    return envelope.model_dump_json(by_alias=True, serialize_as_any=True)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of every event, by its type."""
    definitions: dict[str, Any] = {}
    events = []
    for kind in EventType:
        schema = DATA[kind].model_json_schema(
            by_alias=True, mode="serialization", ref_template="#/$defs/{model}"
        )
        definitions |= schema.pop("$defs", {})
        definitions[DATA[kind].__name__] = schema
        data = {"$ref": f"#/$defs/{DATA[kind].__name__}"}
        events.append({"properties": {"type": {"const": str(kind)}, "data": data}})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Events of Changeover's webhook",
        "type": "object",
        "required": ["version", "id", "type", "timestamp", "title", "data"],
        "properties": {
            "version": {"const": VERSION},
            "id": {"type": "string"},
            "type": {"enum": [str(kind) for kind in EventType]},
            "timestamp": {"type": "string", "format": "date-time"},
            "title": {"type": "string"},
        },
        "oneOf": events,
        "$defs": dict(sorted(definitions.items())),
    }

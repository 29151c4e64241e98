"""What a daily look at a provider's list says of a model's end, and who has to hear of it when."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date, datetime, timedelta

from bot.models import ModelFacts, ModelRef
from bot.ports.lifecycles import Lifecycle, ListedModel, ModelListing
from bot.routing.near import listed

LEAST_PART = 2
"""A list of less than half of the last one's length (1 / LEAST_PART) is not believed."""

STAGES = (0, 1, 7, 30, 60)
"""Days before a model's end at which its users hear of it."""

_OLD_NEWS = timedelta(days=7)
_URGENT_DAYS = 7


def believable(listing: ModelListing, last_size: int) -> bool:
    """Return whether a list is whole enough for a model's absence to mean something."""
    return listing.complete and len(listing.models) * LEAST_PART >= last_size


def observed(
    ref: ModelRef,
    row: Lifecycle | None,
    listing: ModelListing,
    now: datetime,
    *,
    whole: bool,
    own: bool,
) -> Lifecycle | None:
    """Return what is known of a model after a look at a list; None when still nothing is.

    `whole` is a believable list, `own` the provider's and not a proxy's: a proxy's says only what
    dates it passes on.
    """
    entry = _entry(ref, listing)
    if entry is None:
        if row is None or row.listed_at is None or not (whole and own):
            return row
        since = row.absent_since or now
        return replace(row, looked_at=now, absent=row.absent + 1, absent_since=since)
    dated = entry.dated if own else entry.retires_on is not None
    if row is None and not (own or dated):
        return None
    row = row or Lifecycle(ref, now)
    if own:
        row = replace(row, listed_at=now, absent=0, absent_since=None)
    return _dated(replace(row, looked_at=now), entry) if dated else row


def _dated(row: Lifecycle, entry: ListedModel) -> Lifecycle:
    """Take a list's date, and remember the one that it no longer gives."""
    withdrawn = row.withdrawn_on
    if entry.retires_on is not None:
        withdrawn = None
    elif row.retires_on is not None:
        withdrawn = row.retires_on
    return replace(row, dated=True, retires_on=entry.retires_on, withdrawn_on=withdrawn)


def _entry(ref: ModelRef, listing: ModelListing) -> ListedModel | None:
    """Find a model's row: its own, else that of a dated id that it stands for."""
    exact = next((one for one in listing.models if one.id == ref.name), None)
    return exact or next((one for one in listing.models if listed(ref.name, (one.id,))), None)


def stage_of(facts: ModelFacts, today: date, *, snoozed: bool) -> str:
    """Return which notice a model has come to; empty when there is none.

    `snoozed` holds back all but the last week's. What ended longer ago is old news.
    """
    gone, ends = facts.refused_on or facts.retired_on, facts.retires_on
    if facts.refused_on is not None and today - facts.refused_on <= _OLD_NEWS:
        return "gone"
    if gone is not None and today - gone > _OLD_NEWS:
        return ""
    if ends is None:
        if facts.withdrawn_on is not None:
            return "withdrawn"
        return "delisted" if facts.delisted_on is not None else ""
    left = (ends - today).days
    if left < -_OLD_NEWS.days or left > STAGES[-1] or (snoozed and left > _URGENT_DAYS):
        return ""
    return str(next(stage for stage in STAGES if left <= stage))


def notice_key(facts: ModelFacts, stage: str, remind_at: datetime | None) -> str:
    """Return a notice's key: a model, the date that it is about, and the stage."""
    about = facts.retires_on or facts.withdrawn_on or facts.delisted_on or facts.refused_on
    again = f":again-{remind_at:%Y%m%d%H%M}" if remind_at else ""
    name = hashlib.sha256(str(facts.ref).encode()).hexdigest()[:16]
    return f"retires:{name}:{about}:{stage}{again}"

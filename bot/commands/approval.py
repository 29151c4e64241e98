"""Approval: which changes wait for a second operator, and how one is asked for.

A change that a rule of CHANGEOVER_APPROVAL names is kept as a row with what was typed and what it
would do; `bot.commands.pending` decides it. Undo, timed reverts, approved plans and budgets do not
wait, nor does the server's owner, who could edit the config or the rules as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bot.access import Permission
from bot.commands.context import Context
from bot.commands.snapshot import price_of
from bot.config.commit import Plan, edited_by
from bot.config.diff import unified_diff
from bot.config.naming import written
from bot.config.present import Present, present_of
from bot.config.schema import ConfigView
from bot.costs.pricing import needs_confirmation
from bot.dialects.locality import is_private
from bot.errors import MovedOnError
from bot.messages.approvals import waiting_card
from bot.models import ModelRef, Price
from bot.ports import Json
from bot.ports.approvals import Approval, ApprovalState
from bot.routing.chain import provider_of
from bot.spans import Command, text

if TYPE_CHECKING:
    from bot.card import Card

OPEN_FOR = timedelta(minutes=30)
MOST_OPEN = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants that has to be approved.

    `rules` are why, `what` names the thing (`Primary`, `Plan`). `facts` are what must be the same
    at the approval, besides the values and their prices.
    """

    rules: tuple[str, ...]
    what: str
    old: Json
    new: Json
    old_price: Price | None = None
    new_price: Price | None = None
    reason: str = ""
    diff: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


async def hold(ctx: Context, asked: Asked) -> Card | None:
    """Keep a request and return the answer to who asked; None when it may go on.

    Raises:
        MovedOnError: what was approved is not what would be done now.
        StorageError: it cannot be kept, so nothing is done.
    """
    if ctx.approved is not None:
        check_same(ctx.approved, asked)
        return None
    if not asked.rules or ctx.actor.owner:
        return None
    store, location = ctx.ports.approvals, ctx.ports.store.location
    wish = Approval(
        document=location,
        words=ctx.action.words,
        by=ctx.actor,
        role=_role(ctx),
        at=ctx.now,
        expires_at=ctx.now + OPEN_FOR,
        reason=asked.reason,
        rules=asked.rules,
        facts=_facts(asked),
        shown=_shown(ctx, asked),
    )
    kept = await _same_request(ctx, wish) or await store.add(wish)
    return waiting_card(kept, ctx.now, _lonely(ctx), approval_data(kept) | {"changed": False})


def check_same(approved: Approval, asked: Asked) -> None:
    """Refuse to do what is not what was approved.

    Raises:
        MovedOnError: the config, a price or the change itself is not as it was shown.
    """
    facts = _facts(asked)
    if facts == approved.facts:
        return
    if facts["revision"] != approved.facts["revision"]:
        why = "The config changed after this was requested; nothing was changed."
    elif facts["prices"] != approved.facts["prices"]:
        why = "A price changed after this was requested; nothing was changed."
    else:
        why = "The request would do something else now; nothing was changed."
    raise MovedOnError(why, text("Request it again: ", Command(approved.words)))


def _facts(asked: Asked) -> dict[str, Any]:
    return {
        "revision": "",
        **asked.facts,
        "old": asked.old,
        "new": asked.new,
        "prices": [_price(asked.old_price), _price(asked.new_price)],
    }


def _price(price: Price | None) -> list[str] | None:
    return [str(price.input_usd_per_1m), str(price.output_usd_per_1m)] if price else None


def _shown(ctx: Context, asked: Asked) -> Json:
    return {
        "what": asked.what,
        "old": asked.old,
        "new": asked.new,
        "prices": [_price(asked.old_price), _price(asked.new_price)],
        "diff": asked.diff,
        "place": ctx.ports.store.location,
    }


def _role(ctx: Context) -> Permission:
    """Return what an approver must be allowed: as much as who asks, where admins are named."""
    access = ctx.settings.access
    admin = access.admins and access.allows(ctx.actor, Permission.ADMIN)
    return Permission.ADMIN if admin else Permission.CHANGE


def _lonely(ctx: Context) -> bool:
    """Return whether this actor is the only one who could approve the request."""
    access = ctx.settings.access
    rules = access.operators
    if access.admins and access.allows(ctx.actor, Permission.ADMIN):
        rules = access.admins
    return rules == {ctx.actor.key}


async def _same_request(ctx: Context, wish: Approval) -> Approval | None:
    """Return the same request if it waits already: typed twice, or the button clicked twice."""
    for one in await ctx.ports.approvals.recent(wish.document, MOST_OPEN):
        alike = (one.by.key, one.words, one.facts) == (wish.by.key, wish.words, wish.facts)
        if alike and one.state is ApprovalState.WAITING and ctx.now < one.expires_at:
            return one
    return None


def rules_of(ctx: Context, present: Present, planned: Plan) -> tuple[str, ...]:
    """Return the rules that a change of the config falls under, whoever makes it."""
    edited = edited_by(planned, present.document)
    after = present_of(edited.document, ctx.ports.store.location).view
    return _rules(ctx, present.view, after)


def config_request(
    ctx: Context, present: Present, planned: Plan, what: str, facts: dict[str, Any]
) -> Asked:
    """Return a change of the config as a request, with the rules that it falls under."""
    document = present.document
    edited = edited_by(planned, document)
    after = present_of(edited.document, ctx.ports.store.location).view
    before, raw = present.view, document.bytes_of(edited.file)
    old, new = _primaries(before, after) or (None, None)
    changes = edited.raw != raw or bool(planned.pins)
    return Asked(
        rules=_rules(ctx, before, after) if changes else (),
        what=what,
        old=planned.old,
        new=planned.new,
        old_price=price_of(ctx, old, before) if old else None,
        new_price=price_of(ctx, new, before) if new else None,
        diff=unified_diff(raw, edited.raw, edited.file or "config"),
        facts={
            "config": True,
            "revision": document.fingerprint,
            "pins": sorted(f"{pin.kind}:{pin.key}" for pin in planned.pins),
            **facts,
        },
    )


def _primaries(before: ConfigView, after: ConfigView) -> tuple[ModelRef | None, ModelRef] | None:
    """Return the first primary that changes, the defaults' before an agent's."""
    return next(_moves(before, after), None)


def _moves(before: ConfigView, after: ConfigView) -> Iterator[tuple[ModelRef | None, ModelRef]]:
    for agent in (None, *after.agents):
        old, new = _chain(before, agent)[0], _chain(after, agent)[0]
        if new is not None and old != new:
            yield old, new


def _chain(view: ConfigView, agent: str | None) -> list[ModelRef | None]:
    """Return what an agent asks, the primary first; one that the file has not inherits."""
    own = view.agents.get(agent) if agent is not None else None
    primary = own.primary if own and own.primary else view.default.primary
    fallbacks = own.fallbacks if own and own.fallbacks is not None else view.default.fallbacks
    return [written(word, view) for word in (primary, *(fallbacks or ()))]


def _rules(ctx: Context, before: ConfigView, after: ConfigView) -> tuple[str, ...]:
    rules, found = ctx.settings.approval, []
    if rules.dearer is not None and any(
        needs_confirmation(
            price_of(ctx, old, before) if old else None, price_of(ctx, new, after), rules.dearer
        )
        for old, new in _moves(before, after)
    ):
        found.append(f"dearer:{rules.dearer}")
    if rules.cloud and any(
        _more_cloud(ctx, before, after, agent) for agent in (None, *after.agents)
    ):
        found.append("cloud")
    found += [
        f"agent:{agent}"
        for agent in sorted(rules.agents)
        if _chain(before, agent) != _chain(after, agent)
    ]
    return (*found, "all") if rules.all else tuple(found)


def _more_cloud(ctx: Context, before: ConfigView, after: ConfigView, agent: str | None) -> bool:
    """Return whether a vendor's model becomes the primary, or joins the chain."""
    old, new = _chain(before, agent), _chain(after, agent)
    joins = [ref for ref in new if ref is not None and ref not in old]
    if new[0] is not None and new[0] != old[0]:
        joins.append(new[0])
    return any(
        not is_private(ref, provider_of(ref, after, ctx.catalog, ctx.settings.env)) for ref in joins
    )


def approval_data(one: Approval) -> dict[str, Any]:
    """Return what `--json` has of a request."""
    prices = [_price_data(price) for price in one.shown["prices"]]
    return {
        "approval": one.id,
        "state": one.state,
        "requested_by": one.by.name,
        "requested_key": one.by.key,
        "requested_at": one.at,
        "expires_at": one.expires_at,
        "command": one.words,
        "what": one.shown["what"],
        "old": one.shown["old"],
        "new": one.shown["new"],
        "old_price": prices[0],
        "new_price": prices[1],
        "diff": one.shown["diff"],
        "reason": one.reason or None,
        "rules": list(one.rules),
        "decided_by": one.decided_by,
        "decided_at": one.decided_at,
        "overridden": one.overridden,
        "note": one.note or None,
        "change_id": one.change_id,
    }


def _price_data(price: list[str] | None) -> dict[str, Decimal] | None:
    if price is None:
        return None
    return {"input_usd_per_1m": Decimal(price[0]), "output_usd_per_1m": Decimal(price[1])}

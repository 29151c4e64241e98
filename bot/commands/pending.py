"""/model pending, approve, reject, override: changes that wait, and what becomes of them.

A decision is noted first, by one process of all, then the change is made, then what came of it is
noted. A process that died in between is followed by `run_due_approvals`, which looks into history
whether the change was made, and makes it if there is time left.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from bot.access import SERVICE
from bot.alerts.notices import approval_notice
from bot.card import Action, Card
from bot.commands.approval import approval_data
from bot.commands.context import Context
from bot.commands.grammar import parse
from bot.commands.registry import Args
from bot.commands.snapshot import HISTORY
from bot.errors import (
    ChangeoverError,
    ConfigLockedError,
    ConfigWriteError,
    MovedOnError,
    NothingToDoError,
    PermissionDeniedError,
    RefusedError,
    StorageError,
    UsageError,
)
from bot.messages.approvals import approved_note, decided_words, pending_card, rejected_card
from bot.ports.alerts import Outbox
from bot.ports.approvals import Approval, ApprovalState, Decision
from bot.spans import Command, text

SHOWN = 20
AT_WORK = timedelta(seconds=60)
"""How long a process is believed to be carrying out what was approved."""

SKEW = timedelta(minutes=5)
"""Clocks may differ so much; a request from further ahead was made by a wrong one."""

_log = logging.getLogger("changeover")


async def pending(ctx: Context, args: Args) -> Card:
    """List the changes that wait for approval."""
    found = await ctx.ports.approvals.unsettled(ctx.ports.store.location)
    waiting = [one for one in found if one.open and not _over(ctx, one)]
    data = {"approvals": [approval_data(one) for one in waiting]}
    return pending_card(waiting, ctx.now, data)


async def approve(ctx: Context, args: Args) -> Card:
    """Approve somebody else's change, and make it."""
    one = await _waiting(ctx, args)
    if one.by.key == ctx.actor.key:
        raise PermissionDeniedError(
            f"Request {one.id} is your own: another operator has to approve it.",
            text("Withdraw it: ", Command(f"model reject {one.id}")),
        )
    if not ctx.settings.access.allows(ctx.actor, one.role):
        raise PermissionDeniedError(
            f"Request {one.id} was made by an admin: only another admin can approve it.",
            "Admins are in CHANGEOVER_ADMINS.",
        )
    return await _decided(ctx, one, Decision(ApprovalState.APPROVED, *_who(ctx)))


async def reject(ctx: Context, args: Args) -> Card:
    """Reject a change, or withdraw one's own."""
    one = await _waiting(ctx, args)
    note = args.text("reason") or ""
    await _decide(ctx, one, Decision(ApprovalState.REJECTED, *_who(ctx), note=note))
    rejected = await _again(ctx, one)
    return rejected_card(rejected, approval_data(rejected) | {"changed": False})


async def override(ctx: Context, args: Args) -> Card:
    """Make a waiting change without approval, while an incident is open."""
    one = await _waiting(ctx, args)
    reason = args.text("reason")
    if not reason:
        raise UsageError(
            "An override needs a reason.",
            text("Type ", Command(f"model override {one.id} reason TEXT", form=True)),
        )
    if not await ctx.ports.log.incidents(open_only=True, limit=1):
        raise RefusedError(
            "No incident is open, so this change has to be approved.",
            text("Another operator can: ", Command(f"model approve {one.id}")),
        )
    _log.warning("request %d overridden by %s: %s", one.id, ctx.actor.name, reason)
    overridden = Decision(ApprovalState.APPROVED, *_who(ctx), note=reason, overridden=True)
    return await _decided(ctx, one, overridden)


def _who(ctx: Context) -> tuple[str, str, datetime]:
    return ctx.actor.name, ctx.actor.key, ctx.now


async def _waiting(ctx: Context, args: Args) -> Approval:
    number = args.count("amount")
    assert number is not None
    one = await ctx.ports.approvals.get(ctx.ports.store.location, number)
    if one is None:
        raise NothingToDoError(f"There is no request {number}.", Command("model pending"))
    if one.state is ApprovalState.WAITING and not _over(ctx, one):
        return one
    raise _too_late(ctx, one)


def _too_late(ctx: Context, one: Approval) -> MovedOnError:
    again = text("Request it again: ", Command(one.words))
    if one.state in (ApprovalState.APPROVED, ApprovalState.DONE, ApprovalState.REJECTED):
        again = text(Command("model history"))
    return MovedOnError(decided_words(one), again)


def _over(ctx: Context, one: Approval) -> bool:
    """Return whether a request's time is up; one from the future was made by a wrong clock."""
    return not one.at - SKEW <= ctx.now < one.expires_at


async def _decide(ctx: Context, one: Approval, decision: Decision) -> None:
    if not await ctx.ports.approvals.decide(one.id, decision):
        raise _too_late(ctx, await _again(ctx, one))


async def _again(ctx: Context, one: Approval) -> Approval:
    return await ctx.ports.approvals.get(one.document, one.id) or one


async def _decided(ctx: Context, one: Approval, decision: Decision) -> Card:
    await _decide(ctx, one, decision)
    card = await _carry_out(ctx, await _again(ctx, one))
    return replace(card, body=(*card.body, approved_note(decision)))


async def _carry_out(ctx: Context, one: Approval) -> Card:
    """Do what was requested, as who requested it, and note what came of it.

    Raises:
        ChangeoverError: it could not be done; the request is void, or waits again.
    """
    approvals = ctx.ports.approvals
    try:
        call = parse(one.words, ctx.registry)
        ctx.settings.access.check(one.by, call.command.permission, call.command.typed)
        action = Action(one.words, confirmed=True)
        asked = replace(ctx, actor=one.by, action=action, approved=one)
        card = await call.command.handler(asked, call.args)
    except (ConfigLockedError, ConfigWriteError, StorageError):
        await approvals.finish(one.id, ApprovalState.WAITING)
        raise
    except ChangeoverError as error:
        if made := await _made(ctx, one):
            # Another process that took this one for dead was quicker.
            await approvals.finish(one.id, ApprovalState.DONE, change_id=made)
        else:
            await approvals.finish(one.id, ApprovalState.VOID, note=_kept(one, error.message))
        raise
    await approvals.finish(one.id, ApprovalState.DONE, change_id=card.data.get("change_id"))
    return card


def _kept(one: Approval, why: str) -> str:
    """Return a note that keeps why it was overridden."""
    return f"{one.note}. {why}" if one.note else why


async def _made(ctx: Context, one: Approval) -> int | None:
    """Return the change that a request became, if history has it."""
    since = one.decided_at or one.at
    if not one.facts.get("config"):
        return None
    for change in await ctx.ports.journal.changes(one.document, HISTORY):
        if change.at >= since and (change.actor_key, change.revision_before, change.new) == (
            one.by.key,
            one.facts["revision"],
            one.facts["new"],
        ):
            return change.id
    return None


async def run_due_approvals(ctx: Context, outbox: Outbox) -> None:
    """Expire requests, finish what a dead process began, and post each new state.

    Call it every few seconds, in as many processes as there are.

    Raises:
        StorageError: the database could not be asked; the next look does what is left.
    """
    location = ctx.ports.store.location
    for one in await ctx.ports.approvals.unsettled(location):
        if one.state is ApprovalState.WAITING and _over(ctx, one):
            late = Decision(ApprovalState.EXPIRED, SERVICE.name, SERVICE.key, ctx.now)
            await ctx.ports.approvals.decide(one.id, late)
        elif one.state is ApprovalState.APPROVED and _left(ctx, one):
            await _resume(ctx, one)
        now = await _again(ctx, one)
        if now.posted != now.state:
            await _post(ctx, outbox, now)


def _left(ctx: Context, one: Approval) -> bool:
    since = ctx.now - (one.decided_at or one.at)
    return since >= AT_WORK or since < -SKEW


async def _resume(ctx: Context, one: Approval) -> None:
    """Finish what was approved by a process that is gone."""
    if made := await _made(ctx, one):
        await ctx.ports.approvals.finish(one.id, ApprovalState.DONE, change_id=made)
    elif _over(ctx, one):
        why = _kept(one, "It was approved, but not made before it expired.")
        await ctx.ports.approvals.finish(one.id, ApprovalState.VOID, note=why)
    else:
        try:
            await _carry_out(ctx, one)
        except ChangeoverError as error:
            _log.warning("request %d: %s", one.id, error.message)


async def _post(ctx: Context, outbox: Outbox, one: Approval) -> None:
    data = {
        "id": one.id,
        "words": one.words,
        "by": one.by.name,
        "reason": one.reason,
        "rules": list(one.rules),
        "state": one.state,
        "expires_at": one.expires_at.isoformat(),
        "decided_by": one.decided_by,
        "decided_at": one.decided_at.isoformat() if one.decided_at else None,
        "overridden": one.overridden,
        "note": one.note,
        "change_id": one.change_id,
        **one.shown,
    }
    if one.overridden:
        # A message of its own, since an edit mentions no one.
        await outbox.put(approval_notice(one.document, data | {"loud": True}, ctx.now))
    notice = approval_notice(one.document, data, ctx.now)
    if not await outbox.put(notice):
        await outbox.amend(notice)
    await ctx.ports.approvals.set_posted(one.id, one.state)

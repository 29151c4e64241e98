"""/model trial: begin one, show it, change its share, promote the candidate, stop."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot.card import Card, Caution, Command, plain, text
from bot.commands.change import ChangeSpec, change
from bot.commands.context import Context
from bot.commands.data import warnings_data
from bot.commands.new_models import new_model_cautions
from bot.commands.registry import Args
from bot.commands.snapshot import StatusSnapshot, load_snapshot, price_of, surroundings
from bot.commands.trial_watch import words_of_trial
from bot.config.commit import Plan
from bot.config.naming import resolve, written
from bot.config.plan import choice_for, plan_primary
from bot.config.present import Present
from bot.durations import parse_deadline, say_duration, shorten
from bot.errors import NothingToDoError, RefusedError, StorageError, UsageError
from bot.messages.cautions import lives
from bot.messages.chain import REASONS, unasked_words
from bot.messages.trials import (
    TrialWords,
    no_trial_card,
    price_line,
    promoted_line,
    started_card,
    trial_card,
    trial_data,
)
from bot.models import ModelRef
from bot.openclaw.serve import is_served
from bot.ports.trials import ArmFigures, Trial, TrialEnd
from bot.routing.chain import Hop, lone_hop
from bot.trials.compare import compare
from bot.trials.split import GATEWAY

USUAL_LENGTH = timedelta(days=1)
LONGEST = timedelta(days=14)

_SHARE = re.compile(r"(\d{1,9})\s*%?")
_NOT_TO_TRY = ("retired", "misspelt", "unknown_model")
_USAGE = text("For example: ", Command("model trial cheap 10% for 2h"))


async def trial(ctx: Context, args: Args) -> Card:
    """Do what the words say; without any, show the trial under way or the last one."""
    word, second = (args.text("model") or "").lower(), args.text("share") or ""
    if not word and not second:
        return await _show(ctx)
    if word in ("promote", "stop"):
        present = await _running(ctx, second)
        return await (_promote if word == "promote" else _stop)(ctx, present)
    if not word or _SHARE.fullmatch(word):
        share = parse_share(word or second)
        present = await _running(ctx, second.strip("%") if word else "")
        return await _set_share(ctx, present, share)
    return await _start(ctx, args.need("model"), second, args)


def parse_share(words: str) -> int:
    """Read a share: `10%` or `10`.

    Raises:
        UsageError: it is no whole percentage from 1 to 99.
    """
    found = _SHARE.fullmatch(words.strip())
    share = int(found[1]) if found else 0
    if share == 100:
        raise UsageError(
            "100% is a switch, not a trial.",
            text("Switch with ", Command("model use MODEL", form=True)),
        )
    if not 1 <= share <= 99:
        raise UsageError(
            f"The share must be a whole percentage from 1% to 99%, not {shorten(words)!r}.", _USAGE
        )
    return share


async def _show(ctx: Context) -> Card:
    present = await ctx.ports.trials.latest(ctx.ports.store.location)
    if present is None:
        return no_trial_card()
    return trial_card(await words_of_trial(ctx, present))


async def _running(ctx: Context, number: str) -> Trial:
    """Return the trial under way; `number`, as buttons have it, is the one that is meant.

    Raises:
        NothingToDoError, RefusedError: there is none, or it is another.
    """
    present = await ctx.ports.trials.running(ctx.ports.store.location)
    if present is None:
        over = f"Trial {number} is over." if number else "No trial is running."
        raise NothingToDoError(over, text("Last one: ", Command("model trial")))
    if number and number != str(present.id):
        raise RefusedError(
            f"Trial {shorten(number)} is over; trial {present.id} is running now.",
            Command("model trial"),
        )
    return present


async def _start(ctx: Context, word: str, second: str, args: Args) -> Card:
    if not second:
        raise UsageError("A trial needs a share of conversations.", _USAGE)
    share = parse_share(second)
    ends_at = _ends_at(ctx, args.text("for"))
    snapshot = await load_snapshot(ctx)
    away = snapshot.known.error
    if away is not None:
        raise StorageError(f"A trial needs the database. {plain(away.said)}", away.step)
    hop, cautions = _candidate(ctx, snapshot, word, share)
    if ctx.approved is not None and (begun := await _begun(ctx, str(hop.ref), share)):
        # It was approved, and the process that began it died before it could say so.
        return await _show_begun(ctx, begun)
    await _only_one(ctx)
    _check_primary(snapshot, hop)
    _check_ready(hop, ctx.now)
    await _check_service(ctx, snapshot)
    assert snapshot.primary is not None
    wanted = Trial(
        document=ctx.ports.store.location,
        primary=str(snapshot.primary.ref),
        candidate=str(hop.ref),
        share=share,
        started_at=ctx.now,
        ends_at=ends_at,
        actor_name=ctx.actor.name,
        reason=args.text("reason") or "",
    )
    until = ends_at if (args.text("for") or "").lower().startswith("until") else None
    facts = {
        "revision": snapshot.present.document.fingerprint,
        "share": share,
        "until": until and until.isoformat(),
    }
    held = await _held(ctx, snapshot, wanted, hop.ref, facts)
    if held is not None:
        return held
    begun = await ctx.ports.trials.start(wanted, ctx.actor)
    if begun is None:
        await _only_one(ctx)
        raise RefusedError("Another trial began just now.", Command("model trial"))
    words = TrialWords(begun, compare(ArmFigures(), ArmFigures()))
    price = price_line(
        *(price_of(ctx, h.ref, snapshot.view) for h in (snapshot.primary, hop) if h.ref)
    )
    card = started_card(words, price, tuple(cautions), by=ctx.actor.name)
    return replace(card, data={**card.data, "warnings": warnings_data(cautions)})


async def _held(
    ctx: Context,
    snapshot: StatusSnapshot,
    wanted: Trial,
    candidate: ModelRef | None,
    facts: dict[str, Any],
) -> Card | None:
    """Return the answer to who begins or widens a trial that has to be approved."""
    rules = ctx.settings.approval
    if ctx.actor.owner or not (rules.trial or rules.all):
        return None
    from bot.commands.approval import Asked, hold

    primary = snapshot.primary
    asked = Asked(
        rules=("trial",) if rules.trial else ("all",),
        what="Trial",
        old=wanted.primary,
        new=f"{wanted.candidate} on {wanted.share}%",
        old_price=snapshot.price(primary) if primary else None,
        new_price=price_of(ctx, candidate, snapshot.view) if candidate else None,
        reason=wanted.reason,
        facts=facts,
    )
    return await hold(ctx, asked)


async def _begun(ctx: Context, candidate: str, share: int) -> Trial | None:
    """Return the trial that an approved request has begun already."""
    present = await ctx.ports.trials.running(ctx.ports.store.location)
    decided_at = ctx.approved.decided_at if ctx.approved else None
    if present is None or decided_at is None or present.started_at < decided_at:
        return None
    return present if (present.candidate, present.share) == (candidate, share) else None


async def _show_begun(ctx: Context, begun: Trial) -> Card:
    return started_card(await words_of_trial(ctx, begun), (), (), by=ctx.actor.name)


def _ends_at(ctx: Context, deadline: str | None) -> datetime:
    if deadline is None:
        return ctx.now + USUAL_LENGTH
    ends_at = parse_deadline(deadline, ctx.now, ctx.settings.timezone)
    if ends_at - ctx.now > LONGEST:
        raise UsageError(f"A trial may last {say_duration(LONGEST)} at most.", _USAGE)
    return ends_at


async def _only_one(ctx: Context) -> None:
    present = await ctx.ports.trials.running(ctx.ports.store.location)
    if present is not None:
        raise RefusedError(
            f"Trial {present.id} of {present.candidate} is running; only one can run at a time.",
            text("End it first: ", Command("model trial stop")),
        )


def _candidate(
    ctx: Context, snapshot: StatusSnapshot, word: str, share: int
) -> tuple[Hop, list[Caution]]:
    """Return the candidate as the gateway would ask it, and what to know of it.

    Raises:
        UnknownModelError, RefusedError: it cannot be tried.
    """
    ref = resolve(word, snapshot.view, ctx.catalog).ref
    hop = lone_hop(0, ref, snapshot.view, surroundings(ctx, snapshot.known))
    found = new_model_cautions(ctx, snapshot, [ref])
    wrong = next((one for one in found if one.code in _NOT_TO_TRY), None)
    if wrong is not None:
        successor = hop.facts.successor if hop.facts else None
        step = Command(f"model trial {successor} {share}%") if successor else wrong.step
        raise RefusedError(wrong.said, step)
    if hop.ref is None or hop.unasked is not None:
        raise RefusedError(
            f"The gateway cannot call {ref}: {unasked_words(hop)}.", Command("model list")
        )
    return hop, [one for one in found if one.code != "loses"]


def _check_primary(snapshot: StatusSnapshot, candidate: Hop) -> None:
    primary = snapshot.primary
    if primary is None or primary.ref is None:
        raise RefusedError(
            "There is no primary to compare with.", Command("model use MODEL", form=True)
        )
    if primary.ref == candidate.ref:
        raise RefusedError(
            f"{candidate.ref} is the primary already.",
            text("Choose another model: ", Command("model list")),
        )


async def _check_service(ctx: Context, snapshot: StatusSnapshot) -> None:
    """Refuse where no gateway would split, no bot would watch, or the figures would mislead."""
    known = snapshot.known
    if known.neighbour.attached and not is_served(snapshot.view):
        raise RefusedError(
            "OpenClaw calls the providers itself here, so a trial cannot split its conversations.",
            text(
                "Let Changeover's gateway serve it: ",
                Command("init --openclaw --yes", program=True),
            ),
        )
    if known.incidents:
        row = known.incidents[0]
        raise RefusedError(
            f"Incident {row.id} is open: {row.primary} ({row.reason}). "
            "A trial's figures would mean nothing now.",
            text("Try again when it is over: ", Command("fallback status")),
        )
    gateway_at = await ctx.ports.journal.last_beat(GATEWAY)
    if not lives(gateway_at, ctx.now):
        raise RefusedError(
            "No running gateway uses this database, so nothing would split the conversations.",
            text("Start one: ", Command("run", program=True)),
        )
    if not lives(known.service_seen_at, ctx.now):
        raise RefusedError(
            "No running bot uses this database, so nothing would stop a bad trial.",
            text("Start one: ", Command("run", program=True)),
        )


def _check_ready(hop: Hop, now: datetime) -> None:
    """Refuse a candidate that is cooling down. Raises RefusedError."""
    cooling = hop.cooldown
    if cooling is not None and cooling.holds(now):
        raise RefusedError(
            f"{hop.ref} is cooling down ({REASONS[cooling.reason]}).",
            Command(f"fallback retry {hop.ref}"),
        )


async def _set_share(ctx: Context, present: Trial, share: int) -> Card:
    if share == present.share:
        raise NothingToDoError(
            f"Trial {present.id} is at {share}% already.", Command("model trial")
        )
    if share > present.share:
        snapshot = await load_snapshot(ctx)
        facts = {"trial": present.id, "share": [present.share, share]}
        wider, ref = replace(present, share=share, reason=""), ModelRef.parse(present.candidate)
        held = await _held(ctx, snapshot, wider, ref, facts)
        if held is not None:
            return held
    if not await ctx.ports.trials.set_share(present, share, ctx.actor, ctx.now):
        raise NothingToDoError(f"Trial {present.id} is over.", Command("model trial"))
    words = await words_of_trial(ctx, replace(present, share=share))
    return started_card(words, (), (), by=ctx.actor.name, before=present.share)


async def _stop(ctx: Context, present: Trial) -> Card:
    if not await ctx.ports.trials.finish(present, TrialEnd.STOPPED, ctx.actor, ctx.now):
        raise NothingToDoError(f"Trial {present.id} is over.", Command("model trial"))
    latest = await ctx.ports.trials.latest(ctx.ports.store.location)
    return trial_card(await words_of_trial(ctx, latest or present))


async def _promote(ctx: Context, present: Trial) -> Card:
    """Switch the primary to the candidate, as any switch; the trial is over once that is done."""
    ref = ModelRef.parse(present.candidate)
    assert ref is not None

    def plan(now: Present) -> Plan:
        choice = choice_for(now.view, None)
        primary = written(choice.primary, now.view) if choice.primary else None
        if str(primary) not in (present.primary, present.candidate):
            raise RefusedError(
                f"The primary is {primary or choice.primary} now, not {present.primary}: "
                f"trial {present.id} compares with another model.",
                Command("model trial"),
            )
        return Plan(plan_primary(now.view, ref), choice.primary, str(ref), wants=(ref,))

    reason = f"trial {present.id} promoted"
    card = await change(ctx, ChangeSpec("Primary", "use", plan, reason=reason, priced=True))
    if card.data.get("new") != str(ref) or card.error is not None or "approval" in card.data:
        return card
    await ctx.ports.trials.finish(present, TrialEnd.PROMOTED, ctx.actor, ctx.now)
    words = await words_of_trial(ctx, replace(present, end=TrialEnd.PROMOTED))
    return replace(
        card, body=(*card.body, promoted_line(present)), data={**card.data, **trial_data(words)}
    )

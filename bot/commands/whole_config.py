"""`changeover config …`: the config as a whole, moved, looked at, brought back."""

from __future__ import annotations

from dataclasses import replace

from bot.card import Card, Caution
from bot.commands.context import Context
from bot.commands.reload import apply_and_confirm
from bot.config.commit import ConfigChange, Plan, record_first
from bot.config.document import include_targets
from bot.config.edit import unified_diff
from bot.config.present import Present, notice_moved, present_of, read_config
from bot.config.redact import redact_values
from bot.errors import (
    ConfigMissingError,
    ConfigUneditableError,
    ConfirmationNeededError,
    NothingToDoError,
    StorageError,
    UsageError,
)
from bot.messages import cautions
from bot.messages.whole_config import (
    diff_card,
    import_card,
    restored_card,
    revisions_card,
    show_card,
)
from bot.ports import Document, KeptRevision
from bot.spans import Command, text

SHORTEST = 4
"""So many characters of a revision are enough to name it, if no other begins with them."""


async def bring_in(ctx: Context, raw: bytes, source: str) -> Card:
    """Take a config over from another place, with its history where this one has none.

    What is here already is replaced only when that was confirmed.

    Raises:
        ConfigError: it is no config, or it includes other files, or it cannot be written.
    """
    store, journal = ctx.ports.store, ctx.ports.journal
    if names := include_targets(raw):
        raise ConfigUneditableError(
            f"{source} includes {', '.join(names)}: only a config in one file can be imported.",
            "Put what is included into the file, then import it.",
        )
    new = present_of(Document.of(raw), source)
    try:
        present = await read_config(store, journal, ctx.now)
    except ConfigMissingError:
        moved, trouble = await _adopt(ctx, source)
        document = await store.create(raw)
        wanted = ConfigChange(ctx.actor, "import", source, lambda _: Plan((), None, None))
        change_id = await record_first(store.location, journal, wanted, document, ctx.now)
        data = {"changed": True, "revision": document.revision, "change_id": change_id}
        return import_card(new.view, source, store.location, "", moved, data, trouble)
    diff = unified_diff(present.document.raw, raw, store.location.rpartition("/")[2])
    data = {"changed": False, "revision": present.document.revision, "diff": diff}
    if raw == present.document.raw:
        moved, trouble = await _adopt(ctx, source, present)
        return import_card(new.view, source, store.location, "", moved, data, trouble)
    if not ctx.action.confirmed:
        card = import_card(new.view, source, store.location, diff, 0, data, ())
        error = ConfirmationNeededError(
            f"{store.location} has a config already, so nothing was changed yet.",
            Command(f"config import {source} --yes", program=True),
        )
        return replace(card, error=error.info, exit_code=error.exit_code)
    moved, _ = await _adopt(ctx, source, present)
    return await _replace(ctx, raw, "import", source, moved)


async def put_back(ctx: Context, word: str) -> Card:
    """Bring an older revision back, as a new change. Raises ConfigError, UsageError."""
    kept = await _find(ctx, word)
    return await _replace(ctx, kept.raw, "restore", kept.revision[:12])


async def listed(ctx: Context) -> Card:
    """List the revisions that there are."""
    return revisions_card(await ctx.ports.store.kept(), ctx.ports.store.location)


async def difference(ctx: Context, word: str | None) -> Card:
    """Show what changed since a revision, else since the one before."""
    store = ctx.ports.store
    present, *older = await store.kept()
    if word is None and not older:
        raise NothingToDoError(
            "There is no earlier revision to compare with.",
            Command("config revisions", program=True),
        )
    kept = older[0] if word is None else await _find(ctx, word)
    diff = unified_diff(kept.raw, present.raw, store.location.rpartition("/")[2])
    return diff_card(kept, present, diff)


async def shown(ctx: Context) -> Card:
    """Show the text, its secrets blacked out."""
    document = await ctx.ports.store.read()
    words = redact_values(document.raw.decode("utf-8", "replace"))
    return show_card(words, document.revision, ctx.ports.store.location)


async def _replace(ctx: Context, raw: bytes, action: str, source: str, moved: int = 0) -> Card:
    store = ctx.ports.store

    def plan(present: Present) -> Plan:
        new = present_of(replace(present.document, raw=raw), source)
        old, to = present.view.default.written[0], new.view.default.written[0]
        return Plan((), old, to, raw=raw)

    wanted = ConfigChange(ctx.actor, action, source, plan)
    applied, confirmation = await apply_and_confirm(ctx, wanted)
    found = (*cautions.unrecorded(applied.unrecorded), *cautions.reload(confirmation))
    data = {
        "changed": applied.changed,
        "reverts_moved": moved,
        "old": applied.plan.old,
        "new": applied.plan.new,
        "revision_before": applied.revision_before,
        "revision": applied.revision,
        "change_id": applied.change_id,
        "diff": applied.diff,
    }
    return restored_card(action, source, store.location, data, found)


async def _adopt(
    ctx: Context, source: str, present: Present | None = None
) -> tuple[int, tuple[Caution, ...]]:
    """Take the history of another place over; `present` is what is here already."""
    journal, location = ctx.ports.journal, ctx.ports.store.location
    try:
        own = await journal.known(location)
        moved = await journal.adopt(source, location)
        if present is not None and own is None:
            await notice_moved(location, journal, present, ctx.now)
    except StorageError as error:
        return 0, tuple(cautions.unrecorded(error.info))
    return moved, ()


async def _find(ctx: Context, word: str) -> KeptRevision:
    found = {
        one.revision: one
        for one in await ctx.ports.store.kept()
        if len(word) >= SHORTEST and one.revision.startswith(word.lower())
    }
    if len(found) == 1:
        return next(iter(found.values()))
    raise UsageError(
        f"{word!r} names {'several revisions' if found else 'no revision that is still there'}.",
        text(Command("config revisions", program=True), " lists them."),
    )

"""The core as one object: ports in, `handle(actor, words) → Card` out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bot.access import SERVICE, Actor, check_home
from bot.card import Action, Button, Card, Command, text
from bot.catalog import Catalog, shipped
from bot.commands.context import Context, Ports
from bot.commands.grammar import Call, parse
from bot.commands.table import registry
from bot.config.naming import names
from bot.config.present import begin_history, notice_outside, present_of, read_config
from bot.durations import Seldom, shorten
from bot.errors import (
    ChangeoverError,
    PermissionDeniedError,
    RefusedError,
    StorageError,
    StrangerError,
)
from bot.messages.errors import (
    INTERNAL,
    SWITCH_QUESTION,
    already_card,
    error_card,
    unexpected_card,
)
from bot.ports import Document
from bot.settings import Settings
from bot.spans import kept

if TYPE_CHECKING:
    from bot.alerts.chain_test import ChainResult
    from bot.ports.alerts import Outbox
    from bot.ports.lifecycles import Lifecycle

MOST_ID = 64
OLD_AFTER = timedelta(days=1)
"""So long after it was shown, a button that switches the primary asks first."""
LEARN_EVERY = timedelta(minutes=1)
STRANGERS_EVERY = timedelta(minutes=10)
MOST_STRANGERS = 100
"""So many strangers have a row of the audit trail each ten minutes: others could fill the disk."""

_log = logging.getLogger("changeover")


class App:
    """Everything a surface needs: one call in, one card out."""

    def __init__(self, ports: Ports, settings: Settings, catalog: Catalog | None = None) -> None:
        self.ports = ports
        self.settings = settings
        self._catalog = catalog or shipped()
        self.registry = registry(self._catalog)
        self._names: list[str] = []
        self._known = self._catalog
        self._found: Sequence[Lifecycle] = ()
        self._asked_at: datetime | None = None
        self._turned_away = Seldom(STRANGERS_EVERY, MOST_STRANGERS)

    @property
    def catalog(self) -> Catalog:
        """What is known of models today."""
        return self._known.on(self.ports.clock.now().date())

    async def learn(self, *, afresh: bool = False) -> None:
        """Take what is known of the models' ends into the catalog, once a minute or `afresh`."""
        now, last = self.ports.clock.now(), self._asked_at
        if not afresh and last is not None and last <= now < last + LEARN_EVERY:
            return
        self._asked_at = now
        try:
            found = tuple(await self.ports.lifecycles.rows())
        except StorageError:
            # The catalog's own dates will do; whatever else needs the database says so.
            return
        if found != self._found:
            self._found = found
            self._known = self._catalog.informed(found)

    async def handle(self, actor: Actor, words: str, *, action: Action | None = None) -> Card:
        """Carry a line out for somebody and return the answer; errors come as cards too."""
        if actor.stranger:
            return await self.turn_away(actor, words)
        line = words.strip().removeprefix("/").removeprefix(self.settings.prefix)
        try:
            call = parse(line, self.registry)
        except ChangeoverError as error:
            return self._shown(error_card(error, line.split(" ")[0]))
        return await self.call(actor, call, line, action=action)

    async def call(
        self, actor: Actor, call: Call, line: str, *, action: Action | None = None
    ) -> Card:
        """Carry out a command whose arguments are known; `line` is the same as typed words."""
        told = Action(
            line,
            confirmed=action.confirmed if action else False,
            expected_primary=action.expected_primary if action else None,
            shown=action.shown if action else None,
            change_id=action.change_id if action else None,
            ask=action.ask if action else False,
        )
        await self.learn()
        ctx = self.context(actor, told)
        return self._shown(await self._carried_out(ctx, call, action))

    async def _carried_out(self, ctx: Context, call: Call, action: Action | None) -> Card:
        actor, command = ctx.actor, call.command
        try:
            if action is not None:
                check_click(actor, action, ctx.now)
            self.settings.access.check(actor, command.permission, command.typed)
            return (await command.handler(ctx, call.args)).named(command.full_name)
        except PermissionDeniedError as error:
            await self._refused(ctx, command.full_name, error)
            return error_card(error, command.full_name)
        except ChangeoverError as error:
            return error_card(error, command.full_name)
        except Exception:  # noqa: BLE001
            # A chat must never see a traceback; the log has it.
            _log.exception("the command %s failed unexpectedly", command.full_name)
            return unexpected_card(command.full_name)

    def context(self, actor: Actor, action: Action | None = None) -> Context:
        """Return what a handler works with, at this moment."""
        now = self.ports.clock.now()
        return Context(
            self.ports,
            self.settings,
            self._known.on(now.date()),
            self.registry,
            actor,
            now,
            action or Action(""),
        )

    async def persist_buttons(self, card: Card) -> Card:
        """Give a card's buttons ids that a chat can carry and that outlive a restart.

        A button that only runs a command carries it; one with conditions is kept in the
        database. Where that cannot be reached the button is left out: the card's words say what
        to type.
        """
        menu = card.menu
        if menu is not None:
            menu = replace(menu, options=await self._with_ids(menu.options))
        buttons = await self._with_ids(card.buttons)
        return self._shown(
            replace(card, buttons=buttons, menu=menu if menu and menu.options else None)
        )

    async def _with_ids(self, buttons: Sequence[Button]) -> tuple[Button, ...]:
        """Give buttons, or a menu's options, their ids and the question of a platform's dialog."""
        armed = []
        for button in buttons:
            confirm = switch_question(button.action, self._catalog)
            plain_id = f"w:{button.action.words}"
            if button.action == Action(button.action.words) and len(plain_id.encode()) <= MOST_ID:
                armed.append(replace(button, id=plain_id, confirm=confirm))
                continue
            try:
                row = await self.ports.buttons.remember(button.action, self.ports.clock.now())
            except StorageError as error:
                _log.warning("button %s left out: %s", button.label, error.message)
                continue
            armed.append(replace(button, id=f"s:{row}", confirm=confirm))
        return tuple(armed)

    async def click(
        self,
        actor: Actor,
        button_id: str,
        *,
        shown_at: datetime | None = None,
        asked: bool = True,
    ) -> Card:
        """Do what a button does, as the person who clicked; every right is checked again.

        A switch asks first where the platform has not `asked`, or the button has been shown for
        more than a day.
        """
        old = shown_at is not None and self.ports.clock.now() - shown_at > OLD_AFTER
        ask = old or not asked
        if actor.stranger:
            return await self.turn_away(actor, button_id)
        kind, _, rest = button_id.partition(":")
        if kind == "w":
            return await self.handle(actor, rest, action=Action(rest, ask=ask))
        try:
            action = await self.ports.buttons.recall(rest) if kind == "s" else None
            if action is None:
                raise RefusedError("This button has expired.", "Type the command instead.")
            return await self._clicked(actor, rest, replace(action, ask=ask))
        except ChangeoverError as error:
            return error_card(error, "")

    async def _clicked(self, actor: Actor, button_id: str, action: Action) -> Card:
        call = parse(action.words, self.registry)
        now = self.ports.clock.now()
        command = call.command
        try:
            check_click(actor, action, now)
        except RefusedError as error:
            if action.only not in (None, actor.key):
                await self._refused(self.context(actor), command.full_name, error)
            raise
        if self.settings.access.allows(actor, command.permission) and action.once:
            first = await self.ports.buttons.claim(button_id, actor, now)
            if first is not None:
                return already_card(first, command.full_name)
        return await self.call(actor, call, action.words, action=action)

    def complete(self, words: str) -> list[str]:
        """Return what may come next in a line typed so far."""
        from bot.commands.complete import complete

        return complete(words, self.registry, self._names or list(self.catalog.presets))

    async def refresh_names(self) -> Sequence[str]:
        """Read the config's model names afresh, for completion; keep the old ones if it fails."""
        try:
            present = await read_config(
                self.ports.store, self.ports.journal, self.ports.clock.now()
            )
        except ChangeoverError:
            return self._names
        self._names = names(present.view, self.catalog)
        return self._names

    async def run_due(self, outbox: Outbox) -> None:
        """Carry out what is due: ends of timed switches, plans, approvals; and say so."""
        from bot.commands.pending import run_due_approvals
        from bot.commands.plan_runs import run_due_plans
        from bot.commands.reverts import run_due_reverts

        await run_due_reverts(self.context(SERVICE), outbox)
        await run_due_plans(self.context(SERVICE), outbox)
        await run_due_approvals(self.context(SERVICE), outbox)

    async def test_chain(self) -> ChainResult:
        """Ask every hop of the chain; the result holds what kept the test from running, if any."""
        from bot.alerts.chain_test import ChainResult
        from bot.commands.fallback_watch import run_test

        try:
            tested = await run_test(self.context(SERVICE))
        except ChangeoverError as error:
            result = ChainResult.failed(error.info)
        except Exception:  # noqa: BLE001
            # The schedule goes on, and the channel hears of it; the log has the traceback.
            _log.exception("the scheduled chain test failed unexpectedly")
            result = ChainResult.failed(INTERNAL)
        else:
            result = ChainResult(
                tuple((row.model, str(row.verdict.verdict)) for row in tested.asked),
                tested.would_serve,
                tuple(kept(row.hint) for row in tested.asked),
            )
        return self.settings.blackout.clean_all(result)

    async def unknown_model(self, model: str, outbox: Outbox) -> None:
        """Revert the change that named a model which OpenClaw does not know."""
        from bot.commands.reverts import take_back_unknown

        await take_back_unknown(self.context(SERVICE), model, outbox)

    async def begin(self) -> None:
        """Note the state of the config, so that the first edit from outside is told apart.

        Raises:
            ConfigError, StorageError: it could not be read or noted.
        """
        await begin_history(self.ports.store, self.ports.journal, self.ports.clock.now())

    async def record_outside_edit(self, document: Document) -> None:
        """Put an edit from outside into history, where a document that has changed holds one.

        Raises:
            ConfigError: the document cannot be used any more.
        """
        present = present_of(document, self.ports.store.location)
        await notice_outside(
            self.ports.store.location, self.ports.journal, present, self.ports.clock.now()
        )

    def _shown(self, card: Card) -> Card:
        """Return the card as it may leave: without any secret that the process knows."""
        return self.settings.blackout.clean_all(card)

    async def turn_away(self, actor: Actor, asked: str) -> Card:
        """Refuse somebody from another team or guild; `asked` is what the audit trail says."""
        try:
            check_home(actor)
        except StrangerError as error:
            await self._refused(self.context(actor), shorten(asked), error)
            return error_card(error, "")
        raise ValueError("only strangers are turned away")

    async def _refused(self, ctx: Context, command: str, error: RefusedError) -> None:
        why = error.message
        if ctx.actor.stranger:
            if not self._turned_away.lets(ctx.actor.key, ctx.now.timestamp()):
                return
            why = f"{why} Home: {ctx.actor.home or 'unknown'}."
        try:
            await self.ports.journal.refused(ctx.now, ctx.actor, command, why)
        except StorageError as trouble:
            _log.warning(
                "a refusal of %s could not be written to the audit trail: %s",
                command,
                trouble.message,
            )


def switch_question(action: Action, catalog: Catalog) -> str:
    """Return what a platform's own dialog asks before a button switches the primary.

    Empty for all else: an undo never waits, and a confirmation has been asked for already.
    """
    group, name, *rest = [*action.words.split(), "", ""]
    switches = name in ("use", "strategy", *catalog.presets) or rest[:1] == ["promote"]
    return SWITCH_QUESTION if group == "model" and switches and not action.confirmed else ""


def check_click(actor: Actor, action: Action, now: datetime) -> None:
    """Refuse a click by somebody else or after the button's time.

    Raises:
        RefusedError: the click does not count.
    """
    if action.only is not None and action.only != actor.key and not actor.owner:
        raise RefusedError("This confirmation is for somebody else.", "Type the command yourself.")
    if action.expires_at is not None and now > action.expires_at:
        raise RefusedError(
            "This button has expired.", text("Run it again: ", Command(action.words))
        )

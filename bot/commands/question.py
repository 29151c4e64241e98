"""What a change asks before it is made: whether to, and the card with the button that confirms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from bot.card import Action, Card, Command, text
from bot.commands.context import Context
from bot.commands.data import price_data, ratio_data
from bot.commands.elsewhere import costs_of_week, elsewhere_data, pins_data
from bot.commands.snapshot import written_price
from bot.config.commit import Plan
from bot.config.pins import shown
from bot.config.present import Present
from bot.config.values import dotted
from bot.costs.pricing import needs_confirmation, price_ratio
from bot.errors import ConfirmationNeededError, MovedOnError
from bot.messages.elsewhere import elsewhere_lines, unreached_line
from bot.messages.model import ChangeWords, confirm_card, value
from bot.messages.words import counted
from bot.ports.reloads import Pin, Pins

CONFIRM_FOR = timedelta(minutes=5)


def must_ask(ctx: Context, present: Present, planned: Plan) -> bool:
    """Return whether a switch waits for a confirmation: it costs much more, or moves more places.

    Raises:
        MovedOnError: the config has changed since the question that was confirmed.
    """
    _check_unmoved(ctx, planned)
    more = bool(planned.follow or planned.pins)
    if ctx.action.confirmed or (planned.old == planned.new and not more):
        return False
    old, new = (written_price(ctx, word, present.view) for word in (planned.old, planned.new))
    return more or ctx.action.ask or needs_confirmation(old, new, ctx.settings.confirm_ratio)


def _check_unmoved(ctx: Context, planned: Plan) -> None:
    expected = ctx.action.expected_primary
    if expected is None or expected == _expected(planned):
        return
    raise MovedOnError(
        "The models in the config changed meanwhile; nothing was changed."
        if planned.follow
        else f"The primary changed to {value(planned.old)} meanwhile; nothing was changed.",
        text("Check ", Command("model status"), ", then run the command again."),
    )


def _expected(planned: Plan) -> str:
    """Name what a question shows, so that a click finds out whether it is still so."""
    return " ".join([str(planned.old or ""), *map(dotted, planned.follow)])


async def question(ctx: Context, words: ChangeWords, planned: Plan, pinned: Pins) -> Card:
    """Return the card that asks; nothing has changed yet."""
    changing = {(pin.kind, pin.key) for pin in planned.pins}
    pins = [pin for pin in pinned.found if (pin.kind, pin.key) in changing]
    action = Action(
        ctx.action.words,
        confirmed=True,
        expected_primary=_expected(planned),
        shown=tuple(map(shown, pins)),
        only=ctx.actor.key,
        expires_at=ctx.now + CONFIRM_FOR,
        once=True,
    )
    places = [one for one in planned.places if one.apart or one.path in planned.follow]
    costs = await costs_of_week(ctx, places, pins)
    data = {
        "changed": False,
        "old": planned.old,
        "new": planned.new,
        "price_ratio": ratio_data(price_ratio(words.old_price, words.new_price)),
        "old_price": price_data(words.old_price),
        "new_price": price_data(words.new_price),
        "expires_at": action.expires_at,
        "elsewhere": elsewhere_data(places, costs),
        "pins": pins_data(pins, costs),
    }
    lines = (*elsewhere_lines(places, pins, costs), *unreached_line(pinned))
    card = confirm_card(words, action, CONFIRM_FOR, ctx.action.words, data, lines)
    error = _needs_confirmation(ctx, words, planned, pins)
    return replace(card, error=error.info, exit_code=error.exit_code)


def _needs_confirmation(
    ctx: Context, words: ChangeWords, planned: Plan, pins: Sequence[Pin]
) -> ConfirmationNeededError:
    old, new = words.old_name or value(words.old), words.new_name or words.new
    return ConfirmationNeededError(
        f"{counted(len(planned.follow) + len(pins), 'other place')} would change as well. "
        "Nothing has changed yet."
        if planned.follow or pins
        else f"{old} → {new}: nothing has changed yet."
        if ctx.action.ask
        else f"{new} costs much more than {old}. Nothing has changed yet.",
        text("Confirm with ", Command(f"{ctx.action.words} --yes", program=True)),
    )

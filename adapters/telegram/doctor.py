"""What the doctor asks Telegram itself: token, chat, rights, and how updates come."""

from __future__ import annotations

from telegram import ChatMember, ChatMemberRestricted
from telegram.error import ChatMigrated, TelegramError

from adapters.telegram.api import Api, TelegramTrouble, trouble
from adapters.telegram.settings import UPDATES_PATH, Pace, TelegramSetup
from bot.commands.doctor import Check, Level


async def examine_telegram(setup: TelegramSetup) -> list[Check]:
    """Look at everything without taking an update away from the service."""
    api = Api(setup, Pace())
    try:
        try:
            name = await api.log_in()
        except TelegramTrouble as error:
            return [_bad("telegram token", error.message, error.hint)]
        return [
            _good("telegram token", f"Logs in as @{name}."),
            await _updates(api),
            await _chat(api, setup.chat_id),
        ]
    finally:
        await api.close()


async def _updates(api: Api) -> Check:
    name, wanted = "telegram updates", api.setup.webhook_url
    try:
        webhook = await api.bot.get_webhook_info()
    except TelegramError as error:
        found = trouble("report the webhook", error)
        return _bad(name, found.message, found.hint)
    if wanted is None:
        if webhook.url:
            what = "A webhook is set for this bot; the service removes it when it starts."
            return Check(name, False, Level.WARNING, what, "Restart the service.")
        return _good(name, "The service polls: no public address is needed.")
    if webhook.url != f"{wanted}{UPDATES_PATH}":
        what = f"Telegram does not call {wanted}{UPDATES_PATH} yet."
        return Check(name, False, Level.WARNING, what, "Start the service: it sets the webhook.")
    if webhook.last_error_message:
        what = f"Telegram's last call failed: {webhook.last_error_message}."
        hint = f"Check that {wanted} leads to PORT over HTTPS with a valid certificate."
        return Check(name, False, Level.WARNING, what, hint)
    return _good(name, f"Telegram calls {webhook.url}; {webhook.pending_update_count} waiting.")


async def _chat(api: Api, chat_id: int | None) -> Check:
    name = "telegram chat"
    if chat_id is None:
        return Check(
            name,
            False,
            Level.WARNING,
            "TELEGRAM_CHAT_ID is not set: no alerts and digests, no commands in Telegram.",
            "Send /help to the bot in the group: it answers with the chat's ID.",
        )
    try:
        chat = await api.bot.get_chat(chat_id)
        member = await api.bot.get_chat_member(chat_id, api.bot.id)
    except ChatMigrated as error:
        what = "The group has become a supergroup, and has another ID."
        return _bad(name, what, f"Set TELEGRAM_CHAT_ID={error.new_chat_id}.")
    except TelegramError as error:
        found = trouble("show the chat", error)
        return _bad(name, found.message, found.hint)
    shown = chat.title or chat.full_name or str(chat_id)
    if member.status in (ChatMember.LEFT, ChatMember.BANNED):
        return _bad(name, f"The bot is not in {shown}.", "Add it to the group.")
    rights = chat.permissions
    silent = isinstance(member, ChatMemberRestricted) and not member.can_send_messages
    silent = silent or (
        member.status == ChatMember.MEMBER
        and rights is not None
        and rights.can_send_messages is False
    )
    if silent:
        hint = "Allow members to send messages, or make the bot an administrator."
        return _bad(name, f"The bot may not post in {shown}.", hint)
    return _good(name, f"The bot may post in {shown}.")


def _good(name: str, detail: str) -> Check:
    return Check(name, True, Level.INFO, detail)


def _bad(name: str, detail: str, resolution: str) -> Check:
    return Check(name, False, Level.ERROR, detail, resolution)

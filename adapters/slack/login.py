"""Who we are at Slack, what we may do there, and whether the channel takes our messages."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.slack.api import OPEN_SOCKET, Api, SlackTrouble, asking
from adapters.slack.chat import SlackChat
from adapters.slack.manifest import OPTIONAL, SCOPES
from adapters.slack.outbox import Outbox
from adapters.slack.settings import Mode, SlackSetup, mode_of
from bot.card import Card, Command, text
from bot.commands.doctor import Check, Level
from bot.errors import ChatError


@dataclass(frozen=True, slots=True)
class Login:
    """What `auth.test` says; `missing` are scopes the app was not given."""

    team: str
    team_id: str
    bot_name: str
    bot_user: str
    bot_id: str
    enterprise_id: str = ""
    missing: tuple[str, ...] = ()
    scopes_told: bool = True


async def log_in(api: Api) -> Login:
    """Ask Slack who the bot token is. Raises SlackTrouble."""
    with asking("log the bot in"):
        answer = await api.web.auth_test()
    granted = answer.headers.get("x-oauth-scopes")
    scopes = {scope.strip() for scope in (granted or "").split(",")}
    return Login(
        team=str(answer.get("team", "")),
        team_id=str(answer.get("team_id", "")),
        bot_name=str(answer.get("user", "")),
        bot_user=str(answer.get("user_id", "")),
        bot_id=str(answer.get("bot_id", "")),
        enterprise_id=str(answer.get("enterprise_id") or ""),
        missing=tuple(scope for scope in SCOPES if scope not in scopes) if granted else (),
        scopes_told=bool(granted),
    )


async def examine_slack(setup: SlackSetup) -> list[Check]:
    """Look at tokens, scopes, channel and posting rights on the live API, for the doctor."""
    api = Api(setup)
    await api.open()
    try:
        try:
            login = await log_in(api)
        except SlackTrouble as trouble:
            return [_failed("slack", trouble)]
        found = f"{login.bot_name or login.bot_user} is connected to {login.team}."
        return [
            Check("slack", True, Level.INFO, found),
            scopes_check(login),
            await _receiving(api),
            await channel_check(SlackChat(api, Outbox(api, _as_it_is), setup.channel or ""), login),
        ]
    finally:
        await api.close()


def scopes_check(login: Login) -> Check:
    """Say which scopes are missing, and what does not work without them."""
    if not login.scopes_told:
        what = "Slack does not report the app's scopes."
        return Check("slack scopes", False, Level.WARNING, what, "Check OAuth & Permissions.")
    needed = [scope for scope in login.missing if scope not in OPTIONAL]
    if not login.missing:
        return Check("slack scopes", True, Level.INFO, f"All {len(SCOPES)} scopes are granted.")
    lacks = "; ".join(f"{scope} ({SCOPES[scope]})" for scope in needed or login.missing)
    if not needed:
        what = f"All needed scopes are granted. Not granted, optional: {lacks}."
        return Check("slack scopes", True, Level.INFO, what)
    return Check(
        "slack scopes",
        False,
        Level.ERROR if {"commands", "chat:write"} & set(login.missing) else Level.WARNING,
        f"Missing: {lacks}.",
        text(
            "Paste the output of ",
            Command("slack-manifest", program=True),
            " into the app's manifest and reinstall it.",
        ),
    )


async def channel_check(chat: SlackChat, login: Login) -> Check:
    """Say whether alerts and digests can be posted where they should."""
    name = "slack channel"
    if not chat.configured:
        return Check(
            name, False, Level.WARNING, "SLACK_CHANNEL is not set: no alerts and digests in Slack.",
            "Set SLACK_CHANNEL to a channel's name or id.",
        )  # fmt: skip
    try:
        channel = await chat.look()
    except ChatError as error:
        return _failed(name, error)
    shown = f"#{channel.name}" if channel.name else channel.id
    if channel.archived:
        return Check(
            name, False, Level.ERROR, f"{shown} is archived.", "Set another SLACK_CHANNEL."
        )
    if channel.member:
        return Check(name, True, Level.INFO, f"The bot is a member of {shown} and may post there.")
    if channel.private or "chat:write.public" in login.missing:
        return Check(
            name, False, Level.ERROR, f"The bot is not in {shown} and may not post there.",
            f"Type /invite @{login.bot_name or 'Changeover'} in {shown}.",
        )  # fmt: skip
    return Check(
        name, True, Level.INFO, f"{shown} is public: the bot may post there without joining."
    )


async def _receiving(api: Api) -> Check:
    if mode_of(api.setup) is Mode.HTTP:
        return Check(
            "slack events", True, Level.INFO, "HTTP mode: Slack calls /slack/events on PORT."
        )
    app_token = api.setup.app_token
    assert app_token is not None
    try:
        with asking(OPEN_SOCKET):
            await api.web.apps_connections_open(app_token=app_token.reveal())
    except SlackTrouble as trouble:
        return _failed("slack events", trouble)
    return Check("slack events", True, Level.INFO, "Socket Mode works with the app token.")


def _failed(name: str, error: ChatError) -> Check:
    return Check(name, False, Level.ERROR, error.said, error.step)


async def _as_it_is(card: Card) -> Card:
    return card

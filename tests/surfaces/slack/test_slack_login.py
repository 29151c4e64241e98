"""Logging in, what is said when it fails, who is an operator, and the doctor's look at Slack."""

from __future__ import annotations

import logging

import pytest

from adapters.slack.app import State
from adapters.slack.login import examine_slack
from adapters.slack.manifest import SCOPES
from adapters.slack.settings import Mode, SlackSettings
from bot.access import Permission
from bot.errors import SettingsError
from tests.fakes_slack import FakeCore, ruled
from tests.servers.slack import BOT_TOKEN, Channel, Fault, SlackServer
from tests.surfaces.slack.conftest import Start, settings_for

# --- settings ---------------------------------------------------------------------------------


def test_no_bot_token_means_no_slack() -> None:
    assert SlackSettings.read({"SLACK_APP_TOKEN": "xapp-1"}) is None


def test_a_bot_token_alone_is_told() -> None:
    with pytest.raises(SettingsError) as caught:
        SlackSettings.read({"SLACK_BOT_TOKEN": BOT_TOKEN})
    assert "SLACK_APP_TOKEN" in caught.value.message


@pytest.mark.parametrize(
    ("env", "mode"),
    [
        ({"SLACK_APP_TOKEN": "xapp-1"}, Mode.SOCKET),
        ({"SLACK_SIGNING_SECRET": "s"}, Mode.HTTP),
        ({"SLACK_APP_TOKEN": "xapp-1", "SLACK_SIGNING_SECRET": "s"}, Mode.SOCKET),
    ],
)
def test_the_mode_follows_from_what_is_set(env: dict[str, str], mode: Mode) -> None:
    settings = SlackSettings.read({"SLACK_BOT_TOKEN": BOT_TOKEN, **env})
    assert settings is not None
    assert settings.mode is mode
    assert settings.api_url == "https://slack.com/api/"


def test_no_secret_shows_itself() -> None:
    settings = SlackSettings.read({"SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_APP_TOKEN": "xapp-1"})
    assert BOT_TOKEN not in repr(settings)
    assert "xapp-1" not in repr(settings)


# --- logging in -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "method"),
    [
        ({"SLACK_BOT_TOKEN": "xoxb-no"}, "auth.test"),
        ({"SLACK_APP_TOKEN": "xapp-no"}, "apps.connections.open"),
    ],
)
async def test_a_wrong_token_is_one_line_a_try_and_never_the_token(
    slack: SlackServer, start: Start, caplog, env: dict[str, str], method: str
) -> None:
    surface = await start(FakeCore(), wait=False, **env)
    await slack.until(lambda: len(slack.called(method)) >= 2)
    await slack.until(lambda: surface.health().state is State.RETRYING)
    assert "token was refused" in surface.health().trouble
    line = next(r.getMessage() for r in caplog.records if r.levelno == logging.WARNING)
    assert "\n" not in line
    assert "Check SLACK_BOT_TOKEN" in line
    assert "xoxb-no" not in caplog.text
    assert "xapp-no" not in caplog.text
    assert "Traceback" not in caplog.text


async def test_logging_in_is_tried_until_slack_answers(slack: SlackServer, start: Start) -> None:
    slack.faults["auth.test"].extend(
        [Fault(error="internal_error"), Fault(status=200, body="<html>"), Fault(drop=True)]
    )
    surface = await start(FakeCore())
    assert surface.health().team == "Team"
    assert surface.health().ok


async def test_missing_scopes_are_named_and_the_rest_works(
    slack: SlackServer, start: Start, caplog
) -> None:
    slack.scopes = tuple(s for s in slack.scopes if s not in ("files:write", "users:read"))
    core = FakeCore()
    surface = await start(core)
    assert surface.health().missing_scopes == ("files:write", "users:read")
    assert "files:write (sends charts and CSV files)" in caplog.text
    await slack.command("/model", "status")
    await slack.until(lambda: core.handled)
    assert core.handled[0][0].name == "u1.name"


async def test_an_app_token_without_its_scope_is_told(
    slack: SlackServer, start: Start, caplog
) -> None:
    slack.faults["apps.connections.open"].append(
        Fault(body='{"ok":false,"error":"missing_scope","needed":"connections:write"}')
    )
    await start(FakeCore())
    assert "lacks the scope" in caplog.text


async def test_a_channel_the_bot_is_not_in_is_told_at_the_start(
    slack: SlackServer, start: Start, caplog
) -> None:
    await start(FakeCore(), SLACK_CHANNEL="G0SEC")
    assert "/invite @Changeover" in caplog.text


# --- operators by user group ------------------------------------------------------------------


async def test_members_of_a_group_in_the_rules_are_known_as_such(
    slack: SlackServer, start: Start
) -> None:
    slack.groups["S1"] = ["U2"]
    core = FakeCore(settings=ruled("slack-group:S1"))
    await start(core)
    for user in ("U1", "U2"):
        await slack.command("/model", "cheap", user=user)
    await slack.until(lambda: len(core.handled) == 2)
    may = {
        actor.id: core.settings.access.allows(actor, Permission.CHANGE) for actor, _ in core.handled
    }
    assert may == {"U1": False, "U2": True}


async def test_groups_are_asked_for_only_where_the_rules_have_one(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(settings=ruled("slack:U1"))
    await start(core)
    await slack.command("/model", "cheap")
    await slack.until(lambda: core.handled)
    assert slack.called("usergroups.users.list") == []


async def test_whoever_slack_will_not_vouch_for_is_in_no_group(
    slack: SlackServer, start: Start, caplog
) -> None:
    core = FakeCore(settings=ruled("slack-group:S9"))
    await start(core)
    await slack.command("/model", "cheap")
    await slack.until(lambda: core.handled)
    assert core.handled[0][0].groups == frozenset()
    assert "user group S9" in caplog.text


# --- the doctor -------------------------------------------------------------------------------


async def checks_of(slack: SlackServer, **env: str) -> dict[str, tuple[bool, str, str]]:
    found = await examine_slack(settings_for(slack, **env))
    return {check.name: (check.ok, check.detail, check.resolution) for check in found}


async def test_the_doctor_finds_all_in_place(slack: SlackServer) -> None:
    slack.channels["C0OPS"].member = True
    checks = await checks_of(slack)
    assert all(ok for ok, _, _ in checks.values())
    assert "changeover is logged in to Team" in checks["slack"][1]
    assert "member of #llm-ops" in checks["slack channel"][1]
    assert f"All {len(SCOPES)} scopes" in checks["slack scopes"][1]


async def test_the_doctor_in_http_mode_opens_no_socket(slack: SlackServer) -> None:
    checks = await checks_of(slack, SLACK_APP_TOKEN="", SLACK_SIGNING_SECRET="s")
    assert checks["slack events"][0]
    assert "not" not in checks["slack channel"][2]
    assert slack.called("apps.connections.open") == []


async def test_the_doctor_stops_at_a_wrong_bot_token(slack: SlackServer) -> None:
    checks = await checks_of(slack, SLACK_BOT_TOKEN="xoxb-no")
    assert list(checks) == ["slack"]
    assert not checks["slack"][0]


@pytest.mark.parametrize(
    ("env", "name", "says"),
    [
        ({"SLACK_APP_TOKEN": "xapp-no"}, "slack events", "token was refused"),
        ({"SLACK_CHANNEL": ""}, "slack channel", "SLACK_CHANNEL is not set"),
        ({"SLACK_CHANNEL": "#nowhere"}, "slack channel", "no such channel"),
        ({"SLACK_CHANNEL": "C0OLD"}, "slack channel", "archived"),
        ({"SLACK_CHANNEL": "C0SEEN"}, "slack channel", "/invite @changeover"),
    ],
)
async def test_the_doctor_names_what_is_wrong(
    slack: SlackServer, env: dict[str, str], name: str, says: str
) -> None:
    slack.channels["C0OLD"] = Channel("old", archived=True)
    slack.channels["C0SEEN"] = Channel("seen")
    if env.get("SLACK_CHANNEL") == "C0SEEN":
        slack.scopes = tuple(s for s in slack.scopes if s != "chat:write.public")
    ok, detail, resolution = (await checks_of(slack, **env))[name]
    assert not ok
    assert says in f"{detail} {resolution}"

"""Logging in, what is said when it fails, who is an operator, and the doctor's look at Slack."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from adapters.slack.app import State
from adapters.slack.login import Login, examine_slack, scopes_check
from adapters.slack.manifest import SCOPES
from bot.access import Permission
from bot.card import plain
from bot.models import Secret
from tests.servers.slack import Channel, Fault, SlackServer
from tests.support.fakes_slack import FakeCore, Setup, ruled
from tests.surfaces.slack.conftest import Start

# --- logging in -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "method"),
    [
        ({"bot_token": Secret("xoxb-no")}, "auth.test"),
        ({"app_token": Secret("xapp-no")}, "apps.connections.open"),
    ],
)
async def test_a_wrong_token_is_one_line_a_try_and_never_the_token(
    slack: SlackServer, start: Start, caplog, told: dict[str, Secret], method: str
) -> None:
    surface = await start(FakeCore(), wait=False, **told)
    await slack.until(lambda: len(slack.called(method)) >= 2)
    await slack.until(lambda: surface.health().state is State.RETRYING)
    assert "rejected the token" in surface.health().trouble
    line = next(r.getMessage() for r in caplog.records if r.levelno == logging.WARNING)
    assert "\n" not in line
    wrong = "SLACK_APP_TOKEN" if method == "apps.connections.open" else "SLACK_BOT_TOKEN"
    assert f"Check {wrong}" in line
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


def test_a_scope_that_is_optional_is_no_problem() -> None:
    login = Login("Team", "T1", "changeover", "U0BOT", "B1", missing=("files:write",))
    check = scopes_check(login)
    assert check.ok
    assert "optional: files:write (sends CSV files" in plain(check.detail)


async def test_missing_scopes_are_named_and_the_rest_works(
    slack: SlackServer, start: Start, caplog
) -> None:
    slack.scopes = tuple(s for s in slack.scopes if s not in ("files:write", "users:read"))
    core = FakeCore()
    surface = await start(core)
    assert surface.health().missing_scopes == ("files:write", "users:read")
    assert "Missing: users:read (shows people by name)." in caplog.text
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
    await start(FakeCore(), channel="G0SEC")
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


async def test_an_operator_is_not_refused_for_one_hiccup(slack: SlackServer, start: Start) -> None:
    slack.groups["S1"] = ["U1"]
    slack.faults["usergroups.users.list"].append(Fault(status=429, headers={"Retry-After": "0"}))
    core = FakeCore(settings=ruled("slack-group:S1"))
    await start(core)
    await slack.command("/model", "cheap")
    await slack.until(lambda: core.handled)
    assert core.handled[0][0].groups == {"slack-group:S1"}


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


async def checks_of(slack: SlackServer, **told: Any) -> dict[str, tuple[bool, str, str]]:
    found = await examine_slack(Setup(**{"api_url": slack.api_url, **told}))
    return {check.name: (check.ok, check.detail, check.resolution) for check in found}


async def test_the_doctor_finds_all_in_place(slack: SlackServer) -> None:
    slack.channels["C0OPS"].member = True
    checks = await checks_of(slack)
    assert all(ok for ok, _, _ in checks.values())
    assert "changeover is connected to Team" in checks["slack"][1]
    assert "member of #llm-ops" in checks["slack channel"][1]
    assert f"All {len(SCOPES)} scopes" in checks["slack scopes"][1]


async def test_the_doctor_in_http_mode_opens_no_socket(slack: SlackServer) -> None:
    checks = await checks_of(slack, app_token=None, signing_secret=Secret("s"))
    assert checks["slack events"][0]
    assert "not" not in checks["slack channel"][2]
    assert slack.called("apps.connections.open") == []


async def test_the_doctor_stops_at_a_wrong_bot_token(slack: SlackServer) -> None:
    checks = await checks_of(slack, bot_token=Secret("xoxb-no"))
    assert list(checks) == ["slack"]
    assert not checks["slack"][0]


@pytest.mark.parametrize(
    ("told", "name", "says"),
    [
        ({"app_token": Secret("xapp-no")}, "slack events", "rejected the token"),
        ({"channel": ""}, "slack channel", "SLACK_CHANNEL is not set"),
        ({"channel": "#nowhere"}, "slack channel", "no such channel"),
        ({"channel": "C0OLD"}, "slack channel", "archived"),
        ({"channel": "C0SEEN"}, "slack channel", "/invite @changeover"),
    ],
)
async def test_the_doctor_names_what_is_wrong(
    slack: SlackServer, told: dict[str, Any], name: str, says: str
) -> None:
    slack.channels["C0OLD"] = Channel("old", archived=True)
    slack.channels["C0SEEN"] = Channel("seen")
    if told.get("channel") == "C0SEEN":
        slack.scopes = tuple(s for s in slack.scopes if s != "chat:write.public")
    ok, detail, resolution = (await checks_of(slack, **told))[name]
    assert not ok
    assert says in f"{detail} {resolution}"

"""Who is of the bot's own workspace; requests that are sent again."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.shared.chat import Seen
from adapters.slack.people import Home, Person, came_from, is_stranger
from adapters.storage.buttons import DatabaseTriggers
from adapters.storage.database import Database
from bot.card import Card, text
from bot.errors import StorageError
from tests.servers.slack import SlackServer, as_form, signed
from tests.support.fakes_core import Bench
from tests.support.fakes_storage import FakeClock
from tests.surfaces.slack.conftest import Http, Start

BEST, CHEAP = "anthropic/claude-opus-4-5", "deepseek/deepseek-chat"
REFUSAL = "Changeover answers only the team it belongs to."
T1, GRID = Home("T1"), Home("T1", "E1")


def person(*teams: str, stranger: bool = False) -> Person:
    return Person("Eve", frozenset(teams), stranger)


@pytest.mark.parametrize(
    ("home", "sent_from", "who", "stranger"),
    [
        (T1, {"T1"}, None, False),
        (T1, {"T1"}, person(), False),
        (T1, {"T1"}, person("T1"), False),
        (T1, {"T2"}, None, True),
        (T1, set(), None, True),
        (T1, {"T1"}, person("T2"), True),
        (T1, {"T1"}, person("T1", stranger=True), True),
        (T1, {"T2"}, person("T1"), True),
        (GRID, {"T1"}, person("T1"), False),
        (GRID, {"E1"}, None, False),
        (GRID, {"T2"}, person("T2", "E1"), False),
        (GRID, {"T2"}, None, True),
        (GRID, {"T2"}, person("T2", "E2"), True),
        (Home(""), {"T1"}, person("T1"), True),
    ],
)
def test_is_stranger(home: Home, sent_from: set[str], who: Person | None, stranger: bool):
    assert is_stranger(home, frozenset(sent_from), who) is stranger


@pytest.mark.parametrize(
    ("payload", "teams"),
    [
        ({"team_id": "T1"}, {"T1"}),
        ({"team_id": "T1", "enterprise_id": "E1"}, {"T1", "E1"}),
        ({"team": {"id": "T1"}, "user": {"id": "U9", "team_id": "T2"}}, {"T2"}),
        ({"team": {"id": "T1"}, "enterprise": None, "user": {"id": "U1"}}, {"T1"}),
        ({"team": None, "enterprise": {"id": "E1"}, "user": {"id": "U1"}}, {"E1"}),
        ({"team_id": "T1", "event": {"user": "U9", "user_team": "T2"}}, {"T2"}),
        ({"team_id": "T1", "event": {"user": "U1"}}, {"T1"}),
        ({}, set()),
    ],
)
def test_came_from(payload: dict[str, Any], teams: set[str]):
    assert came_from(payload) == teams


@pytest.mark.parametrize("text", ["status", "history", "cheap", "nonsense", ""])
async def test_another_workspace_is_told_one_private_sentence(
    slack: SlackServer, start: Start, text: str
):
    bench = Bench(operators="*")
    await start(bench.app)
    payload = slack.command_payload("/model", text, user="U9", team="T2")
    await (await slack.send("slash_commands", payload)).acked()
    told = await slack.message(to="U9")
    assert REFUSAL in told.words
    assert "opus" not in told.words
    assert bench.primary == BEST
    assert not [m for m in slack.posted if m.to is None]
    [refusal] = bench.journal.refusals
    assert refusal.actor_key == "slack:U9"
    assert "T2" in refusal.why


async def test_a_guest_of_a_shared_channel_clicks(slack: SlackServer, start: Start):
    bench = Bench(operators="*")
    await start(bench.app)
    await slack.send("slash_commands", slack.command_payload("/model", "cheap"))
    changed = await slack.message()
    slack.users["U9"] = "Eve"
    for number, (team, of) in enumerate(
        [("T2", {"team_id": "T1"}), ("T1", {"team_id": "T2"}), ("T1", {"is_stranger": True})], 1
    ):
        slack.teams[f"U{number}9"], slack.users[f"U{number}9"] = of, "Eve"
        click = slack.click_payload(changed, "Undo", user=f"U{number}9", team=team)
        await slack.send("interactive", click)
        assert REFUSAL in (await slack.message(to=f"U{number}9")).words
        assert bench.primary == CHEAP
    assert len(bench.journal.refusals) == 3


async def test_a_strangers_home_tab(slack: SlackServer, start: Start):
    bench = Bench(operators="*")
    slack.users["U9"], slack.teams["U9"] = "Eve", {"team_id": "T2"}
    await start(bench.app)
    await slack.send("events_api", slack.home_payload("U9"))
    await slack.until(lambda: "U9" in slack.views)
    shown = str(slack.views["U9"])
    assert shown.count(REFUSAL) == 1
    assert "opus" not in shown


async def test_all_of_an_organization_are_at_home(slack: SlackServer, start: Start):
    slack.enterprise = "E1"
    slack.teams["U2"] = {"team_id": "T2", "enterprise_user": {"enterprise_id": "E1"}}
    await start(Bench().app)
    await slack.send(
        "slash_commands", slack.command_payload("/model", "status", user="U2", team="T2")
    )
    assert "opus" in (await slack.message()).words


async def test_a_strangers_refusals_do_not_fill_the_audit_trail(slack: SlackServer, start: Start):
    bench = Bench(operators="*")
    await start(bench.app)
    for number in (1, 2, 3):
        payload = slack.command_payload("/model", "status", user="U9", team="T2")
        await slack.send("slash_commands", payload)
        await slack.message(number, to="U9")
    assert len(bench.journal.refusals) == 1


# --- sent again -------------------------------------------------------------------------------


async def test_a_recorded_request_does_nothing_after_a_restart(
    slack: SlackServer, http: Callable[..., Awaitable[Http]], tmp_path: Path
):
    bench = Bench(operators="*")
    url = f"sqlite:///{tmp_path}/changeover.db"
    payload = slack.command_payload("/model", "cheap")
    headers = signed(as_form(payload))
    for start in range(2):
        database = Database(url)
        app = await http(bench.app, DatabaseTriggers(database, FakeClock()))
        assert (await app.post(payload, headers))[0] == 200
        if not start:
            await slack.message()
        click = slack.click_payload(slack.posted[0], "Undo")
        click["trigger_id"] = "one"
        await app.post(click)
        await app.surface.stop()
        await database.close()
    said = [message.words for message in slack.posted]
    assert len(said) == 2, said
    assert bench.primary == BEST


async def test_a_database_that_is_away_stops_nobody(
    slack: SlackServer, http: Callable[..., Awaitable[Http]]
):
    class Away(Seen):
        async def claim(self, trigger: str) -> bool:
            raise StorageError("The database is away.")

    app = await http(Bench().app, Away())
    payload = slack.command_payload("/model", "status")
    for _ in range(2):
        await app.post(payload)
    await slack.message()
    assert len(slack.posted) == 1


async def test_refused_requests_stand_in_the_log_once(
    slack: SlackServer,
    http: Callable[..., Awaitable[Http]],
    caplog: pytest.LogCaptureFixture,
):
    app = await http(Bench().app)
    body = as_form(slack.command_payload("/model", "status"))
    good = signed(body)
    wrong = {**good, "X-Slack-Signature": "v0=" + "0" * 64}
    with caplog.at_level(logging.WARNING):
        for headers in (
            wrong,
            signed(body, at=time.time() - 301),
            signed(body, at=time.time() + 301),
            {},
        ):
            for _ in range(3):
                assert (await app.post(slack.command_payload("/model", "x"), headers))[0] == 401
    said = [r.getMessage() for r in caplog.records if r.name == "changeover.slack"]
    said = [s for s in said if "was refused" in s]
    assert [s for s in said if "SLACK_SIGNING_SECRET" in s][1:] == []
    assert len([s for s in said if "clock" in s]) == 1
    assert len(said) == 3
    assert not slack.posted


# --- the channel ------------------------------------------------------------------------------


class Kept:
    """A memory that outlives a surface."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def get(self, key: str) -> str | None:
        return self.kept.get(key)

    async def put(self, key: str, value: str) -> None:
        self.kept[key] = value


async def test_a_channel_by_name_is_the_same_after_it_was_renamed(slack: SlackServer, start: Start):
    memory, card = Kept(), Card(title=text("hello"))
    for name in ("llm-ops", "llm-ops-old"):
        slack.channels["C0OPS"].name = name
        surface = await start(Bench().app, memory=memory)
        await surface.chat.post(card)
        await surface.stop()
    assert [message.channel for message in slack.posted] == ["C0OPS", "C0OPS"]


@pytest.mark.parametrize("granted", [True, False])
async def test_a_private_channel_by_name(slack: SlackServer, start: Start, granted: bool):
    slack.channels["G0SEC"].member = True
    if not granted:
        slack.scopes = tuple(scope for scope in slack.scopes if scope != "groups:read")
    surface = await start(Bench().app, channel="#secret")
    assert await surface.chat.channel_id() == ("G0SEC" if granted else "#secret")
    assert ("groups:read" in surface.health().missing_scopes) is not granted

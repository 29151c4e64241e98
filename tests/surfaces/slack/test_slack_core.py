"""The real core behind the real slack-bolt client: rights, questions, clicks, bad input."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.errors import StorageError
from tests.servers.slack import Posted, SlackServer
from tests.support.fakes_core import Bench
from tests.surfaces.slack.conftest import Start

OPUS, FLASH = "anthropic/claude-opus-4-5", "deepseek/deepseek-flash"
CHAT = "deepseek/deepseek-chat"
Enter = Callable[..., Awaitable[Bench]]


@pytest.fixture
def enter(start: Start) -> Enter:
    """Connect a core whose operators are Ana (U1) and the user group S1."""

    async def go(
        config: Any = None, *, operators: str = "slack:U1,slack-group:S1", **more: Any
    ) -> Bench:
        arguments = {"operators": operators, **more}
        bench = Bench(**arguments) if config is None else Bench(config, **arguments)
        await start(bench.app)
        return bench

    return go


async def alone(slack: SlackServer, number: int = 1, user: str = "U1") -> Posted:
    """Wait for the n-th message that only one person sees."""
    return await slack.message(number, to=user)


async def test_status_is_open_to_everybody(slack: SlackServer, enter: Enter) -> None:
    await enter()
    await slack.command("/model", "", user="U3")
    message = await slack.message()
    assert OPUS in message.text
    assert message.button("Test chain")


async def test_a_change_is_told_in_the_channel_with_an_undo_that_works_once(
    slack: SlackServer, enter: Enter
) -> None:
    slack.groups["S1"] = ["U2"]
    bench = await enter()
    await slack.command("/model", "cheap reason “batch <@U3>”")
    told = await slack.message()
    assert told.channel == "C0DEV"
    assert bench.primary != OPUS
    for words in ("Primary: best → cheap", "By Ana.", "batch @Cy", "% cheaper"):
        assert words in told.words
    await slack.click(told, "Undo", user="U2")
    undone = await slack.message(2)
    assert "By Bo." in undone.text
    assert bench.primary == OPUS
    await slack.click(told, "Undo", user="U1")
    late = await alone(slack)
    assert "Bo already clicked this button." in late.text
    assert bench.primary == OPUS
    assert len([m for m in slack.posted if m.to is None]) == 2


async def test_two_clicks_at_once_count_as_one(slack: SlackServer, enter: Enter) -> None:
    slack.groups["S1"] = ["U2"]
    bench = await enter()
    await slack.command("/model", "cheap")
    told = await slack.message()
    await slack.click(told, "Undo", user="U1")
    await slack.click(told, "Undo", user="U2")
    undone = await slack.message(2)
    by, other = ("Ana", "U2") if "By Ana." in undone.text else ("Bo", "U1")
    assert f"{by} already clicked this button." in (await alone(slack, user=other)).text
    assert bench.primary == OPUS
    assert len(bench.store.writes) == 2


async def test_a_dear_change_asks_its_asker_and_nobody_else_can_answer(
    slack: SlackServer, enter: Enter
) -> None:
    slack.groups["S1"] = ["U2"]
    bench = await enter(prices={FLASH: ("0.15", "0.60"), OPUS: ("5", "25")})
    await slack.command("/model", f"use {FLASH}")
    await slack.message()
    await slack.command("/model", f"use {OPUS}")
    question = await alone(slack)
    assert "Question" in question.text
    assert question.button("Confirm")["style"] == "danger"
    await slack.click(question, "Confirm", user="U2")
    assert "somebody else" in (await alone(slack, user="U2")).text
    assert bench.journal.refusals[-1].actor_key == "slack:U2"
    assert bench.primary == FLASH
    await slack.click(question, "Confirm", user="U1")
    assert "By Ana." in (await slack.message(2)).text
    assert bench.primary == OPUS
    await slack.until(lambda: question not in slack.posted)


async def test_a_question_is_dead_after_five_minutes(slack: SlackServer, enter: Enter) -> None:
    bench = await enter(prices={FLASH: ("0.15", "0.60"), OPUS: ("5", "25")})
    await slack.command("/model", f"use {FLASH}")
    await slack.message()
    await slack.command("/model", f"use {OPUS}")
    question = await alone(slack)
    bench.wait(minutes=6)
    await slack.click(question, "Confirm")
    assert "expired" in (await alone(slack, 2)).text
    assert bench.primary == FLASH


async def test_a_question_is_out_of_date_when_the_config_has_changed(
    slack: SlackServer, enter: Enter
) -> None:
    bench = await enter(prices={FLASH: ("0.15", "0.60"), OPUS: ("5", "25")})
    await slack.command("/model", f"use {FLASH}")
    await slack.message()
    await slack.command("/model", f"use {OPUS}")
    question = await alone(slack)
    config = bench.config
    config["agents"]["defaults"]["model"]["primary"] = "ollama/llama3.3"
    bench.store.edit_outside(json.dumps(config).encode())
    await slack.click(question, "Confirm")
    assert "meanwhile" in (await alone(slack, 2)).text
    assert bench.primary == "ollama/llama3.3"


async def test_a_user_without_rights_is_told_what_is_missing_and_it_is_in_the_journal(
    slack: SlackServer, enter: Enter
) -> None:
    slack.groups["S1"] = []
    bench = await enter()
    await slack.command("/model", "cheap", user="U2")
    refusal = await alone(slack, user="U2")
    assert "needs the change permission" in refusal.text
    assert "slack:U2" in refusal.text
    assert bench.store.writes == []
    assert [(r.actor_key, r.command) for r in bench.journal.refusals] == [
        ("slack:U2", "model cheap")
    ]


async def test_rights_are_asked_for_again_at_the_click(
    slack: SlackServer, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.slack.people.GROUP_TTL_S", 0.0)
    slack.groups["S1"] = ["U2"]
    bench = await enter()
    await slack.command("/model", "cheap", user="U2")
    told = await slack.message()
    slack.groups["S1"] = []
    await slack.click(told, "Undo", user="U2")
    assert "permission" in (await alone(slack, user="U2")).text
    assert bench.primary != OPUS
    assert bench.journal.refusals[-1].actor_key == "slack:U2"


async def test_a_button_of_an_old_deploy_changes_nothing(slack: SlackServer, enter: Enter) -> None:
    bench = await enter()
    await slack.command("/model", "status")
    message = await slack.message()
    for value in ("s:nobody-knows", "", "rubbish", "w:model nonsense", "x" * 2000):
        await slack.click(message, "Test chain", value=value)
    await alone(slack, 5)
    assert "has expired" in (await alone(slack, 1)).text
    assert bench.store.writes == []
    assert len([m for m in slack.posted if m.to is None]) == 1


BAD = [
    "x" * 4000,
    "cheep",
    "use <!channel>",
    "use @everyone",
    "🚀🚀🚀",
    "ראשי זול",
    "cheap for ever",
    "use `rm -rf`",
    "&lt;script&gt;",
    "stat\u202eus",
]


@pytest.mark.parametrize("typed", BAD)
async def test_bad_input_is_answered_in_private_and_changes_nothing(
    slack: SlackServer, enter: Enter, typed: str
) -> None:
    bench = await enter()
    await (await slack.command("/model", typed)).acked()
    answer = await alone(slack)
    assert "Error" in answer.text
    for ping in ("<!", "<@", "@everyone"):
        assert ping not in answer.markup
    assert bench.store.writes == []
    assert [m for m in slack.posted if m.to is None] == []


async def test_a_reason_that_would_ping_is_shown_and_pings_nobody(
    slack: SlackServer, enter: Enter
) -> None:
    await enter()
    await slack.command("/model", "cheap reason <!channel> @everyone <https://evil.test|bank>")
    told = await slack.message()
    assert "@\u2060channel @\u2060everyone bank" in told.text
    for bad in ("<!c", "@everyone", "<http"):
        assert bad not in told.markup
    # In rich text Slack reads no markup, so that it stays as it was typed.
    assert "Reason: @channel @everyone bank" in told.words


async def test_a_prefix_stands_before_every_command(slack: SlackServer, enter: Enter) -> None:
    await enter(prefix="llm-")
    await slack.command("/llm-model", "status")
    status = await slack.message()
    assert OPUS in status.text
    await slack.command("/llm-model", "hlep")
    wrong = await slack.message(to="U1")
    for said in (status, wrong):
        assert "/llm-" in said.words
        assert not re.search(r"(?<![\w/])/(model|fallback|cost)\b", said.words)
    await slack.send("events_api", slack.home_payload())
    view = json.dumps(await slack.until(lambda: slack.views.get("U1")))
    assert "/llm-" in view
    assert not re.search(r"(?<![\w/])/(model|fallback|cost)\b", view)


async def test_a_change_while_the_database_is_away_is_told_all_the_same(
    slack: SlackServer, enter: Enter
) -> None:
    bench = await enter()
    bench.journal.fail = StorageError("The database is away.", "changeover doctor")
    await slack.command("/model", "status")
    assert "database is away" in (await slack.message()).text


async def test_a_restart_keeps_the_buttons(slack: SlackServer, start: Start) -> None:
    bench = Bench(operators="slack:U1")
    surface = await start(bench.app)
    await slack.command("/model", "cheap")
    told = await slack.message()
    await surface.stop()
    await start(bench.app)
    await slack.click(told, "Undo")
    await slack.message(2)
    assert bench.primary == OPUS


async def test_a_chain_is_tested_from_a_button(slack: SlackServer, enter: Enter) -> None:
    await enter()
    await slack.command("/fallback", "")
    await slack.click(await slack.message(), "Test chain")
    tested = await slack.message(2)
    assert "4" in tested.text
    assert tested.button("Test again")


async def test_help_and_history_and_list_fit(slack: SlackServer, enter: Enter) -> None:
    await enter()
    await slack.command("/model", "cheap reason first")
    await slack.command("/model", "history")
    await slack.command("/model", "list")
    await slack.command("/fallback", "events 2d")
    await slack.command("/model", "help")
    await slack.message(4)
    assert "/model use MODEL" in (await alone(slack)).text


async def test_the_home_tab_has_chain_and_changes(slack: SlackServer, enter: Enter) -> None:
    await enter()
    await slack.command("/model", "cheap reason first")
    await slack.message()
    await slack.send("events_api", slack.home_payload("U1"))
    view = await slack.until(lambda: slack.views.get("U1"))
    words = json.dumps(view, ensure_ascii=False)
    assert FLASH in words
    assert "first" in words


async def test_a_menu_switches_once_slack_has_asked(slack: SlackServer, enter: Enter) -> None:
    bench = await enter()
    await slack.command("/model", "")
    status = await slack.message()
    bench.clock.at = datetime.fromtimestamp(float(status.ts), UTC)
    assert status.menu["confirm"]["confirm"]["text"] == "Switch"
    assert status.button("Switch to cheap")["confirm"] == status.menu["confirm"]
    assert "confirm" not in status.button("Test chain")
    await slack.pick(status, "cheap", user="U3")
    refused = await alone(slack, user="U3")
    assert "CHANGEOVER_OPERATORS" in refused.words or "operator" in refused.words
    assert bench.primary == OPUS
    await slack.pick(status, "cheap")
    told = await slack.message(2)
    assert "Primary: best → cheap" in told.words
    assert told.button("Undo")


async def test_a_button_older_than_a_day_asks_first(slack: SlackServer, enter: Enter) -> None:
    bench = await enter()
    await slack.command("/model", "")
    status = await slack.message()
    bench.clock.at = datetime.fromtimestamp(float(status.ts), UTC) + timedelta(days=1, minutes=1)
    await slack.click(status, "Switch to cheap")
    asked = await alone(slack)
    assert "Nothing has changed yet." in asked.words
    assert bench.primary == OPUS
    await slack.click(asked, "Confirm")
    assert "best → cheap" in (await slack.message(2)).words


async def test_the_home_tab_acts_as_the_person_who_clicks(slack: SlackServer, enter: Enter) -> None:
    bench = await enter()
    await slack.send("events_api", slack.home_payload("U1"))
    await slack.until(lambda: slack.views.get("U1"))
    home = Posted("", "", slack.views["U1"]["blocks"], "1.0", "views.publish")
    for label in ("Test chain", "Switch to cheap"):
        assert home.button(label)
    for user, primary in (("U3", OPUS), ("U1", CHAT)):
        click = slack.click_payload(home, "Switch to cheap", user=user)
        click["container"], click["view"] = {"type": "view"}, {"blocks": home.blocks}
        del click["channel"], click["response_url"], click["message"]
        published = len(slack.called("views.publish"))
        await slack.send("interactive", click)
        await slack.until(lambda n=published: len(slack.called("views.publish")) > n)
        assert bench.primary == primary
    # What a click does is answered in the person's own messages, a change in the channel too.
    said = {message.channel: message.text for message in slack.posted}
    assert "DU3" in said
    assert "Primary" in said["DU1"]
    assert "Primary" in said["C0OPS"]

"""Socket Mode end to end: acknowledge first, answer where it was asked, stay connected."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from bot.access import Actor
from bot.card import Card, Tone
from tests.servers.slack import Fault, SlackServer
from tests.support.fakes_slack import FakeCore, button, private, public, refused
from tests.surfaces.slack.conftest import Start


async def test_a_command_is_acknowledged_while_the_core_is_still_busy(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(lines={"model status": public("fast")})
    core.gate.clear()
    slack.faults["users.info"].append(Fault(wait_s=0.2))
    await start(core)
    delivery = await slack.command("/model", "status")
    assert await delivery.acked() is None
    assert core.handled == []
    assert slack.posted == []
    core.gate.set()
    assert (await slack.message()).text == "fast"


async def test_nothing_is_asked_of_slack_before_the_acknowledgement(
    slack: SlackServer, start: Start
) -> None:
    await start(FakeCore())
    slack.calls.clear()
    slack.faults["users.info"].append(Fault(wait_s=0.2))
    await (await slack.command("/model", "status")).acked()
    assert {method for method, _ in slack.calls} <= {"users.info"}


async def test_channel_answers_are_seen_by_all_and_private_ones_by_the_asker(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(lines={"model status": public("fast"), "model help": private("forms")})
    await start(core)
    await slack.command("/model", "status")
    await slack.command("/model", "help", user="U2")
    shown, whispered = await slack.message(), await slack.message(to="U2")
    assert (shown.channel, shown.text, shown.via) == ("C0DEV", "fast", "response_url")
    assert (whispered.channel, whispered.text) == ("C0DEV", "forms")


async def test_an_error_is_for_the_asker_alone(slack: SlackServer, start: Start) -> None:
    await start(FakeCore())
    await slack.command("/model", "nonsense")
    assert "Error: unknown line: model nonsense" in (await slack.message(to="U1")).text
    assert [m for m in slack.posted if m.to is None] == []


async def test_a_command_that_the_app_does_not_know_is_answered_too(
    slack: SlackServer, start: Start
) -> None:
    await start(FakeCore())
    await (await slack.command("/llm-model", "status")).acked()
    assert "unknown line: llm-model status" in (await slack.message(to="U1")).text


async def test_the_actor_has_the_name_that_slack_shows(slack: SlackServer, start: Start) -> None:
    core = FakeCore()
    await start(core)
    for _ in range(2):
        await slack.command("/model", "status")
    await slack.until(lambda: len(core.handled) == 2)
    actor, line = core.handled[0]
    assert (actor.key, actor.name, line) == ("slack:U1", "Ana", "/model status")
    assert len(slack.called("users.info")) == 1


async def test_a_name_that_slack_will_not_tell_is_the_one_that_came_along(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore()
    slack.faults["users.info"] = deque([Fault(error="internal_error")])
    await start(core)
    await slack.command("/model", "status", user="U2")
    await slack.until(lambda: core.handled)
    assert core.handled[0][0].name == "u2.name"


async def test_typed_text_arrives_as_it_was_typed(slack: SlackServer, start: Start) -> None:
    core = FakeCore()
    await start(core)
    await slack.command(
        "/model",
        "cheap reason “a &lt; b &amp;amp; c” asked by <@U2> and <@U3|cy> in <#C0DEV|dev> "
        "<https://x.test/a?b=1&amp;c|x.test> <!channel> 🚀 שלום",
    )
    await slack.until(lambda: core.handled)
    assert core.handled[0][1] == (
        "/model cheap reason “a < b &amp; c” asked by @Bo and @cy in #dev x.test @channel 🚀 שלום"
    )


async def test_four_thousand_characters_reach_the_core_whole(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore()
    await start(core)
    await slack.command("/model", "x" * 4000)
    answer = await slack.message(to="U1")
    assert core.handled[0][1] == "/model " + "x" * 4000
    assert len(answer.text) <= 4000


async def test_a_click_is_acknowledged_first_and_carried_out_as_the_clicker(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(
        lines={"model status": public("fast", button("Test", "fallback test"))},
        clicks=lambda actor, id_: public(f"{actor.name} clicked {id_}"),
    )
    await start(core)
    await slack.command("/model", "status")
    message = await slack.message()
    core.gate.clear()
    await (await slack.click(message, "Test", user="U2")).acked()
    assert len(slack.posted) == 1
    core.gate.set()
    assert (await slack.message(2)).text == "Bo clicked w:fallback test"
    assert message in slack.posted


async def test_a_question_is_answered_in_the_channel_and_then_taken_away(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(
        lines={"model best": private("Confirm?", button("Confirm"))},
        clicks=lambda actor, id_: public("done"),
    )
    await start(core)
    await slack.command("/model", "best")
    question = await slack.message(to="U1")
    await slack.click(question, "Confirm")
    assert (await slack.message()).text == "done"
    await slack.until(lambda: question not in slack.posted)


async def test_a_question_stays_where_the_answer_is_an_error(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(
        lines={"model best": private("Confirm?", button("Confirm"))},
        clicks=lambda actor, id_: refused("It has moved on."),
    )
    await start(core)
    await slack.command("/model", "best")
    question = await slack.message(to="U1")
    await slack.click(question, "Confirm")
    assert "It has moved on." in (await slack.message(2, to="U1")).text
    assert question in slack.posted


async def test_a_button_without_a_value_is_handed_to_the_core_like_any_other(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(lines={"model status": public("fast", button("Old"))})
    await start(core)
    await slack.command("/model", "status")
    message = await slack.message()
    payload = slack.click_payload(message, "Old")
    payload["actions"][0] |= {"value": None, "action_id": "something else"}
    await (await slack.send("interactive", payload)).acked()
    assert "unknown button ''" in (await slack.message(to="U1")).text


async def test_a_change_made_in_private_is_told_to_the_channel(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(lines={"model cheap": public("best → cheap", tone=Tone.CHANGE)})
    await start(core)
    await slack.command("/model", "cheap", channel="DU1")
    await slack.message(2)
    assert [(m.channel, m.via) for m in slack.posted] == [
        ("DU1", "response_url"),
        ("C0OPS", "chat.postMessage"),
    ]


async def test_what_changes_nothing_stays_private(slack: SlackServer, start: Start) -> None:
    core = FakeCore(lines={"model status": public("fast"), "model x": public("last")})
    await start(core)
    await slack.command("/model", "status", channel="DU1")
    await slack.message()
    await slack.command("/model", "x", channel="DU1")
    await slack.message(2)
    assert {m.channel for m in slack.posted} == {"DU1"}


async def test_whoever_changes_in_private_hears_when_the_channel_was_not_told(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(lines={"model cheap": public("best → cheap", tone=Tone.CHANGE)})
    await start(core, channel="C0GONE")
    await slack.command("/model", "cheap", channel="DU1")
    note = await slack.message(to="U1")
    assert "not announced in the channel" in note.text
    assert "SLACK_CHANNEL" in note.text


async def test_an_envelope_that_comes_twice_is_acknowledged_twice_and_done_once(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(lines={"model status": public("fast")})
    await start(core)
    payload = slack.command_payload("/model", "status")
    await (await slack.send("slash_commands", payload, "twice")).acked()
    await (await slack.send("slash_commands", payload, "twice")).acked()
    await slack.command("/model", "last")
    await slack.message(to="U1")
    assert [line for _, line in core.handled] == ["/model status", "/model last"]


async def test_a_socket_of_another_process_is_said(
    slack: SlackServer, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    await start(FakeCore())
    await slack.disconnect()
    # One of its own that it leaves does not count.
    await slack.until(lambda: len(slack.sockets) == 2)
    await slack.until(lambda: len(slack.sockets) == 1)
    assert "SLACK_APP_TOKEN" not in caplog.text
    await start(FakeCore())
    await slack.until(lambda: "counts 2 connections of this app, 1 of them" in caplog.text)


async def test_the_home_tab_shows_how_things_stand(slack: SlackServer, start: Start) -> None:
    core = FakeCore(
        lines={
            "model status": public("fast", button("Test")),
            "model history 5": public("2 changes"),
        }
    )
    await start(core)
    await (await slack.send("events_api", slack.home_payload("U2", "Ev9"))).acked()
    await (await slack.send("events_api", slack.home_payload("U2", "Ev9"))).acked()
    view = await slack.until(lambda: slack.views.get("U2"))
    words = str(view)
    assert "fast" in words
    assert "2 changes" in words
    assert len(slack.called("views.publish")) == 1


async def test_a_click_in_the_home_tab_is_answered_in_the_persons_own_messages(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(clicks=lambda actor, id_: public("went back", tone=Tone.CHANGE))
    await start(core)
    payload = {
        "type": "block_actions",
        "user": {"id": "U2", "username": "bo"},
        "container": {"type": "view", "view_id": "V1"},
        "actions": [{"type": "button", "action_id": "changeover:0", "value": "w:model undo"}],
    }
    await (await slack.send("interactive", payload)).acked()
    await slack.message(2)
    assert [m.channel for m in slack.posted] == ["DU2", "C0OPS"]
    await slack.until(lambda: slack.views.get("U2"))


async def test_an_event_nobody_asked_for_is_acknowledged(slack: SlackServer, start: Start) -> None:
    await start(FakeCore())
    event = {
        "type": "event_callback",
        "event_id": "Ev1",
        "event": {"type": "message", "user": "U1"},
    }
    await (await slack.send("events_api", event)).acked()


async def test_it_opens_another_socket_when_slack_asks(slack: SlackServer, start: Start) -> None:
    core = FakeCore(lines={"model status": public("fast")})
    await start(core)
    first = slack.sockets[-1]
    await slack.disconnect()
    await slack.until(lambda: slack.sockets and slack.sockets[-1] is not first)
    await (await slack.command("/model", "status")).acked()
    assert (await slack.message()).text == "fast"


@pytest.mark.parametrize(
    "reason", ["warning", "refresh_requested", "link_disabled", "too_many_websockets"]
)
async def test_whatever_reason_slack_gives_nothing_is_lost(
    slack: SlackServer, start: Start, reason: str
) -> None:
    core = FakeCore(lines={"model status": public("fast")})
    await start(core)
    before = slack.sockets[-1]
    await slack.command("/model", "status")
    await slack.disconnect(reason)
    await slack.until(lambda: slack.sockets and slack.sockets[-1] is not before)
    await (await slack.command("/model", "status")).acked()
    await slack.message(2)
    assert len(core.handled) == 2


async def test_a_command_that_comes_again_in_another_envelope_is_done_once(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(lines={"model status": public("fast")})
    await start(core)
    payload = slack.command_payload("/model", "status")
    for _ in range(2):
        await (await slack.send("slash_commands", payload)).acked()
    await slack.message()
    await (await slack.command("/model", "status")).acked()
    await slack.message(2)
    assert len(core.handled) == 2


@pytest.mark.parametrize("kind", ["shortcut", "message_action", "view_submission", "view_closed"])
async def test_what_the_app_never_asked_for_is_acknowledged(
    slack: SlackServer, start: Start, kind: str
) -> None:
    core = FakeCore()
    await start(core)
    payload = {
        "type": kind, "callback_id": "x", "team": {"id": "T1"}, "user": {"id": "U1"},
        "view": {"callback_id": "x", "type": "modal"}, "trigger_id": "9.9",
    }  # fmt: skip
    await (await slack.send("interactive", payload)).acked()
    assert core.handled == []


async def test_it_comes_back_after_a_dropped_socket_and_two_failures(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(lines={"model status": public("fast")})
    surface = await start(core)
    first = slack.sockets[-1]
    slack.refuse_sockets = 1
    slack.faults["apps.connections.open"].append(Fault(error="internal_error"))
    slack.cut()
    await slack.until(lambda: slack.sockets and slack.sockets[-1] is not first)
    await (await slack.command("/model", "status")).acked()
    assert (await slack.message()).text == "fast"
    assert surface.health().ok
    assert len(slack.called("apps.connections.open")) == 4


async def test_an_answer_begun_before_the_socket_dropped_still_arrives(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(lines={"model status": public("fast")})
    core.gate.clear()
    await start(core)
    await (await slack.command("/model", "status")).acked()
    await slack.until(lambda: core.handled)
    slack.cut()
    core.gate.set()
    assert (await slack.message()).text == "fast"


async def test_rubbish_on_the_socket_is_passed_over(slack: SlackServer, start: Start) -> None:
    core = FakeCore(lines={"model status": public("fast")})
    await start(core)
    for rubbish in ("{", "[]", '{"type":"new thing"}', '{"envelope_id":"x1"}'):
        await slack.sockets[-1].send_str(rubbish)
    await (await slack.command("/model", "status")).acked()
    assert (await slack.message()).text == "fast"


async def test_stopping_lets_what_has_begun_come_to_its_end(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(lines={"model status": public("fast")})
    core.gate.clear()
    surface = await start(core)
    await (await slack.command("/model", "status")).acked()
    await slack.until(lambda: core.handled)
    stopping = asyncio.create_task(surface.stop())
    await slack.until(lambda: not slack.sockets)
    core.gate.set()
    await stopping
    assert [m.text for m in slack.posted] == ["fast"]
    assert not surface.health().ok


async def test_what_never_ends_is_cut_off(slack: SlackServer, start: Start, caplog) -> None:
    core = FakeCore()
    core.gate.clear()
    surface = await start(core)
    await slack.command("/model", "status")
    await slack.until(lambda: core.handled)
    await surface.stop(drain_s=0.01)
    assert "1 replies to Slack were cancelled" in caplog.text


async def test_a_restarted_surface_takes_over(slack: SlackServer, start: Start) -> None:
    core = FakeCore(
        lines={"model status": public("fast", button("Undo"))},
        clicks=lambda actor, id_: public(f"clicked {id_}"),
    )
    surface = await start(core)
    await slack.command("/model", "status")
    message = await slack.message()
    await surface.stop()
    await start(core)
    await (await slack.click(message, "Undo")).acked()
    assert (await slack.message(2)).text == "clicked w:model undo"


async def test_a_bug_in_the_core_is_logged_and_nothing_else_breaks(
    slack: SlackServer, start: Start, caplog
) -> None:
    def broken(actor: Actor, id_: str) -> Card:
        raise KeyError("a bug")

    core = FakeCore(lines={"model status": public("fast", button("Undo"))}, clicks=broken)
    await start(core)
    await slack.command("/model", "status")
    await slack.click(await slack.message(), "Undo")
    await slack.until(lambda: core.clicked)
    await slack.command("/model", "status")
    await slack.message(2)
    assert "failed unexpectedly" in caplog.text


async def test_an_envelope_is_acknowledged_on_a_later_socket_if_need_be(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(lines={"model status": public("fast")})
    await start(core)
    first = slack.sockets[-1]
    deliveries = [await slack.command("/model", "status") for _ in range(20)]
    await slack.disconnect("warning")
    for delivery in deliveries:
        await delivery.acked()
    await slack.until(lambda: slack.sockets and slack.sockets[-1] is not first)
    assert (await slack.message(20)).text == "fast"


async def test_what_still_comes_down_the_old_socket_is_taken_too(
    slack: SlackServer, start: Start
) -> None:
    core = FakeCore(lines={"model status": public("fast")})
    await start(core)
    old = slack.sockets[-1]
    await slack.disconnect("warning")
    await slack.until(lambda: len(slack.sockets) == 2)
    slack.sockets.sort(key=lambda socket: socket is old)
    await (await slack.command("/model", "status")).acked()
    assert (await slack.message()).text == "fast"

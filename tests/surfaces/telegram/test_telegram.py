"""Telegram end to end: the real library, a strict Bot API server on loopback, the real core."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters.telegram.settings import Pace
from bot.card import Action, Attachment, Button, Chart, Tone, text
from bot.errors import ChatError
from tests.servers.telegram import (
    ANA,
    BO,
    BOT_ID,
    FORUM_TOPIC,
    GROUP,
    MALLORY,
    Fault,
    TelegramServer,
)
from tests.support.fakes_core import Bench
from tests.support.fakes_discord import FakeMemory
from tests.support.fakes_slack import FakeCore, button, private, public
from tests.support.fakes_telegram import running


@pytest.fixture
async def server() -> AsyncIterator[TelegramServer]:
    telegram = TelegramServer()
    await telegram.start()
    yield telegram
    await telegram.stop()


def bench() -> Bench:
    return Bench(operators=f"telegram:{ANA}")


class Triggers:
    """The database's part: what was acted on, over a restart."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    async def claim(self, trigger: str) -> bool:
        new = trigger not in self.seen
        self.seen.add(trigger)
        return new


async def test_commands_are_offered_and_answered_where_they_were_asked(
    server: TelegramServer,
) -> None:
    async with running(server, bench().app):
        names = [command["command"] for command in server.commands]
        assert names == ["model", "fallback", "cost", "help"]
        asked = server.say("/model@Changeover_Bot status", by=BO, message_thread_id=FORUM_TOPIC,
                           is_topic_message=True)  # fmt: skip
        answer = await server.shown("anthropic/claude-opus-4-5")
        assert (answer.chat, answer.topic, answer.only) == (GROUP, FORUM_TOPIC, None)
        assert asked


async def test_an_operator_switches_and_undoes_with_a_button(server: TelegramServer) -> None:
    world = bench()
    async with running(server, world.app):
        server.say("/model cheap reason <b>batch</b> & co")
        changed = await server.shown("Changed")
        assert "<b>batch</b> & co" in changed.words
        server.click(changed, "Undo")
        await server.until(lambda: server.answered)
        undone = await server.until(lambda: len(server.messages) > 1 and server.messages[-1])
        assert undone.only is None or "Undo" in undone.labels


async def test_who_may_not_is_refused_alone(server: TelegramServer) -> None:
    async with running(server, bench().app):
        server.say("/model cheap", by=BO)
        refusal = await server.shown(f"add telegram:{BO}")
        assert refusal.only == BO


async def test_where_the_server_has_no_private_answers_they_are_direct_messages(
    server: TelegramServer,
) -> None:
    server.ephemeral = False
    server.started.add(BO)
    async with running(server, bench().app):
        server.say("/model cheap", by=BO)
        assert (await server.shown(f"add telegram:{BO}", chat=BO)).only is None
        assert [m.chat for m in server.messages] == [BO]


async def test_who_has_not_started_the_bot_gets_errors_in_the_group_and_nothing_private(
    server: TelegramServer,
) -> None:
    server.ephemeral = False
    core = FakeCore(lines={"model status": private("Secret figures")})
    async with running(server, core):
        server.say("/model status", by=BO)
        await server.shown("press Start", chat=GROUP)
        server.say("/model nonsense", by=BO)
        await server.shown("unknown line", chat=GROUP)
        assert not any("Secret" in m.words for m in server.messages)


@pytest.mark.parametrize("chat", [-77, MALLORY])
async def test_strangers_read_nothing(server: TelegramServer, chat: int) -> None:
    server.chats[-77] = "group"
    server.started.add(MALLORY)
    async with running(server, bench().app):
        server.say("/model status", by=MALLORY, chat=chat)
        await server.shown("answers only the team it belongs to")
        assert len(server.messages) == 1


async def test_without_a_home_it_names_the_chat_and_answers_nothing(
    server: TelegramServer,
) -> None:
    async with running(server, bench().app, chat_id=None):
        server.say("/help")
        await server.shown(f"TELEGRAM_CHAT_ID={GROUP}")


async def test_a_member_asks_in_a_private_chat_and_the_change_is_announced(
    server: TelegramServer,
) -> None:
    server.started.add(ANA)
    async with running(server, bench().app):
        server.say("/model cheap", chat=ANA)
        await server.shown("Changed", chat=ANA)
        await server.shown("Changed", chat=GROUP)


async def test_what_is_for_others_or_too_old_is_left_alone(server: TelegramServer) -> None:
    core = FakeCore(lines={"model status": public("Here")})
    async with running(server, core):
        for words in ("hello", "/model@other_bot status", "/roll 6"):
            server.say(words)
        server.say("/model status", date=1_700_000_000)
        await server.shown("was offline when this was sent")
        server.say("/model status")
        await server.shown("Here")
        assert len(core.handled) == 1


async def test_a_restart_neither_loses_nor_doubles(server: TelegramServer) -> None:
    core, triggers = FakeCore(lines={"model status": public("Here")}), Triggers()
    async with running(server, core, triggers=triggers):
        server.say("/model status")
        await server.shown("Here")
    # What was never confirmed comes once more, and what was said meanwhile.
    server._updates.insert(
        0, {"update_id": 1000, "message": server._typed("/model status", ANA, GROUP)}
    )
    server.say("/model status")
    async with running(server, core, triggers=triggers):
        await server.until(lambda: len(core.handled) == 2)
        await server.until(lambda: not server.waiting)
    assert len(core.handled) == 2


async def test_another_poller_is_said_plainly_and_survived(
    server: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.other_poller = True
    async with running(server, FakeCore(), wait=False) as surface:
        await server.until(lambda: "Another program polls" in surface.health().trouble)
        server.other_poller = False
        await server.until(lambda: surface.health().ok)
    assert server.token not in caplog.text


async def test_a_wrong_token_is_said_and_never_shown(
    server: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.token = "1:other"
    async with running(server, FakeCore(), wait=False) as surface:
        await server.until(lambda: "rejected the token" in surface.health().trouble)
    assert "AAFake" not in caplog.text + surface.health().trouble


async def test_a_group_that_becomes_a_supergroup_is_followed_and_remembered(
    server: TelegramServer,
) -> None:
    memory, new = FakeMemory(), -100777
    async with running(server, FakeCore(), memory=memory) as surface:
        before = await surface.chat.post(public("before"))
        server.chats[new] = "supergroup"
        server.moved[GROUP] = new
        after = await surface.chat.post(public("after"))
        assert (before.channel, after.channel) == (str(GROUP), str(new))
        with pytest.raises(ChatError) as gone:
            await surface.chat.update(before, public("changed"))
        assert gone.value.gone
        await surface.chat.reply(before, public("a reply"))
    core = FakeCore(lines={"model status": public("Here")})
    async with running(server, core, memory=memory):
        server.say("/model status", chat=new)
        await server.shown("Here", chat=new)


async def test_thrown_out_is_a_trouble_of_the_channel(server: TelegramServer) -> None:
    async with running(server, FakeCore()) as surface:
        server.members[BOT_ID] = "kicked"
        with pytest.raises(ChatError, match="removed from the Telegram chat") as error:
            await surface.chat.post(public("x"))
        assert not error.value.gone
        assert "Add it" in error.value.hint


async def test_a_group_takes_twenty_a_minute(
    server: TelegramServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pace = Pace(chat_s=0.0, group_window_s=0.2, group_most=3, first_retry_s=0.02)
    async with running(server, FakeCore(), pace=pace) as surface:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(4):
            await surface.chat.post(public(f"n{number}"))
        assert loop.time() - began >= 0.2


async def test_a_digest_has_its_picture_and_fits_the_caption(server: TelegramServer) -> None:
    async def draw(chart: Chart) -> bytes:
        return b"\x89PNG\r\n"

    long = tuple(text(f"line {n} " + "x" * 60) for n in range(40))
    card = replace(public("Week 9"), body=long, chart=Chart("<svg/>", "alt"), command="cost week")
    async with running(server, FakeCore(), draw=draw) as surface:
        ref = await surface.chat.post(card)
        [message] = server.messages
        assert message.photo
        assert "more lines left out; changeover cost week shows all" in message.words
        await surface.chat.update(ref, public("Corrected"))
        assert message.words == "Corrected"


async def test_long_cards_odd_words_and_long_buttons_are_taken(server: TelegramServer) -> None:
    odd = "\u202e<script>&amp; *x* _y_ `z` 😀" * 400
    card = replace(
        public(odd, Button("B" * 300, Action("x")), tone=Tone.BAD),
        body=tuple(text(odd) for _ in range(30)),
        buttons=tuple(button(f"b{n}", f"model use {n} " + "y" * 80) for n in range(40)),
    )
    async with running(server, bench().app) as surface:
        await surface.chat.post(card)
        assert len(server.messages[-1].labels) == 24


async def test_a_server_without_date_markup_gets_times_in_utc(server: TelegramServer) -> None:
    server.dates = False
    world = bench()
    async with running(server, world.app):
        server.say("/model cheap for 2h")
        await server.shown("UTC")


async def test_a_file_follows_its_answer(server: TelegramServer) -> None:
    server.started.add(ANA)
    card = replace(private("Export"), attachment=Attachment("costs.csv", "text/csv", b"a,b\n"))
    core = FakeCore(lines={"cost export": card, "model status": card})
    async with running(server, core):
        server.say("/model status", chat=ANA)
        file = await server.until(lambda: next((m for m in server.messages if m.file), None))
        assert (file.file, file.chat) == ("costs.csv", ANA)


async def test_a_closed_topic_does_not_swallow_an_answer(server: TelegramServer) -> None:
    core = FakeCore(lines={"model status": public("Here")})
    async with running(server, core):
        server.say("/model status", message_thread_id=99, is_topic_message=True)
        assert (await server.shown("Here")).topic is None


async def test_an_answer_that_may_have_arrived_is_unsure(server: TelegramServer) -> None:
    async with running(server, FakeCore()) as surface:
        server.faults["sendMessage"].append(Fault(drop=True, after=True))
        with pytest.raises(ChatError) as error:
            await surface.chat.post(public("once"))
        assert error.value.unsure

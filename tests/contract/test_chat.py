"""What every Chat keeps to: each chat on its local server, and the core's fake."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol, cast

import pytest

from adapters.discord.service import DiscordSurface
from adapters.slack.app import SlackSurface
from bot.access import SERVICE
from bot.alerts.delivery import AT_WORK
from bot.alerts.notices import StoredOutbox
from bot.card import Action, Button, Card, Code, Person, Strong, Tone, text
from bot.commands.cost_posting import digest_draft, put_due_digest
from bot.errors import ChatError
from bot.ports import Chat, ChatHistory, MessageRef
from tests.servers import telegram as telegram_server
from tests.servers.discord import CHANNEL, DiscordServer
from tests.servers.slack import Fault, SlackServer
from tests.servers.telegram import GROUP, TelegramServer
from tests.support import fakes_telegram
from tests.support.bench_costs import DAY, NOW, TEAM, bench_of
from tests.support.fakes_alerts import AlertBench, FakeAlertStore, FakeChat
from tests.support.fakes_core import Bench
from tests.support.fakes_discord import running
from tests.support.fakes_slack import FakeCore, Setup
from tests.support.fakes_storage import FakeClock

LONG_AGO, NOT_YET = datetime(2023, 1, 1, tzinfo=UTC), datetime(2043, 1, 1, tzinfo=UTC)
ALERT = Card(
    title=text(Strong("Fallback"), ": anthropic is rate limited"),
    tone=Tone.WARNING,
    body=(text("37 requests were answered by ", Code("deepseek/deepseek-flash"), "."),),
    buttons=(Button("Test chain", Action("fallback test")),),
)
RECOVERED = replace(ALERT, title=text("Recovered"), tone=Tone.GOOD, body=(), buttons=())


@dataclass(frozen=True)
class Seen:
    """A message as the people in the channel see it."""

    id: str
    words: str
    under: str | None
    edits: int


class World(Protocol):
    """A chat with a channel, and what may happen to it."""

    name: str

    @property
    def chat(self) -> Chat: ...

    def seen(self) -> Sequence[Seen]: ...

    def delete(self, message: MessageRef) -> None: ...

    def close_channel(self) -> None: ...

    def forbid(self) -> None: ...

    def slow_down(self) -> None: ...

    def break_off(self) -> None: ...

    def lose_the_answer(self) -> None: ...

    def called(self) -> Sequence[str]: ...


class Fake:
    """The chat in memory."""

    name = "slack"

    def __init__(self) -> None:
        self.chat = FakeChat("slack", FakeClock())

    def seen(self) -> list[Seen]:
        return [Seen(m.id, m.text, m.thread, m.edits) for m in self.chat.messages]

    def delete(self, message: MessageRef) -> None:
        self.chat.messages = [m for m in self.chat.messages if m.id != message.id]

    def close_channel(self) -> None:
        self.chat.messages.clear()
        self.chat.fail_post = ChatError("It knows no such channel.", gone=True)

    def forbid(self) -> None:
        self.chat.fail_post = ChatError("The bot may not post there.", "Allow it.")
        self.chat.fail_find = ChatError("The bot may not read there.", "Allow it.")

    def slow_down(self) -> None:
        """It is never too fast for memory."""

    def break_off(self) -> None:
        self.chat.fail_post = ChatError("It is unreachable.", "Check the network.")

    def lose_the_answer(self) -> None:
        """Memory always answers."""

    def called(self) -> list[str]:
        return []


class Slack:
    """Slack's local server."""

    name = "slack"

    def __init__(self, server: SlackServer, chat: Chat) -> None:
        self.server, self.chat = server, chat

    def seen(self) -> list[Seen]:
        return [Seen(m.ts, m.words, m.thread_ts, m.edits) for m in self.server.posted]

    def delete(self, message: MessageRef) -> None:
        self.server.posted = [m for m in self.server.posted if m.ts != message.id]

    def close_channel(self) -> None:
        self.server.posted.clear()
        del self.server.channels["C0OPS"]

    def forbid(self) -> None:
        for method in ("chat.postMessage", "conversations.history"):
            self.server.faults[method].append(Fault(error="restricted_action"))

    def slow_down(self) -> None:
        # One call of three: the SDK adds up to a second to each wait.
        self.server.faults["chat.postMessage"].append(
            Fault(status=429, headers={"Retry-After": "0"})
        )

    def break_off(self) -> None:
        self.server.faults["chat.postMessage"].append(Fault(error="internal_error"))

    def lose_the_answer(self) -> None:
        self.server.faults["chat.postMessage"].append(Fault(drop=True))

    def called(self) -> list[str]:
        told = self.server.called("chat.postMessage")[-1]
        return ["U1"] if "<@U1>" in str(told) else []


class Discord:
    """Discord's local server."""

    name = "discord"

    def __init__(self, server: DiscordServer, chat: Chat) -> None:
        self.server, self.chat = server, chat

    def seen(self) -> list[Seen]:
        messages = self.server.seen() if CHANNEL in self.server.channels else []
        return [
            Seen(
                str(m.id),
                "\n".join([m.words, *m.buttons]),
                str(m.reference) if m.reference else None,
                m.edits,
            )
            for m in messages
        ]

    def delete(self, message: MessageRef) -> None:
        next(m for m in self.server.channels[CHANNEL] if str(m.id) == message.id).deleted = True

    def close_channel(self) -> None:
        del self.server.channels[CHANNEL]

    def forbid(self) -> None:
        refusal = {"message": "Missing Permissions", "code": 50013}
        for method in ("POST", "GET"):
            self.server.fail(method, "/messages", 403, refusal)

    def slow_down(self) -> None:
        for method in ("POST", "PATCH", "GET"):
            self.server.slow_down(method, "/messages", by_s=0.01, via=False)

    def break_off(self) -> None:
        self.server.fail("POST", "/messages", 400, {"message": "broken", "code": 0})

    def lose_the_answer(self) -> None:
        self.server.lose_answers = 1

    def called(self) -> list[str]:
        return [str(u) for u in self.server.seen()[-1].payload["allowed_mentions"].get("users", [])]


class Telegram:
    """Telegram's local server."""

    name = "telegram"

    def __init__(self, server: TelegramServer, chat: Chat) -> None:
        self.server, self.chat = server, chat

    def seen(self) -> list[Seen]:
        return [
            Seen(
                str(m.id),
                "\n".join([m.words, *m.labels]),
                str(m.under) if m.under else None,
                m.edits,
            )
            for m in self.server.messages
        ]

    def delete(self, message: MessageRef) -> None:
        self.server.messages = [m for m in self.server.messages if str(m.id) != message.id]

    def close_channel(self) -> None:
        del self.server.chats[GROUP]

    def forbid(self) -> None:
        self.server.members[telegram_server.BOT_ID] = "restricted"

    def slow_down(self) -> None:
        for method in ("sendMessage", "editMessageText"):
            self.server.faults[method].append(
                telegram_server.Fault(429, "Too Many Requests", {"retry_after": 0.01})
            )

    def break_off(self) -> None:
        self.server.faults["sendMessage"].append(telegram_server.Fault(500, "broken"))

    def lose_the_answer(self) -> None:
        self.server.faults["sendMessage"].append(telegram_server.Fault(drop=True, after=True))

    def called(self) -> list[str]:
        links = self.server.messages[-1].links
        return [one.removeprefix("tg://user?id=") for one in links if one.startswith("tg:")]


# What happens between two machines has no like in memory.
OVER_THE_WIRE = pytest.mark.parametrize("world", ["slack", "discord", "telegram"], indirect=True)
# Telegram shows a bot no history.
WITH_HISTORY = pytest.mark.parametrize("world", ["fake", "slack", "discord"], indirect=True)
OVER_THE_WIRE_WITH_HISTORY = pytest.mark.parametrize("world", ["slack", "discord"], indirect=True)


@pytest.fixture(params=["fake", "slack", "discord", "telegram"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "fake":
        yield cast(World, Fake())
    elif request.param == "slack":
        slack = SlackServer()
        slack.first_ts = 2_000_000_000
        await slack.start()
        setup = Setup(api_url=slack.api_url, channel="C0OPS")
        surface = SlackSurface(FakeCore(), setup, pace_s=0.0, first_wait_s=0.02)
        await surface.start()
        await surface.ready()
        yield cast(World, Slack(slack, surface.chat))
        await surface.stop()
        await slack.stop()
    elif request.param == "telegram":
        told = TelegramServer()
        await told.start()
        async with fakes_telegram.running(told, FakeCore()) as running_telegram:
            yield cast(World, Telegram(told, running_telegram.chat))
        await told.stop()
    else:
        server = DiscordServer()
        await server.start()
        async with running(server, Bench()) as discord:
            await server.until(lambda: knows_its_channel(discord))
            yield cast(World, Discord(server, discord.chat))
        await server.stop()


def knows_its_channel(surface: DiscordSurface) -> object:
    return surface.client and surface.client.get_channel(CHANNEL)


def history(world: World) -> ChatHistory:
    assert isinstance(world.chat, ChatHistory)
    return world.chat


async def test_a_card_is_posted_once_with_its_words_and_buttons(world: World) -> None:
    ref = await world.chat.post(ALERT)
    [message] = world.seen()
    assert ref.surface == world.name
    assert (ref.id, message.under, message.edits) == (message.id, None, 0)
    for words in ("Fallback", "37 requests", "deepseek/deepseek-flash", "Test chain"):
        assert words in message.words


async def test_an_edit_takes_the_place_of_all_that_was_there(world: World) -> None:
    ref = await world.chat.post(ALERT)
    await world.chat.update(ref, RECOVERED)
    await world.chat.update(ref, RECOVERED)
    [message] = world.seen()
    # Telegram refuses an edit that changes nothing.
    assert (message.id, message.edits) == (ref.id, 1 if world.name == "telegram" else 2)
    assert "Recovered" in message.words
    assert "37 requests" not in message.words
    assert "Test chain" not in message.words


async def test_an_answer_stands_under_its_message(world: World) -> None:
    first, second = await world.chat.post(ALERT), await world.chat.post(ALERT)
    answer = await world.chat.reply(first, RECOVERED)
    assert len({first.id, second.id, answer.id}) == 3
    assert [(m.id, m.under) for m in world.seen()][-1] == (answer.id, first.id)
    assert answer.channel == first.channel


@OVER_THE_WIRE
async def test_only_who_is_meant_is_called(world: World) -> None:
    id_ = {"slack": "U1", "discord": "11", "telegram": "11"}[world.name]
    other = {"slack": "discord", "discord": "telegram", "telegram": "slack"}[world.name]
    loud = "<!channel> @everyone <@U2> <@22> <@&900100>"
    called = text("Tell ", Person(world.name, id_, "Ana", ping=True), " of ", loud)
    await world.chat.post(replace(ALERT, body=(called,)))
    assert world.called() == [id_]
    await world.chat.post(replace(ALERT, body=(text(Person(other, id_, "Ana", ping=True), loud),)))
    assert world.called() == []


@WITH_HISTORY
async def test_a_message_is_found_by_its_words(world: World) -> None:
    body = text("incident 41 <of> [more] & 7-8 (a_b)")
    first = await world.chat.post(replace(ALERT, body=(body,)))
    second = await world.chat.post(replace(ALERT, body=(text("incident 42"),)))
    find = history(world).find
    assert await find("incident 41 <of> [more] & 7-8 (a_b)", LONG_AGO) == first
    assert await find("incident 42", LONG_AGO) == second
    assert await find("incident 43", LONG_AGO) is None
    assert await find("incident 42", NOT_YET) is None
    await world.chat.update(second, replace(RECOVERED, body=(text("incident 44"),)))
    assert await find("incident 42", LONG_AGO) is None
    assert await find("incident 44", LONG_AGO) == second


@WITH_HISTORY
async def test_of_two_the_newest_is_found_and_no_answer_is(world: World) -> None:
    incident = replace(ALERT, body=(text("incident 7"),))
    first, second = await world.chat.post(incident), await world.chat.post(incident)
    await world.chat.reply(first, incident)
    assert await history(world).find("incident 7", LONG_AGO) == second
    world.delete(second)
    assert await history(world).find("incident 7", LONG_AGO) == first


async def test_a_message_that_was_deleted_is_gone(world: World) -> None:
    ref = await world.chat.post(ALERT)
    world.delete(ref)
    with pytest.raises(ChatError) as error:
        await world.chat.update(ref, RECOVERED)
    assert error.value.gone
    assert world.seen() == []
    if world.name != "telegram":
        assert await history(world).find("Fallback", LONG_AGO) is None


async def test_a_channel_that_is_no_more_is_gone(world: World) -> None:
    ref = await world.chat.post(ALERT)
    world.close_channel()
    posts: list[Callable[[], Any]] = [
        lambda: world.chat.post(ALERT),
        lambda: world.chat.update(ref, RECOVERED),
    ]
    for post in posts:
        with pytest.raises(ChatError) as error:
            await post()
        assert error.value.gone


async def test_missing_rights_say_what_to_do_and_are_not_gone(world: World) -> None:
    world.forbid()
    with pytest.raises(ChatError) as error:
        await world.chat.post(ALERT)
    assert error.value.hint
    assert not error.value.gone
    assert world.seen() == []
    if world.name == "telegram":
        return
    with pytest.raises(ChatError):
        await history(world).find("Fallback", LONG_AGO)


async def test_a_rate_limit_is_waited_out_and_nothing_stands_twice(world: World) -> None:
    world.slow_down()
    ref = await world.chat.post(ALERT)
    await world.chat.update(ref, RECOVERED)
    [message] = world.seen()
    assert (message.id, message.edits) == (ref.id, 1)


async def test_a_post_that_fails_in_between_leaves_nothing_and_says_so(world: World) -> None:
    world.break_off()
    with pytest.raises(ChatError) as error:
        await world.chat.post(ALERT)
    assert error.value.message
    assert not error.value.gone
    assert world.seen() == []


@OVER_THE_WIRE
async def test_a_post_whose_answer_is_lost_stands_once(world: World) -> None:
    world.lose_the_answer()
    with suppress(ChatError):
        await world.chat.post(replace(ALERT, body=(text("incident 9"),)))
    [message] = world.seen()
    if world.name == "telegram":
        return
    found = await history(world).find("incident 9", LONG_AGO)
    assert found is not None
    assert found.id == message.id


@OVER_THE_WIRE_WITH_HISTORY
async def test_a_kill_between_the_post_and_the_note_of_it_is_settled_by_looking(
    world: World,
) -> None:
    bench, store = await bench_of(*TEAM), FakeAlertStore()
    outbox = StoredOutbox(store, [world.name])

    class Killed:
        """Posts, and the power goes off."""

        async def post(self, card: Card) -> MessageRef:
            await world.chat.post(card)
            raise KeyboardInterrupt("the power went off")

    async def due(chat: Any) -> None:
        context = bench.app.context(SERVICE)
        await put_due_digest(context, outbox, NOW, started_at=NOW - DAY)
        pipeline = AlertBench(world.name).start(
            clock=bench.clock,
            store=store,
            chats={world.name: chat},
            histories={world.name: history(world)},
            digest=partial(digest_draft, context, outbox),
        )
        await pipeline.deliver(world.name)

    with pytest.raises(KeyboardInterrupt):
        await due(Killed())
    bench.clock.advance(AT_WORK)
    await due(world.chat)
    [message] = world.seen()
    assert message.edits == 0
    settled = await store.post("digest:2026-02-23", world.name)
    assert settled is not None
    assert settled.message is not None
    assert settled.message.id == message.id

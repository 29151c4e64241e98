"""The team's channel in Discord: posting, editing, answering, and what Discord refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.discord.chat import chat_error
from adapters.discord.service import DiscordSurface
from bot.card import (
    Action,
    Attachment,
    Button,
    Card,
    Chart,
    Code,
    Person,
    Strong,
    Tone,
    plain,
    text,
)
from bot.errors import ChartError, ChatError
from bot.models import Secret
from bot.ports import MessageRef
from tests.servers.discord import ANA, CHANNEL, DiscordServer
from tests.servers.discord_state import Message
from tests.support.fakes_alerts import AlertBench
from tests.support.fakes_core import Bench
from tests.support.fakes_discord import FakeMemory, Setup, running

ALERT = Card(
    title=text(Strong("Fallback"), ": anthropic is rate limited"),
    tone=Tone.WARNING,
    body=(text("37 requests were answered by ", Code("deepseek/deepseek-flash"), "."),),
    buttons=(Button("Test chain", Action("fallback test")),),
)
RECOVERED = replace(ALERT, title=text("Recovered"), tone=Tone.GOOD, buttons=())
CSV = Attachment("cost.csv", "text/csv", b"day,usd\n2026-11-23,1.5\n")


async def test_a_card_is_posted_edited_and_answered(server: DiscordServer):
    async with running(server, Bench()) as surface:
        posted = await surface.chat.post(ALERT)
        assert (posted.surface, posted.channel) == ("discord", str(CHANNEL))
        [message] = server.seen()
        assert message.id == int(posted.id)
        assert list(message.buttons) == ["Test chain"]
        await surface.chat.update(posted, RECOVERED)
        assert "Recovered" in message.words
        assert message.buttons == {}
        answer = await surface.chat.reply(posted, RECOVERED)
        assert server.seen()[1].reference == message.id
        assert answer.id != posted.id


async def test_a_chart_and_a_file_go_along_and_go_away_with_an_edit(server: DiscordServer):
    async def draw(chart: Chart) -> bytes:
        return b"PNG of " + chart.svg.encode()

    card = replace(ALERT, chart=Chart("<svg/>", "Spend: $5"), attachment=CSV)
    async with running(server, Bench(), draw=draw) as surface:
        posted = await surface.chat.post(card)
        [message] = server.seen()
        assert message.files == {"chart.png": b"PNG of <svg/>", "cost.csv": CSV.content}
        assert message.embed["image"]["url"] == "attachment://chart.png"
        assert message.payload["attachments"][0]["description"] == "Spend: $5"
        await surface.chat.update(posted, ALERT)
        assert message.files == {}


async def test_without_a_picture_the_figures_stand_in_words(server: DiscordServer):
    async def blind(chart: Chart) -> bytes:
        raise ChartError("no ink")

    card = replace(ALERT, chart=Chart("<svg/>", "Spend: $5"))
    async with running(server, Bench(), draw=blind) as surface:
        await surface.chat.post(card)
        assert "Spend: $5" in server.seen()[0].words
        assert server.seen()[0].files == {}


async def test_only_who_is_meant_is_called(server: DiscordServer):
    called = Person("discord", str(ANA.id), "Ana", ping=True)
    named = Person("discord", "22", "Bo")
    elsewhere = Person("slack", "U1", "Cy", ping=True)
    card = replace(ALERT, body=(text("Tell ", called, ", ", named, " and ", elsewhere),))
    async with running(server, Bench()) as surface:
        await surface.chat.post(card)
        [message] = server.seen()
        # A phone shows no embed: the line that rings says why.
        assert message.content == f"<@{ANA.id}> {plain(ALERT.title)}"
        assert message.payload["allowed_mentions"] == {"parse": [], "users": [str(ANA.id)]} or (
            message.payload["allowed_mentions"] == {"parse": [], "users": [ANA.id]}
        )
        assert "Tell <@11>, <@22> and Cy" in message.words


async def test_a_role_is_called_as_one(server: DiscordServer):
    role = Person("discord", "77", "on call", ping=True, group=True)
    async with running(server, Bench()) as surface:
        await surface.chat.post(replace(ALERT, body=(text("Tell ", role),)))
        [message] = server.seen()
        assert message.content == f"<@&77> {plain(ALERT.title)}"
        assert message.payload["allowed_mentions"] == {"parse": [], "roles": [77]}


@pytest.mark.parametrize("via", [True, False])
async def test_a_429_is_waited_out(server: DiscordServer, via):
    async with running(server, Bench()) as surface:
        for _ in range(2):
            server.slow_down("POST", "/messages", via=via)
        posted = await surface.chat.post(replace(ALERT, attachment=CSV))
        assert server.seen()[0].files == {"cost.csv": CSV.content}
        server.slow_down("PATCH", "/messages", via=via)
        await surface.chat.update(posted, RECOVERED)
        assert "Recovered" in server.seen()[0].words


async def test_a_channel_that_is_gone_is_told_as_gone(server: DiscordServer):
    async with running(server, Bench()) as surface:
        posted = await surface.chat.post(ALERT)
        del server.channels[CHANNEL]
        with pytest.raises(ChatError, match="channel no longer exists") as error:
            await surface.chat.post(ALERT)
        assert error.value.gone
        with pytest.raises(ChatError) as error:
            await surface.chat.update(posted, RECOVERED)
        assert error.value.gone


async def test_a_message_that_is_gone_is_told_as_gone(server: DiscordServer):
    async with running(server, Bench()) as surface:
        posted = await surface.chat.post(ALERT)
        server.seen()[0].deleted = True
        with pytest.raises(ChatError, match="message no longer exists") as error:
            await surface.chat.update(posted, RECOVERED)
        assert error.value.gone
        answer = await surface.chat.reply(posted, RECOVERED)
        assert server.seen()[0].id == int(answer.id)


async def test_missing_rights_are_named(server: DiscordServer):
    async with running(server, Bench()) as surface:
        server.denied = 2048
        with pytest.raises(ChatError, match="may not post") as error:
            await surface.chat.post(ALERT)
        assert "Send Messages" in error.value.hint
        assert not error.value.gone


@pytest.mark.parametrize(("status", "said"), [(400, "HTTP 400"), (404, "no longer exists")])
async def test_other_refusals_are_told(server: DiscordServer, status, said):
    async with running(server, Bench()) as surface:
        server.fail("POST", "/messages", status, {"message": "no", "code": 1})
        with pytest.raises(ChatError, match=said) as error:
            await surface.chat.post(ALERT)
        assert not error.value.gone


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize(
    ("code", "said"), [(50008, "does not accept plain messages"), (50083, "thread is archived")]
)
async def test_a_channel_that_takes_no_message_is_named_in_the_log(
    server: DiscordServer, caplog: pytest.LogCaptureFixture, code: int, said: str, status: int
):
    async with running(server, Bench()) as surface:
        server.fail("POST", "/messages", status, {"message": "no", "code": code}, times=99)
        alerts = AlertBench("discord")
        pipeline = alerts.start(chats={"discord": surface.chat})
        await alerts.fails(3)
        with caplog.at_level("WARNING"):
            for _ in range(20):
                alerts.clock.advance(timedelta(seconds=10))
                await pipeline.tick()
    lines = [r.getMessage() for r in caplog.records if said in r.getMessage()]
    assert lines
    assert lines[0].startswith("alerts do not reach Discord: ")
    assert "DISCORD_CHANNEL_ID" in lines[0]


async def test_a_429_of_an_hour_is_not_waited_for(server: DiscordServer):
    async with running(server, Bench()) as surface:
        body = {"message": "slow down", "retry_after": 3600, "global": False}
        server.fail("POST", "/messages", 429, body, headers={"Retry-After": "3600"})
        with pytest.raises(ChatError, match="rate limited"):
            await surface.chat.post(ALERT)


async def test_a_429_that_says_nothing_sensible_is_waited_out(server: DiscordServer):
    async with running(server, Bench()) as surface:
        body = {"message": "slow down", "retry_after": 0.01, "global": False}
        server.fail("POST", "/messages", 429, body, headers={"Retry-After": "soon"})
        await surface.chat.post(ALERT)
        assert len(server.seen()) == 1


async def test_without_a_channel_or_a_connection_it_says_so(server: DiscordServer):
    async with running(server, Bench(), channel_id=None) as surface:
        assert not surface.chat.configured
        with pytest.raises(ChatError, match="DISCORD_CHANNEL_ID is not set"):
            await surface.chat.post(ALERT)
    idle = DiscordSurface(Bench().app, Setup(Secret("x")), FakeMemory())
    assert idle.chat.configured
    with pytest.raises(ChatError, match="not connected"):
        await idle.chat.post(ALERT)
    with pytest.raises(ChatError, match="not connected"):
        await idle.chat.update(MessageRef("discord", "1", "2"), ALERT)


LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


async def test_a_message_is_found_again_behind_many_others(server: DiscordServer):
    async with running(server, Bench()) as surface:
        posted = await surface.chat.post(replace(ALERT, footer=text("week 2026-11-16")))
        [message] = server.seen()
        others = [replace_id(message, message.id + 1 + i, f"week {i}") for i in range(150)]
        server.channels[CHANNEL] += others
        assert await surface.chat.find("week 2026-11-16", LONG_AGO) == posted
        pages = [path for method, path in server.requests if method == "GET"]
        assert pages.count(f"/channels/{CHANNEL}/messages") == 2
        assert await surface.chat.find("week 2026-11-17", LONG_AGO) is None


def replace_id(message: Message, id_: int, words: str) -> Message:
    return replace(message, id=id_, payload={"content": words})


@pytest.mark.parametrize("denied", [1 << 10, 1 << 16])
async def test_a_history_that_is_kept_from_the_bot_is_no_empty_one(server: DiscordServer, denied):
    server.denied = denied
    async with running(server, Bench()) as surface:
        assert surface.client is not None
        await server.until(lambda: surface.client.get_channel(CHANNEL))
        with pytest.raises(ChatError, match="may not read") as error:
            await surface.chat.find("week", LONG_AGO)
        assert "Read Message History" in error.value.hint


def test_the_network_is_named_where_it_fails():
    assert "is unreachable (TimeoutError)" in chat_error(TimeoutError()).message

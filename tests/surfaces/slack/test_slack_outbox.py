"""How answers find their way when the first one is barred, and pictures and files with them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from adapters.slack.api import Api
from adapters.slack.forms import Forms
from adapters.slack.outbox import Outbox
from bot.card import Attachment, Card, Chart, Column, Command, Table, Visibility, text
from bot.errors import ChartError, ChatError, StorageError
from bot.ports import MessageRef
from bot.spans import Marker
from tests.servers.slack import Channel, Fault, Posted, SlackServer
from tests.support.fakes_slack import FakeCore, Setup, button, private, public
from tests.surfaces.slack.conftest import Start


class FakeMemory:
    """A key-value store that outlives a process."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def get(self, key: str) -> str | None:
        return self.kept.get(key)

    async def put(self, key: str, value: str) -> None:
        self.kept[key] = value


class AwayMemory:
    """A key-value store that does not answer."""

    async def get(self, key: str) -> str | None:
        raise StorageError("The database is away.")

    async def put(self, key: str, value: str) -> None:
        raise StorageError("The database is away.")


CSV = Attachment("costs.csv", "text/csv", b"day,usd\n2026-03-02,1.50\n")
CHART = Chart("<svg/>", "Last week: $12.40, the week before $9.10.")


async def draw(chart: Chart) -> bytes:
    return b"\x89PNG " + chart.svg.encode()


async def no_pencil(chart: Chart) -> bytes:
    raise ChartError("cannot draw")


async def test_a_dead_response_url_is_made_up_for_by_a_post(
    slack: SlackServer, start: Start
) -> None:
    await start(FakeCore(lines={"model status": public("fast")}))
    payload = slack.command_payload("/model", "status")
    next(iter(slack.responses.values())).dead = True
    await slack.send("slash_commands", payload)
    message = await slack.message()
    assert (message.via, message.channel, message.text) == ("chat.postMessage", "C0DEV", "fast")


async def test_a_private_answer_stays_private_without_a_response_url(
    slack: SlackServer, start: Start
) -> None:
    await start(FakeCore(lines={"model help": private("forms")}))
    payload = slack.command_payload("/model", "help")
    del payload["response_url"]
    await slack.send("slash_commands", payload)
    message = await slack.message(to="U1")
    assert (message.via, message.channel) == ("chat.postEphemeral", "C0DEV")


@pytest.mark.parametrize("card", [public("fast"), private("fast")])
async def test_where_the_bot_may_not_be_the_asker_is_written_to(
    slack: SlackServer, start: Start, card: Card
) -> None:
    await start(FakeCore(lines={"model status": card}))
    payload = slack.command_payload("/model", "status", channel="G0SEC")
    slack.faults["response_url"].append(Fault(status=500))
    await slack.send("slash_commands", payload)
    assert (await slack.message()).channel == "DU1"


async def test_an_answer_that_no_way_takes_is_told_to_the_log(
    slack: SlackServer, start: Start, caplog
) -> None:
    core = FakeCore(lines={"model status": private("fast")})
    await start(core)
    slack.faults["response_url"].append(Fault(drop=True))
    slack.faults["response_url"].append(Fault(drop=True))
    slack.faults["chat.postEphemeral"].append(Fault(error="user_not_in_channel"))
    slack.faults["chat.postMessage"].append(Fault(error="messages_tab_disabled"))
    await slack.command("/model", "status")
    await slack.until(lambda: "messages_tab_disabled" in caplog.text)


async def test_a_rate_limit_is_waited_out(slack: SlackServer, start: Start) -> None:
    surface = await start(FakeCore())
    slack.faults["chat.postMessage"].append(Fault(status=429, headers={"Retry-After": "0"}))
    slack.faults["response_url"].append(Fault(status=429, headers={"Retry-After": "0"}))
    await surface.chat.post(public("alert"))
    await slack.command("/model", "unknown")
    assert (await slack.message()).text == "alert"
    await slack.message(to="U1")
    assert len(slack.called("chat.postMessage")) == 2


async def test_a_channel_is_sent_one_message_at_a_time(slack: SlackServer, start: Start) -> None:
    surface = await start(FakeCore())
    slack.min_gap_s = 0.008
    for number in range(5):
        await surface.chat.post(public(f"alert {number}"))
    assert [m.text for m in slack.posted] == [f"alert {n}" for n in range(5)]
    assert len(slack.called("chat.postMessage")) == 5


@pytest.mark.parametrize("status", [502])
async def test_a_server_error_is_tried_once_more(slack: SlackServer, start: Start, status) -> None:
    surface = await start(FakeCore())
    posted = await surface.chat.post(public("alert"))
    slack.faults["chat.update"].append(Fault(status=status, body="<html>busy</html>"))
    await surface.chat.update(posted, public("over"))
    assert (await slack.message()).text == "over"


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_post_is_not_sent_again_after_an_answer_that_leaves_it_open(
    slack: SlackServer, start: Start, status
) -> None:
    surface = await start(FakeCore())
    slack.faults["chat.postMessage"].append(Fault(status=status, body="<html>busy</html>"))
    with pytest.raises(ChatError, match=f"HTTP {status}"):
        await surface.chat.post(public("alert"))
    assert len(slack.called("chat.postMessage")) == 1


@pytest.mark.parametrize(
    ("status", "said"), [(200, "its response is not JSON"), (429, "rate limited")]
)
async def test_a_page_instead_of_an_answer_is_told_in_words(
    slack: SlackServer, start: Start, status, said
) -> None:
    surface = await start(FakeCore())
    page = Fault(status=status, body="<html>hello</html>", headers={"Retry-After": "0"})
    slack.faults["conversations.info"].append(page)
    with pytest.raises(ChatError, match=said):
        await surface.chat.look()


# --- the team's channel -----------------------------------------------------------------------


async def test_a_post_can_be_edited_and_answered(slack: SlackServer, start: Start) -> None:
    surface = await start(FakeCore())
    first = await surface.chat.post(public("down", button("Mute")))
    assert first == MessageRef("slack", "C0OPS", slack.posted[0].ts)
    await surface.chat.update(first, public("recovered"))
    reply = await surface.chat.reply(first, public("12 requests"))
    assert (slack.posted[0].text, slack.posted[0].edits) == ("recovered", 1)
    assert slack.posted[1].thread_ts == first.id
    assert reply.id == slack.posted[1].ts
    with pytest.raises(AssertionError):
        slack.posted[0].button("Mute")


async def test_an_edit_of_a_message_that_is_gone_says_so(slack: SlackServer, start: Start) -> None:
    surface = await start(FakeCore())
    with pytest.raises(ChatError) as caught:
        await surface.chat.update(MessageRef("slack", "C0OPS", "1.0"), public("recovered"))
    assert caught.value.gone
    assert caught.value.code == "chat"


async def test_an_edit_that_slack_is_too_busy_for_is_not_gone(
    slack: SlackServer, start: Start
) -> None:
    surface = await start(FakeCore())
    message = await surface.chat.post(public("down"))
    slack.faults["chat.update"].append(Fault(error="fatal_error"))
    with pytest.raises(ChatError) as caught:
        await surface.chat.update(message, public("recovered"))
    assert not caught.value.gone


@pytest.mark.parametrize("wanted", ["C0OPS", "#llm-ops", "llm-ops"])
async def test_the_channel_goes_by_id_or_name(
    slack: SlackServer, start: Start, wanted: str
) -> None:
    surface = await start(FakeCore(), channel=wanted)
    await surface.chat.post(public("alert"))
    assert (await slack.message()).channel == "C0OPS"


async def test_a_name_on_a_later_page_is_found(slack: SlackServer, start: Start) -> None:
    slack.channels["C0LAST"] = Channel("last")
    surface = await start(FakeCore(), channel="#last")
    await surface.chat.post(public("alert"))
    assert (await slack.message()).channel == "C0LAST"
    assert len(slack.called("conversations.list")) == 3


async def test_where_channels_cannot_be_listed_slack_finds_the_name(
    slack: SlackServer, start: Start
) -> None:
    slack.scopes = tuple(s for s in slack.scopes if s != "channels:read")
    surface = await start(FakeCore())
    message = await surface.chat.post(public("alert"))
    assert message.channel == "C0OPS"
    await surface.chat.update(message, public("recovered"))
    assert slack.posted[0].text == "recovered"


async def test_a_public_channel_is_joined_when_need_be(slack: SlackServer, start: Start) -> None:
    slack.scopes = tuple(s for s in slack.scopes if s != "chat:write.public")
    surface = await start(FakeCore())
    await surface.chat.post(public("alert"))
    assert slack.channels["C0OPS"].member
    assert (await slack.message()).text == "alert"


@pytest.mark.parametrize(
    ("channel", "says"),
    [("", "SLACK_CHANNEL is not set"), ("G0SEC", "/invite @Changeover"), ("C0OLD", "archived")],
)
async def test_a_channel_that_cannot_be_posted_to_is_told_with_a_way_out(
    slack: SlackServer, start: Start, channel: str, says: str
) -> None:
    slack.channels["C0OLD"] = Channel("old", archived=True)
    surface = await start(FakeCore(), channel=channel)
    with pytest.raises(ChatError) as caught:
        await surface.chat.post(public("alert"))
    assert says in f"{caught.value.message} {caught.value.hint}"


async def test_a_message_is_found_again_by_its_words(slack: SlackServer, start: Start) -> None:
    surface = await start(FakeCore())
    cards = [replace(public("down"), footer=text(f"<incident> {n}")) for n in range(5)]
    posted = [await surface.chat.post(card) for card in cards]
    since = datetime(2023, 1, 1, tzinfo=UTC)
    assert await surface.chat.find("<incident> 1", since) == posted[1]
    assert await surface.chat.find("incident 7", since) is None
    assert await surface.chat.find("<incident> 1", datetime(2033, 1, 1, tzinfo=UTC)) is None
    assert slack.channels["C0OPS"].member


async def test_a_history_that_may_not_be_read_is_told(slack: SlackServer, start: Start) -> None:
    slack.scopes = tuple(s for s in slack.scopes if s != "channels:history")
    surface = await start(FakeCore())
    with pytest.raises(ChatError, match="channels:history"):
        await surface.chat.find("incident 1", datetime(2023, 1, 1, tzinfo=UTC))


# --- pictures and files -----------------------------------------------------------------------


async def test_a_chart_is_shown_as_a_picture_with_its_words(
    slack: SlackServer, start: Start
) -> None:
    surface = await start(FakeCore(), draw=draw)
    await surface.chat.post(replace(public("digest"), chart=CHART))
    message = await slack.message()
    image = next(b for b in message.blocks if b["type"] == "image")
    assert image["alt_text"] == CHART.alt
    assert slack.files[image["slack_file"]["id"]]["content"] == b"\x89PNG <svg/>"
    assert CHART.alt in message.text


async def test_a_picture_is_waited_for_while_slack_processes_it(
    slack: SlackServer, start: Start
) -> None:
    slack.file_rejections = 2
    core = FakeCore(lines={"model status": replace(public("digest"), chart=CHART)})
    await start(core, draw=draw)
    slack.file_rejections = 1
    await slack.command("/model", "status")
    assert any(b["type"] == "image" for b in (await slack.message()).blocks)


@pytest.mark.parametrize("failure", ["never ready", "no upload", "no drawing"])
async def test_without_a_picture_the_chart_is_told_in_words(
    slack: SlackServer, start: Start, failure: str
) -> None:
    slack.file_rejections = 99
    if failure == "no upload":
        slack.faults["files.getUploadURLExternal"].append(
            Fault(error="file_upload_size_restricted")
        )
    surface = await start(FakeCore(), draw=no_pencil if failure == "no drawing" else draw)
    await surface.chat.post(replace(public("digest"), chart=CHART))
    message = await slack.message()
    assert all(b["type"] != "image" for b in message.blocks)
    assert "$12.40" in str(message.blocks)


async def test_a_file_lies_below_its_card(slack: SlackServer, start: Start) -> None:
    surface = await start(FakeCore())
    slack.channels["C0OPS"].member = True
    message = await surface.chat.post(replace(public("costs"), attachment=CSV))
    (file,) = slack.files.values()
    assert (file["filename"], file["content"]) == ("costs.csv", CSV.content)
    assert file["shared"] == ("C0OPS", message.id)


async def test_a_public_channel_is_joined_for_a_file(slack: SlackServer, start: Start) -> None:
    await start(FakeCore(lines={"cost export": replace(public("costs"), attachment=CSV)}))
    await slack.command("/cost", "export")
    await slack.until(lambda: any(f["shared"] for f in slack.files.values()))
    assert [f["shared"] for f in slack.files.values() if f["shared"]] == [("C0DEV", None)]


@pytest.mark.parametrize("visibility", list(Visibility))
async def test_a_file_that_may_not_be_in_the_channel_goes_to_the_asker(
    slack: SlackServer, start: Start, visibility: Visibility
) -> None:
    card = Card(title=text("costs"), attachment=CSV, visibility=visibility)
    await start(FakeCore(lines={"cost export": card}))
    await slack.command("/cost", "export", user="U2", channel="G0SEC")
    await slack.until(lambda: any(f["shared"] for f in slack.files.values()))
    assert [f["shared"] for f in slack.files.values() if f["shared"]] == [("DU2", None)]


# --- workspaces without tables ----------------------------------------------------------------

TABLE = Card(
    title=text("Costs"),
    table=Table((Column("model"), Column("cost")), ((text("a"), text("$1")),), sortable=True),
    chart=replace(CHART, title="Spend", unit="USD", labels=("Mon",), bars=(Decimal(1),)),
)


def kinds(message: Posted) -> list[str]:
    return [block["type"] for block in message.blocks]


async def test_a_chart_of_slacks_own_needs_no_file(slack: SlackServer, start: Start) -> None:
    slack.scopes = tuple(scope for scope in slack.scopes if scope != "files:write")
    surface = await start(FakeCore(), draw=draw)
    await surface.chat.post(TABLE)
    assert kinds(await slack.message()) == ["rich_text", "data_table", "data_visualization"]
    assert not slack.called("files.getUploadURLExternal")


@pytest.mark.parametrize("way", ["chat.postMessage", "chat.update", "response_url"])
async def test_a_workspace_without_tables_gets_words_in_the_same_call(
    slack: SlackServer, start: Start, way: str
) -> None:
    surface = await start(FakeCore(lines={"cost week": TABLE}), draw=draw)
    posted = await surface.chat.post(public("first")) if way == "chat.update" else None
    slack.knows_tables = False
    if posted:
        await surface.chat.update(posted, TABLE)
    elif way == "response_url":
        await slack.command("/cost", "week")
    else:
        await surface.chat.post(TABLE)
    message = await slack.until(lambda: [m for m in slack.posted if len(m.blocks) == 3])
    assert [kinds(m) for m in message] == [["rich_text", "rich_text", "image"]]
    assert slack.refusals == ["unknown block data_table"]
    assert len(slack.called(way)) == 2


async def test_what_a_workspace_refuses_is_remembered_for_a_week(slack: SlackServer) -> None:
    now, memory = [datetime(2026, 12, 1, tzinfo=UTC)], FakeMemory()

    async def post() -> list[str]:
        api = Api(Setup(api_url=slack.api_url), pace_s=0)
        await api.open()
        forms = Forms(memory, lambda: "T1", lambda: now[0])
        await Outbox(api, FakeCore().persist_buttons, forms=forms).post("C0OPS", TABLE)
        await api.close()
        return kinds(slack.posted[-1])

    slack.knows_tables = False
    assert await post() == ["rich_text", "rich_text", "context"]
    assert await post() == ["rich_text", "rich_text", "context"]
    assert len(slack.refusals) == 1
    slack.knows_tables = True
    now[0] += timedelta(days=6)
    assert "data_table" not in await post()
    now[0] += timedelta(days=2)
    assert "data_table" in await post()


async def test_a_card_that_is_refused_in_every_form_says_nothing_of_the_workspace(
    slack: SlackServer, start: Start
) -> None:
    surface = await start(FakeCore())
    slack.faults["chat.postMessage"] += [
        Fault(error="invalid_blocks"),
        Fault(error="invalid_blocks"),
    ]
    with pytest.raises(ChatError):
        await surface.chat.post(TABLE)
    await surface.chat.post(TABLE)
    assert "data_table" in kinds(slack.posted[-1])


async def test_a_memory_that_is_away_stops_no_message(slack: SlackServer) -> None:
    api = Api(Setup(api_url=slack.api_url), pace_s=0)
    await api.open()
    slack.knows_tables = False
    outbox = Outbox(api, FakeCore().persist_buttons, forms=Forms(AwayMemory()))
    for _ in range(2):
        await outbox.post("C0OPS", TABLE)
    await api.close()
    assert [kinds(m) for m in slack.posted] == [["rich_text", "rich_text", "context"]] * 2
    assert len(slack.refusals) == 1


async def test_a_marker_is_found_again_and_shown_to_nobody(
    slack: SlackServer, start: Start
) -> None:
    slack.channels["C0OPS"].member = True
    surface = await start(FakeCore())
    card = Card(
        title=text("Plan"), footer=text(Marker("Notice 68527cd9 · "), Command("model plan"))
    )
    posted = await surface.chat.post(card)
    (message,) = slack.posted
    assert "Notice" not in message.words
    assert "/model plan" in message.words
    since = datetime(2020, 1, 1, tzinfo=UTC)
    assert await surface.chat.find("Notice 68527cd9 ·", since) == posted
    await surface.chat.update(posted, card)
    assert await surface.chat.find("Notice 68527cd9 ·", since) == posted
    assert await surface.chat.find("Notice 00000000 ·", since) is None

"""HTTP mode end to end: signed requests on the gateway's port."""

from __future__ import annotations

import io
import json
import time

import pytest

from tests.servers.slack import SlackServer, as_form, signed
from tests.support.fakes_slack import FakeCore, button, private, public


async def test_a_signed_command_is_acknowledged_and_answered(slack: SlackServer, http) -> None:
    core = FakeCore(lines={"model status": public("fast")})
    core.gate.clear()
    app = await http(core)
    assert await app.post(slack.command_payload("/model", "status")) == (200, "")
    assert slack.posted == []
    core.gate.set()
    assert (await slack.message()).text == "fast"


async def test_a_signed_click_is_carried_out(slack: SlackServer, http) -> None:
    core = FakeCore(
        lines={"model best": private("Confirm?", button("Confirm"))},
        clicks=lambda actor, id_: public(f"{actor.name} confirmed"),
    )
    app = await http(core)
    await app.post(slack.command_payload("/model", "best"))
    question = await slack.message(to="U1")
    status, body = await app.post(slack.click_payload(question, "Confirm"))
    assert (status, body) == (200, "")
    assert (await slack.message()).text == "Ana confirmed"


async def test_slacks_check_of_the_address_is_answered(slack: SlackServer, http) -> None:
    app = await http(FakeCore())
    status, body = await app.post({"type": "url_verification", "challenge": "c4"})
    assert (status, json.loads(body)) == (200, {"challenge": "c4"})


async def test_an_event_sent_again_is_done_once(slack: SlackServer, http) -> None:
    core = FakeCore()
    app = await http(core)
    for _ in range(2):
        assert (await app.post(slack.home_payload("U1", "Ev7")))[0] == 200
    await slack.until(lambda: slack.views)
    assert len(slack.called("views.publish")) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Slack-Request-Timestamp": "soon", "X-Slack-Signature": "v0=1"},
        {"X-Slack-Request-Timestamp": str(int(time.time()))},
        {"X-Slack-Request-Timestamp": str(int(time.time())), "X-Slack-Signature": "v0=é"},
        {"X-Slack-Request-Timestamp": "9" * 400, "X-Slack-Signature": "v0=1"},
    ],
)
async def test_an_unsigned_request_is_refused(slack: SlackServer, http, headers) -> None:
    core = FakeCore()
    app = await http(core)
    assert (await app.post(slack.command_payload("/model", "cheap"), headers))[0] == 401
    assert core.handled == []


async def test_wrong_stale_and_changed_requests_are_refused(slack: SlackServer, http) -> None:
    core = FakeCore()
    app = await http(core)
    payload = slack.command_payload("/model", "cheap")
    body = as_form(payload)
    for headers in (
        signed(body, secret="another"),
        signed(body, at=time.time() - 301),
        signed(body, at=time.time() + 302),
        signed(body + "&x=1"),
        signed(body.replace("cheap", "best")),
    ):
        assert (await app.post(payload, headers))[0] == 401
    assert core.handled == []


async def test_a_huge_body_is_refused_before_it_is_read(slack: SlackServer, http) -> None:
    app = await http(FakeCore())
    huge = io.BytesIO(b"x" * (2 << 20))
    async with app.session.post(app.url, data=huge, headers=signed("x")) as answer:
        assert answer.status == 413


async def test_bytes_that_are_no_utf8_are_refused(slack: SlackServer, http) -> None:
    app = await http(FakeCore())
    async with app.session.post(app.url, data=b"\xff\xfe", headers=signed("x")) as answer:
        assert answer.status == 401


@pytest.mark.parametrize("body", ["{", "[]", "null", "payload=%7B", "payload=[]", "payload=1"])
async def test_an_odd_body_is_refused_without_a_fuss(slack: SlackServer, http, body) -> None:
    app = await http(FakeCore())
    kind = "application/json" if "=" not in body else "application/x-www-form-urlencoded"
    for headers, expected in ((signed(body, secret="another"), 401), (signed(body), 400)):
        ours = {**headers, "Content-Type": kind}
        async with app.session.post(app.url, data=body, headers=ours) as answer:
            assert (answer.status, await answer.text()) == (expected, "")


async def test_health_is_good_without_a_socket(slack: SlackServer, http) -> None:
    await http(FakeCore())
    assert slack.called("apps.connections.open") == []


async def test_a_command_sent_again_is_done_once(slack: SlackServer, http):
    core = FakeCore(lines={"model status": public("fast")})
    client = await http(core)
    payload = slack.command_payload("/model", "status")
    sent = [await client.post(payload)]
    again = {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
    sent.append(await client.post(payload, {**signed(as_form(payload)), **again}))
    assert [status for status, _ in sent] == [200, 200]
    await slack.message()
    await client.post(slack.command_payload("/model", "status"))
    await slack.message(2)
    assert len(core.handled) == 2


async def test_slacks_check_of_the_certificate_is_answered(slack: SlackServer, http):
    core = FakeCore()
    client = await http(core)
    body = "ssl_check=1&token=ZZZ"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _ = await client.post(body, {**signed(body), **form})
    assert status == 200
    assert core.handled == []

"""What the doctor tries out, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from adapters.main.doctor_database import examine_use
from adapters.main.doctor_does import (
    examine_clock,
    examine_file,
    examine_models,
    examine_port,
    examine_row,
)
from adapters.main.wiring import wire
from adapters.storage.key_values import KeyValueStore
from bot.access import Actor, Surface
from bot.commands.doctor import Level


async def serving(
    handler: Callable[[web.Request], Awaitable[web.Response]],
) -> tuple[web.AppRunner, int]:
    app = web.Application()
    app.router.add_get("/{tail:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, int(runner.addresses[0][1])


async def test_a_row_is_written_and_taken_back(tmp_path: Path):
    (tmp_path / "c.json").write_text("{}")
    env = {
        "CHANGEOVER_CONFIG": str(tmp_path / "c.json"),
        "DATABASE_URL": f"sqlite:///{tmp_path}/changeover.db",
    }
    wired = wire(env)
    assert await examine_row(wired) == []
    await KeyValueStore(wired.database).put("a", "b")
    [check] = await examine_row(wired)
    assert check.ok
    assert await KeyValueStore(wired.database).get(f"doctor {os.getpid()}") is None
    await wired.close()
    (tmp_path / "changeover.db").write_bytes(b"no database at all, by far" * 99)
    wired = wire(env)
    [check] = await examine_row(wired)
    assert not check.ok
    await wired.close()


def test_a_file_is_made_beside_the_config(tmp_path: Path):
    config = tmp_path / "c.json"
    config.write_text("{}")
    assert examine_file(config).ok
    assert os.listdir(tmp_path) == ["c.json"]
    assert not examine_file(tmp_path / "gone" / "c.json").ok


async def test_the_port_is_free_ours_or_taken():
    async def ours(request: web.Request) -> web.Response:
        return web.json_response({"service": "changeover", "installation": "a"})

    async def other(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    runner, port = await serving(ours)
    check = await examine_port("127.0.0.1", port, "a")
    assert check is not None
    assert check.ok
    check = await examine_port("127.0.0.1", port, "b")
    assert check is not None
    assert (check.ok, check.level) == (False, Level.WARNING)
    assert "with another database" in check.detail
    assert "DATABASE_URL" in check.resolution
    await runner.cleanup()
    assert await examine_port("127.0.0.1", 0, "a") is None
    runner, port = await serving(other)
    check = await examine_port("127.0.0.1", port, "a")
    assert check is not None
    assert not check.ok
    assert "PORT" in check.resolution
    await runner.cleanup()


async def test_the_clock_is_compared_with_the_chats():
    dates = {"/now": "", "/then": "Mon, 23 Nov 2026 12:00:00 GMT", "/odd": "soon"}

    async def tell(request: web.Request) -> web.Response:
        date = dates[request.path]
        return web.Response(headers={"Date": date} if date else {})

    runner, port = await serving(tell)
    url = f"http://127.0.0.1:{port}"
    [good] = await examine_clock({"Slack": f"{url}/now"})
    [bad] = await examine_clock({"Discord": f"{url}/then"})
    assert good.ok
    assert not bad.ok
    assert "s off Discord's" in bad.detail
    assert await examine_clock({"Slack": f"{url}/odd"}) == []
    await runner.cleanup()
    assert await examine_clock({"Slack": url}) == []


TOKENS = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}


async def test_a_database_that_no_service_has_used_is_named(tmp_path: Path):
    (tmp_path / "moltbot.json").write_text("{}")
    base = {"DATABASE_URL": f"sqlite:///{tmp_path}/changeover.db"}
    wired = wire(base | TOKENS, cwd=tmp_path)
    [check] = await examine_use(wired)
    assert (check.ok, check.level) == (False, Level.WARNING)
    assert f"No service has used {tmp_path}/changeover.db yet" in check.detail
    assert "DATABASE_URL" in check.resolution
    await wired.app.ports.journal.beat("bot", wired.clock.now() - timedelta(minutes=3))
    [check] = await examine_use(wired)
    assert check.ok
    assert check.detail == f"A service last used {tmp_path}/changeover.db 3 min ago."
    await wired.close()
    # Without tokens there is no service to be elsewhere.
    other = wire({"DATABASE_URL": f"sqlite:///{tmp_path}/other.db"}, cwd=tmp_path)
    [check] = await examine_use(other)
    assert check.ok
    assert "other.db" in check.detail
    await other.close()


async def test_models_are_looked_for_in_their_providers_lists(tmp_path: Path):
    async def lists(request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "gpt-5"}, {"id": "gpt-5-mini"}]})

    runner, port = await serving(lists)
    chain = {"primary": "openai/gpt5", "fallbacks": ["openai/gpt-5-mini", "openai/qwerty"]}
    config = tmp_path / "c.json"
    config.write_text(json.dumps({"agents": {"defaults": {"model": chain}}}))
    env = {
        "CHANGEOVER_CONFIG": str(config),
        "DATABASE_URL": f"sqlite:///{tmp_path}/changeover.db",
        "OPENAI_API_KEY": "sk-1234567890",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
    }
    wired = wire(env, cwd=tmp_path)
    owner = Actor(Surface.CLI, "owner", "Ana", owner=True)
    [check] = await examine_models(wired, owner)
    assert (check.ok, check.level) == (False, Level.WARNING)
    assert check.detail == "openai/gpt5 is not listed by OpenAI; closest ID: gpt-5."
    assert check.resolution.endswith("openai/gpt-5")
    await runner.cleanup()
    # A list that cannot be had says nothing against a model.
    assert await examine_models(wired, owner) == []
    await wired.close()

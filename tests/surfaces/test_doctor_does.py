"""What the doctor tries out, and that it leaves nothing behind."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from adapters.main.doctor_does import examine_clock, examine_file, examine_port, examine_row
from adapters.main.wiring import wire
from adapters.storage.sync_memory import LazyMemory


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
    await LazyMemory(wired.database).put("a", "b")
    [check] = await examine_row(wired)
    assert check.ok
    assert await LazyMemory(wired.database).get(f"doctor {os.getpid()}") is None
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
        return web.json_response({"service": "changeover"})

    async def other(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    runner, port = await serving(ours)
    check = await examine_port("127.0.0.1", port)
    assert check is not None
    assert check.ok
    await runner.cleanup()
    assert await examine_port("127.0.0.1", 0) is None
    runner, port = await serving(other)
    check = await examine_port("127.0.0.1", port)
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

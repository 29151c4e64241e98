"""A digest stands in both channels once, whenever the process that posts it is killed."""

from __future__ import annotations

from tests.soak.kill_digest import MOMENTS
from tests.support.fakes_files import run


async def test_a_kill_at_any_moment_leaves_one_message_in_each_channel() -> None:
    done = await run("-m", "tests.soak.kill_digest")
    told = [f"{moment}: Slack 1, Discord 1" for moment in MOMENTS]
    assert done.stdout.splitlines() == told, done.stderr
    assert done.returncode == 0

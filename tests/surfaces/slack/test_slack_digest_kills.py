"""A digest stands in its channel once, whenever the process that posts it is killed."""

from __future__ import annotations

from tests.fakes_files import run
from tests.soak.kill_digest import MOMENTS


async def test_a_kill_around_the_moment_of_posting_leaves_one_message() -> None:
    done = await run("-m", "tests.soak.kill_digest")
    assert done.stdout.splitlines() == [f"{moment}: messages 1" for moment in MOMENTS], done.stderr
    assert done.returncode == 0

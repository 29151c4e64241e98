"""docs/architecture.md lists its walks as the program really goes."""

from __future__ import annotations

import subprocess
import sys

from scripts.walks import PAGE, ROOT, listed


def test_every_file_that_the_page_lists_is_entered():
    done = subprocess.run(
        [sys.executable, "-m", "scripts.walks"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    page = PAGE.read_text("utf-8")
    for walk in ("command", "request", "outage"):
        assert f"{walk}: {len(listed(page, walk))} files to read" in done.stdout
        assert listed(page, walk)

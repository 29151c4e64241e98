"""A service's memory: what it leaves out, and what the garbage collector need not look at."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, sys
from adapters.main.heap import freeze_gc, skip_httpx_cli
skip_httpx_cli()
import httpx
freeze_gc()
print("rich" in sys.modules, callable(httpx.AsyncClient), gc.get_freeze_count() > 1000)
"""


def test_a_service_goes_without_the_command_line_of_its_http_client() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["False", "True", "True"]

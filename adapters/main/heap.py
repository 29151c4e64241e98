"""The heap of a process that runs for weeks and must answer within milliseconds."""

from __future__ import annotations

import gc
import sys


def freeze_gc() -> None:
    """Take what the start left out of the garbage collector's rounds, once all is imported.

    A full round over a hundred thousand lasting objects stops everything for 50 to 80 ms, and
    there is nothing to find among them.
    """
    gc.collect()
    gc.freeze()


def skip_httpx_cli() -> None:
    """Leave out what a service never uses; call it before anything else is imported.

    httpx brings its own command line along, with rich, pygments and click, and goes without where
    it cannot be had: 4 MB.
    """
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

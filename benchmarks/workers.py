"""One gateway process beside several on one port, in turns.

    python -m benchmarks.workers [--workers N] [--rounds N] [--seconds S]

The load and the upstream run on the same cores as the gateways, so N workers are not N times as
fast here. What they could reach is printed beside: all cores busy, with the CPU that gateway, load
and upstream took for a request. Every figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import resource
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.gateway import (
    Target,
    changeover,
    free_port,
    load,
    running,
    until_answered,
    upstream_command,
)

CONNECTIONS = (4, 16, 64)


def main() -> None:
    """Measure and print."""
    options = _options()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        upstream = Target("upstream", free_port(), "ok")
        command = upstream_command(upstream.port)
        upstream.process = stack.enter_context(running(command, folder, {}))
        until_answered(upstream)
        targets = []
        for workers in (1, options.workers):
            place = folder / f"with-{workers}"
            target = stack.enter_context(changeover(place, upstream.port, workers))
            target.name = f"{workers} worker{'s' * (workers > 1)}"
            targets.append(target)
        for _ in range(options.rounds):
            for connections in CONNECTIONS:
                for target in targets:
                    _measure(target, upstream, connections, options.seconds)
    _print(targets, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    return parser.parse_args()


def _measure(target: Target, upstream: Target, connections: int, seconds: float) -> None:
    """Load a target, and note what the load and the upstream took of the cores meanwhile."""
    asked, others_s = target.count(str(connections)), _load_s() + upstream.cpu_s
    load(target, connections, seconds, stream=False)
    others_s = _load_s() + upstream.cpu_s - others_s
    count = target.count(str(connections)) - asked
    target.add(f"{connections} others_ms", others_s / count * 1000)


def _load_s() -> float:
    """Return the CPU of the loads that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _print(targets: list[Target], options: argparse.Namespace) -> None:
    cores = len(os.sched_getaffinity(0))
    print(
        f"{datetime.now(UTC).date()}, {cores} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}; median of {options.rounds} rounds of "
        f"{options.seconds:g} s\n"
    )
    print(f"| | {targets[0].name} | {targets[1].name} | ratio |\n|---|--:|--:|--:|")
    for n in CONNECTIONS:
        for title, what, digits in (
            (f"requests/s, {n} connections", f"{n} per_s", 0),
            (f"p99, {n}, ms", f"{n} p99_ms", 1),
            (f"CPU of the gateway a request, {n}, ms", f"{n} cpu_ms", 2),
        ):
            one, two = (target.median(what) or 0.0 for target in targets)
            print(f"| {title} | {one:.{digits}f} | {two:.{digits}f} | {two / one:.2f} |")
        one, two = (target.median(f"{n} per_s") or 0.0 for target in targets)
        own, others = (targets[1].median(f"{n} {what}_ms") or 0.0 for what in ("cpu", "others"))
        most = cores * 1000 / (own + others)
        print(f"| all cores busy, {n}, requests/s | | {most:.0f} | {most / one:.2f} |")
    one, two = (target.idle_mb for target in targets)
    print(f"| idle memory, MB | {one:.0f} | {two:.0f} | {two / one:.2f} |")


if __name__ == "__main__":
    main()

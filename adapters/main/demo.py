"""`changeover demo`: a console on simulated providers; no key, nothing written elsewhere."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from adapters.demo.clock import DemoClock
from adapters.demo.config import DEMO_CONFIG
from adapters.demo.simulated import SimulatedProviders
from adapters.main.terminal import person
from adapters.main.wiring import Wired, run, wire
from adapters.terminal.cli import Invocation
from adapters.terminal.console import Console
from adapters.terminal.local import LocalCommand, LocalWords
from bot.access import Surface
from bot.card import Card, Strong, Tone, text
from bot.errors import UsageError
from bot.models import FailureReason

INTRO = """Changeover demo. The models are simulated: no provider is asked and nothing costs money.
Try /model status, /model cheap, /fallback test, :break anthropic rate_limit, :heal anthropic.
:help lists everything, :quit leaves.
"""
HELPS = {
    ":break": "PROVIDER REASON lets a simulated provider fail",
    ":heal": "PROVIDER lets it answer again",
}


def run_demo(invocation: Invocation) -> int:
    """Run the demo's console, or the lines given with --say."""
    return run(lambda: _demo(invocation))


async def _demo(invocation: Invocation) -> int:
    with tempfile.TemporaryDirectory(prefix="changeover-demo-") as folder:
        clock = DemoClock()
        async with SimulatedProviders(clock=clock) as providers:
            wired = _wire(Path(folder), providers, clock)
            try:
                return await _talk(invocation, wired, Demo(providers))
            finally:
                await wired.close()


def _wire(folder: Path, providers: SimulatedProviders, clock: DemoClock) -> Wired:
    config = folder / "moltbot.json"
    config.write_text(DEMO_CONFIG, encoding="utf-8")
    env = {
        **providers.env(),
        "CHANGEOVER_CONFIG": str(config),
        "DATABASE_URL": f"sqlite:///{folder / 'changeover.db'}",
    }
    return wire(env, clock=clock, cwd=folder)


async def _talk(invocation: Invocation, wired: Wired, demo: Demo) -> int:
    await wired.app.refresh_names()
    console = Console(
        wired.app,
        person(Surface.CONSOLE),
        wired.look(json=invocation.json),
        local=LocalWords(demo.words, HELPS),
        refresh=wired.app.refresh_names,
        yes=invocation.yes,
    )
    if invocation.say:
        if not invocation.json:
            sys.stdout.write(INTRO.splitlines()[0] + "\n\n")
        return await console.say(invocation.say)
    return await console.run(INTRO)


class Demo:
    """The demo's own words."""

    def __init__(self, providers: SimulatedProviders) -> None:
        self._providers = providers

    @property
    def words(self) -> dict[str, LocalCommand]:
        """What the console answers besides commands."""
        return {":break": self.break_, ":heal": self.heal}

    async def break_(self, rest: str) -> Card:
        """Let a provider fail."""
        provider, reason = self._two(rest)
        self._providers.break_provider(provider, reason)
        return Card(
            title=text(Strong(provider), f" is broken now: {reason}"),
            tone=Tone.WARNING,
            body=(text("/fallback test shows what that means for the chain."),),
        )

    async def heal(self, rest: str) -> Card:
        """Let a provider answer again."""
        provider = rest.split(" ", maxsplit=1)[0].lower()
        was_broken = self._providers.heal(provider)
        words = " answers again" if was_broken else " was not broken"
        return Card(title=text(Strong(provider), words), tone=Tone.GOOD)

    def _two(self, rest: str) -> tuple[str, str]:
        words = rest.lower().split()
        if len(words) != 2:
            raise UsageError(
                ":break takes a provider and a reason.",
                f"For example :break anthropic rate_limit. Providers: "
                f"{', '.join(self._providers.providers)}. "
                f"Reasons: {', '.join(FailureReason)}.",
            )
        return words[0], words[1]

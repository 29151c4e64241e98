"""`changeover demo`: a console on simulated providers; no key, nothing written elsewhere."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from adapters.demo import DEMO_CONFIG, MOST_SENT, send, sent_card
from adapters.main.alerts import Alerts
from adapters.main.chats import SpokenChat
from adapters.main.gateway import GatewayService
from adapters.main.jobs import Jobs
from adapters.main.terminal import person
from adapters.main.wiring import Wired, run, wire
from adapters.simulated import SimulatedProviders
from adapters.simulated.clock import SimulatedClock
from adapters.terminal.cli import Invocation
from adapters.terminal.console import Console
from adapters.terminal.local import LocalCommand, LocalWords
from bot.access import Surface
from bot.card import Card, Code, Command, Strong, Tone, When, WhenStyle, text
from bot.durations import parse_duration
from bot.errors import UsageError
from bot.models import FailureReason

TITLE = "Changeover demo. The models are simulated: no provider is called and nothing costs money."
INTRO = f"""{TITLE}
Try /model status, /model cheap, /fallback test, :break anthropic rate_limit, :send 20, :wait 1m.
:help lists everything, :quit leaves.
"""
HELPS = {
    ":break": "PROVIDER REASON makes a simulated provider fail",
    ":heal": "PROVIDER makes it respond again",
    ":send": "N [MODEL] sends N requests through the gateway",
    ":wait": "DURATION moves the demo's clock ahead",
}
_STEP = timedelta(seconds=20)
_MOST_STEPS = 60


def run_demo(invocation: Invocation) -> int:
    """Run the demo's console, or the lines given with --say."""
    return run(lambda: _demo(invocation))


async def _demo(invocation: Invocation) -> int:
    # The log would drown the conversation; what matters of it is told as cards.
    logging.getLogger().addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory(prefix="changeover-demo-") as folder:
        clock = SimulatedClock()
        async with SimulatedProviders(clock=clock) as providers:
            wired = wire_demo(Path(folder), providers, clock)
            gateway = GatewayService(wired)
            await gateway.start()
            try:
                return await _talk(invocation, wired, Demo(providers, wired, gateway, clock))
            finally:
                await gateway.stop()
                await wired.close()


def wire_demo(folder: Path, providers: SimulatedProviders, clock: SimulatedClock) -> Wired:
    """Wire the program to simulated providers, with its config and database in `folder`."""
    config = folder / "moltbot.json"
    config.write_text(DEMO_CONFIG, encoding="utf-8")
    env = {
        **providers.env(),
        "CHANGEOVER_CONFIG": str(config),
        "DATABASE_URL": f"sqlite:///{folder / 'changeover.db'}",
        "CHANGEOVER_TIMEOUT_S": "2",
        "CHANGEOVER_FIRST_TOKEN_TIMEOUT_S": "2",
        "CHANGEOVER_PROBE_TIMEOUT_S": "2",
        "PORT": "0",
    }
    return wire(env, clock=clock, cwd=folder)


async def _talk(invocation: Invocation, wired: Wired, demo: Demo) -> int:
    await wired.app.refresh_names()
    console = Console(
        wired.app,
        person(Surface.CONSOLE),
        wired.look(json=invocation.json, prompt=True),
        local=LocalWords(demo.words, HELPS),
        refresh=wired.app.refresh_names,
        yes=invocation.yes,
    )
    demo.announce = console.announce
    await demo.look()
    if invocation.say:
        if not invocation.json:
            sys.stdout.write(TITLE + "\n\n")
        return await console.say(invocation.say)
    return await console.run(INTRO)


class Demo:
    """The demo's own words."""

    def __init__(
        self,
        providers: SimulatedProviders,
        wired: Wired,
        gateway: GatewayService,
        clock: SimulatedClock,
    ) -> None:
        self._providers = providers
        self._wired = wired
        self._gateway = gateway
        self._clock = clock
        self.announce: Callable[[Card], Awaitable[None]] | None = None
        self._alerts = Alerts(wired, {"console": SpokenChat(self._say, "console")})
        self._jobs = Jobs(wired, self._alerts.outbox)

    @property
    def words(self) -> dict[str, LocalCommand]:
        """What the console answers besides commands."""
        return {
            ":break": self.break_,
            ":heal": self.heal,
            ":send": self.send,
            ":wait": self.wait,
        }

    async def send(self, rest: str) -> Card:
        """Send requests through the gateway, as a team's programs would."""
        words = rest.split()
        if not words or not words[0].isdigit() or not 0 < int(words[0]) <= MOST_SENT:
            raise UsageError(
                f":send takes a number up to {MOST_SENT} and an optional model.",
                text("For example ", Code(":send 20"), " or ", Code(":send 5 cheap")),
            )
        base_url = f"http://127.0.0.1:{self._gateway.port}"
        sent = await send(base_url, int(words[0]), words[1] if len(words) > 1 else "auto")
        await self._gateway.flush()
        await self.look()
        return sent_card(sent)

    async def wait(self, rest: str) -> Card:
        """Let the clock jump ahead in steps, so that whatever falls due does so in order."""
        if not rest:
            raise UsageError(":wait needs a duration.", text("For example ", Code(":wait 30m")))
        span = parse_duration(rest)
        steps = max(1, min(_MOST_STEPS, span // _STEP))
        for _ in range(steps):
            self._clock.jump(span / steps)
            await self.look()
        return Card(title=text("It is ", When(self._clock.now(), WhenStyle.DATE_TIME), " now."))

    async def look(self) -> None:
        """Do what is due, as a running service would, and show what a channel would be told."""
        await self._wired.app.ports.journal.beat("bot", self._clock.now())
        await self._wired.app.run_due(self._alerts.outbox)
        await self._jobs.budget()
        await self._jobs.digest()
        await self._alerts.tick()

    async def _say(self, card: Card) -> None:
        if self.announce is not None:
            await self.announce(card)

    async def break_(self, rest: str) -> Card:
        """Let a provider fail."""
        provider, reason = self._two(rest)
        self._providers.break_provider(provider, reason)
        return Card(
            title=text(Strong(provider), f" now fails: {reason}"),
            tone=Tone.WARNING,
            body=(text("See the effect on the chain: ", Command("fallback test")),),
        )

    async def heal(self, rest: str) -> Card:
        """Let a provider answer again."""
        provider = rest.split(" ", maxsplit=1)[0].lower()
        was_broken = self._providers.heal(provider)
        words = " responds again" if was_broken else " was not broken"
        return Card(title=text(Strong(provider), words), tone=Tone.GOOD)

    def _two(self, rest: str) -> tuple[str, str]:
        words = rest.lower().split()
        if len(words) != 2:
            raise UsageError(
                ":break takes a provider and a reason.",
                text(
                    "For example ",
                    Code(":break anthropic rate_limit"),
                    f". Providers: {', '.join(self._providers.providers)}. "
                    f"Reasons: {', '.join(FailureReason)}.",
                ),
            )
        return words[0], words[1]

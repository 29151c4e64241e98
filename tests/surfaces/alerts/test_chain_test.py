"""The scheduled chain test: a word when it fails or changes, and none otherwise."""

from __future__ import annotations

from adapters.simulated import SimulatedProviders
from tests.surfaces.alerts.world import World

REFUSED = (
    "Scheduled chain test: degraded, 3 of 4 hops answered\n"
    "anthropic/claude-opus-4-5: API key rejected ({before}). "
    "Renew ANTHROPIC_API_KEY at https://platform.claude.com/settings/keys and restart.\n"
    "A request now would be served by openrouter/anthropic/claude-sonnet-4.5."
)
MENDED = (
    "Scheduled chain test: OK, 4 of 4 hops answered\n"
    "anthropic/claude-opus-4-5: ok (was: API key rejected).\n"
    "A request now would be served by anthropic/claude-opus-4-5."
)


async def test_the_channel_hears_of_failures_and_changes_alone(world: World) -> None:
    async with SimulatedProviders(latency_s=0, clock=world.clock) as providers:
        world.env |= providers.env()
        await world.start()
        for broken in (False, False, True, True, False, False):
            providers.heal("anthropic")
            if broken:
                providers.break_provider("anthropic", "auth")
            await world.alerts.chain_test()
            await world.wait(minutes=10, step_s=600)
    assert [text.partition("\n/fallback test")[0] for text in world.said()] == [
        REFUSED.format(before="was: ok"),
        REFUSED.format(before="unchanged"),
        MENDED,
    ]
    assert len(world.slack.posted) == 3

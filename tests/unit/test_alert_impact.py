"""What an incident means for the chain, and the step that mends it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from bot.alerts.counting import broke
from bot.alerts.impact import Impacts
from bot.card import plain
from bot.catalog import shipped
from bot.errors import ConfigLockedError, StorageError
from bot.incident import Impact, Incident
from bot.models import FailureReason, ModelRef, Secret
from bot.ports import Cooldown
from bot.ports.reloads import Neighbour, NoReloads
from bot.routing.cooldown import Scope
from tests.support.fakes_alerts import CONFIG, FLASH, NOON, OPUS, apply, event
from tests.support.fakes_core import KEYS, FakePrices
from tests.support.fakes_storage import FakeConfigStore, FakeFallbackLog

MINUTE = timedelta(minutes=1)
LONG = "custom/" + "x" * 90


def impacts(config: Any = CONFIG, **env: str) -> Any:
    store = FakeConfigStore(json.dumps(config).encode())
    return Impacts(store, FakeFallbackLog(), FakePrices(), shipped(), {**KEYS, **env})


async def firsts(around: Impacts) -> frozenset[str]:
    chains = await around.chains()
    assert chains is not None
    return chains[0]


def incident(
    reason=FailureReason.RATE_LIMIT, to: str | None = FLASH, primary=OPUS, detail=""
) -> Incident:
    return apply(None, event(1, reason=reason, to=to, primary=primary, detail=detail), NOON)


def chain(*models: str) -> Any:
    return {"agents": {"defaults": {"model": {"primary": models[0], "fallbacks": models[1:]}}}}


async def impact(one: Incident, around: Any = None) -> Impact:
    found: Impact = await (around or impacts()).of(one, NOON)
    return found


def cooled(model: str, key: str, reason: FailureReason, until=NOON + MINUTE) -> Cooldown:
    ref = ModelRef.parse(model)
    assert ref is not None
    return Cooldown(Scope.of(ref.provider, Secret(KEYS[key]), ref).key, reason, until)


async def test_who_serves_and_what_is_lost():
    found = await impact(incident())
    assert found.place == (2, 3)
    assert found.lost == ()
    assert "images" in (await impact(incident(to="ollama/llama3.3"))).lost
    assert found.switch == ("cheap", "model use cheap")
    assert found.prices == "97% cheaper"
    assert plain(found.step) == "If it lasts: /model use cheap"
    assert found.again_at is None


async def test_a_model_that_no_longer_stands_in_the_chain_has_no_place():
    found = await impact(incident(to="groq/gone"))
    assert (found.place, found.lost, found.switch, found.prices) == (None, (), None, None)
    assert plain(found.step) == "Run /fallback test to see its current error."


async def test_when_the_primary_is_asked_again():
    around = impacts()
    cooldown = cooled(OPUS, "ANTHROPIC_API_KEY", FailureReason.RATE_LIMIT)
    await around.log.set_cooldown(cooldown)
    assert (await impact(incident(), around)).again_at == NOON + MINUTE


async def test_cool_downs_that_cannot_be_read_are_left_out():
    around = impacts()
    around.log.fail = StorageError("The database is away.")
    assert (await impact(incident(), around)).place == (2, 3)


async def test_what_only_a_person_mends_down_the_chain_is_told_too():
    around = impacts()
    await around.log.set_cooldown(cooled(FLASH, "DEEPSEEK_API_KEY", FailureReason.BILLING))
    found = await impact(incident(to="ollama/llama3.3"), around)
    [also] = found.also
    assert plain(also).startswith("Also out of credit: deepseek/deepseek-flash. Add credit at")


async def test_the_step_that_mends_it():
    steps = {
        FailureReason.AUTH: "Renew ANTHROPIC_API_KEY at Anthropic's keys",
        FailureReason.BILLING: "Add credit at Anthropic's billing",
        FailureReason.MODEL_NOT_FOUND: "Replace it with one of /model list",
        FailureReason.NETWORK: "If it lasts: /model use cheap",
    }
    for reason, step in steps.items():
        assert plain((await impact(incident(reason))).step).startswith(step)
    dead = await impact(incident(to=None))
    assert plain(dead.step) == "Run /fallback test for a fix per hop."
    custom = incident(FailureReason.AUTH, primary="nobody/knows")
    assert plain((await impact(custom)).step) == "Renew its API key and restart."
    unpaid = incident(FailureReason.BILLING, primary="nobody/knows")
    assert plain((await impact(unpaid)).step) == "Add credit at the provider."
    retired = incident(FailureReason.MODEL_NOT_FOUND, primary="deepseek/deepseek-chat")
    assert "Replace it: /model use deepseek/" in plain((await impact(retired)).step)
    policy = "HTTP 404: No endpoints found matching your data policy."
    barred = incident(FailureReason.MODEL_NOT_FOUND, primary="openrouter/z/x", detail=policy)
    step = (
        "Allow it in OpenRouter's settings (https://openrouter.ai/settings/privacy), or replace it"
    )
    assert plain((await impact(barred)).step).startswith(step)
    broken = broke(None, "/srv/moltbot.json", ("no JSON5", "Mend line 4."), NOON, NOON)
    assert plain((await impact(broken)).step) == "Mend line 4."


async def test_a_dead_chain_offers_a_preset_from_outside_of_it():
    alone = impacts(chain(OPUS), OPENROUTER_API_KEY="", OLLAMA_API_KEY="")
    assert (await impact(incident(to=None), alone)).switch == ("cheap", "model use cheap")
    await alone.log.set_cooldown(cooled(FLASH, "DEEPSEEK_API_KEY", FailureReason.BILLING))
    left = await impact(incident(to=None), alone)
    assert left.switch is None
    nobody = impacts(chain(OPUS, FLASH), OPENROUTER_API_KEY="", OLLAMA_API_KEY="")
    assert (await impact(incident(to=None), nobody)).switch is None


async def test_a_switch_is_offered_only_where_it_helps():
    asked_by_name = replace(incident(), was_primary=False)
    found = await impact(asked_by_name)
    assert found.switch is None
    assert plain(found.step) == "Run /fallback test to see its current error."
    too_long = impacts(chain(OPUS, LONG))
    assert (await impact(incident(to=LONG), too_long)).switch is None
    itself = await impact(incident(to=OPUS))
    assert itself.switch is None


async def test_a_config_that_cannot_be_read_leaves_the_impact_empty():
    around = impacts()
    around.config.fail_read = ConfigLockedError("locked")
    found = await impact(incident(FailureReason.AUTH), around)
    assert found.place is None
    assert plain(found.step) == "Renew its API key and restart."
    assert await around.chains() is None
    ref = ModelRef.parse(OPUS)
    assert ref is not None
    assert await around.price_of(ref, NOON) is None


async def test_primaries_of_the_team_and_of_its_agents():
    config = chain("best", FLASH)
    config["agents"]["list"] = [{"id": "a", "model": "groq/llama"}, {"id": "b"}]
    config["agents"]["defaults"]["models"] = {OPUS: {"alias": "best"}}
    assert await firsts(impacts(config)) == {OPUS, "groq/llama"}
    assert await firsts(impacts({})) == frozenset()


async def test_a_config_is_parsed_once_a_revision():
    around = impacts()
    assert await firsts(around) == {OPUS}
    first = around._seen
    assert await firsts(around) == {OPUS}
    assert around._seen is first
    around.config.edit_outside(json.dumps(chain(FLASH)).encode())
    assert await firsts(around) == {FLASH}


def test_a_saving_has_a_pace_once_there_is_enough_of_it():
    young = replace(incident(), costs_nano_usd=-(10**9), costs_until=NOON + 5 * MINUTE)
    saving = young.saving
    assert saving is not None
    assert (saving.so_far_usd, saving.hourly_usd) == (Decimal(-1), None)
    old = replace(young, costs_until=NOON + 30 * MINUTE).saving
    assert old is not None
    assert old.hourly_usd == Decimal(-2)
    assert replace(young, costs_until=None).saving is None
    assert replace(young, costs_nano_usd=None).saving is None


COPILOT = "github-copilot/gpt-5"


def beside(*models: str, version: str = "2026.5.28") -> Any:
    """Lay a chain out that OpenClaw walks."""
    config = chain(*models)
    config["meta"] = {"lastTouchedVersion": version}
    return config


async def test_a_hop_that_only_openclaw_calls_has_its_place_and_its_own_step():
    found = await impact(incident(to=COPILOT), impacts(beside(OPUS, COPILOT, FLASH)))
    assert found.place == (2, 3)
    assert found.switch == ("gpt-5", f"model use {COPILOT}")
    auth = incident(FailureReason.AUTH, primary=COPILOT)
    step = plain((await impact(auth, impacts(beside(COPILOT, FLASH)))).step)
    assert step == (
        "Sign in again where OpenClaw runs: openclaw models auth login --provider github-copilot"
    )
    billing = incident(FailureReason.BILLING, primary=COPILOT)
    step = plain((await impact(billing, impacts(beside(COPILOT, FLASH)))).step)
    assert step == "Check the github-copilot account that OpenClaw is signed in to."
    assert "Renew its API key" in plain((await impact(auth, impacts(chain(COPILOT, FLASH)))).step)


async def test_what_openclaw_is_signed_in_to_is_no_matter_of_our_keys():
    class SignedIn(NoReloads):
        async def neighbour(self) -> Neighbour:
            return Neighbour(True, frozenset({"anthropic"}))

    around = impacts(chain(OPUS, FLASH), ANTHROPIC_API_KEY="")
    around.reloads = SignedIn()
    step = plain((await impact(incident(FailureReason.AUTH), around)).step)
    assert step.startswith("Sign in again where OpenClaw runs")


async def test_beside_openclaw_a_dead_chain_is_offered_only_what_has_a_key():
    keys = {"DEEPSEEK_API_KEY": "", "OPENROUTER_API_KEY": "", "OLLAMA_API_KEY": ""}
    left = await impact(incident(to=None), impacts(beside(OPUS), **keys))
    assert left.switch is None
    spare = await impact(incident(to=None), impacts(beside(OPUS, COPILOT)))
    # That release has no deepseek-flash by itself.
    assert spare.switch == ("think", "model use think")


async def test_a_fallback_outside_an_old_releases_allowlist_still_loses_what_it_lacks():
    config = beside(OPUS, "ollama/llama3.3", version="2026.1.29")
    config["agents"]["defaults"]["models"] = {OPUS: {}}
    assert "images" in (await impact(incident(to="ollama/llama3.3"), impacts(config))).lost

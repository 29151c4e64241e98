"""A switch that OpenClaw's release can serve: what it needs is added, proved and undone as one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest

from adapters.openclaw.reload import verdict_of
from bot.access import SERVICE
from bot.alerts.rendering import draft_of
from bot.card import plain
from bot.commands.cost_budget import check_budget
from bot.openclaw.log_lines import UnknownModel, read_line
from bot.ports.reloads import Confirmation, Neighbour, ReloadOutcome
from tests.support.bench_costs import spent
from tests.support.fakes_core import Bench
from tests.unit.test_serve import FakeOwner

OPUS = "anthropic/claude-opus-4-5"


def config(*fallbacks: str, version: str = "2026.1.29", **more: Any) -> dict[str, Any]:
    model = {"primary": OPUS, "fallbacks": list(fallbacks)}
    return {
        "agents": {"defaults": {"model": model}},
        "meta": {"lastTouchedVersion": version},
    } | more


def entry(bench: Bench, id_: str) -> Any:
    return bench.config.get("models", {}).get("providers", {}).get(id_)


CHANGES = [
    "/model cheap",
    "/model use deepseek/deepseek-flash for 2h",
    "/model strategy always-cheap",
    "/model fallback",
    "/model preset nightly deepseek/deepseek-flash",
    "/fallback set deepseek/deepseek-flash",
    "/fallback add deepseek/deepseek-flash",
]


@pytest.mark.parametrize("line", CHANGES)
async def test_every_change_adds_what_an_old_release_lacks_and_undo_removes_it(line):
    bench = Bench(config())
    before = bench.store.raw
    card = await bench.say(line)
    assert card.ok
    added = entry(bench, "deepseek")
    assert added["baseUrl"] == "https://api.deepseek.com/v1"
    assert added["apiKey"] == "${DEEPSEEK_API_KEY}"
    assert added["api"] == "openai-completions"
    row = added["models"][0]
    assert row["id"] == "deepseek-flash"
    assert row["cost"]["output"] > 0
    assert "models.providers.deepseek" in "".join(map(plain, card.body))
    assert (await bench.say("/model undo")).ok
    assert bench.store.raw == before


async def test_a_hop_that_stands_there_is_made_callable_by_the_command_that_status_names():
    bench = Bench(config("deepseek/deepseek-flash"))
    hints = [w["hint"] for w in (await bench.say("/model status")).data["warnings"] if w["hint"]]
    assert "/fallback add deepseek/deepseek-flash" in hints
    assert (await bench.say("/fallback add deepseek/deepseek-flash")).data["changed"] is True
    assert (await bench.say("/model status")).data["chain"][1]["walked"] is True


async def test_openclaws_own_ids_are_written():
    bench = Bench(config(version="2026.9.6"))
    card = await bench.say("/model use gemini/gemini-2.5-flash")
    assert bench.primary == card.data["new"] == "google/gemini-2.5-flash"
    assert entry(bench, "google") is None
    mapped = config()
    mapped["agents"]["defaults"]["models"] = {OPUS: {}, "gemini/gemini-2.5-pro": {"alias": "g"}}
    bench = Bench(mapped)
    assert (await bench.say("/model use g")).ok
    assert bench.primary == "google/gemini-2.5-pro"
    assert "google/gemini-2.5-pro" in bench.config["agents"]["defaults"]["models"]


async def test_what_the_release_serves_gets_no_entry():
    for version, model in (
        ("2026.1.29", "anthropic/claude-sonnet-4-5"),
        ("2026.5.28", "deepseek/deepseek-chat"),
        ("2026.5.28", "github-copilot/gpt-5.4"),
        ("2026.3.13", "openrouter/any/thing"),
    ):
        bench = Bench(config(version=version))
        assert (await bench.say(f"/model use {model}")).ok
        assert "models" not in bench.config, model


async def test_an_entry_of_the_teams_own_gets_the_row_it_lacks():
    rows = [{"id": "deepseek-chat", "name": "x"}]
    own = {"providers": {"DeepSeek": {"baseUrl": "https://proxy/v1", "models": rows}}}
    bench = Bench(config(models=own))
    assert (await bench.say("/model use deepseek/deepseek-flash")).ok
    found = entry(bench, "DeepSeek")
    assert found["baseUrl"] == "https://proxy/v1"
    assert [row["id"] for row in found["models"]] == ["deepseek-chat", "deepseek-flash"]
    bench = Bench(config(models={"providers": {"deepseek": {"baseUrl": "https://proxy/v1"}}}))
    assert (await bench.say("/model use deepseek/deepseek-flash")).ok
    assert "models" not in entry(bench, "deepseek")


async def test_what_no_entry_can_give_is_refused():
    bench = Bench(config())
    card = await bench.say("/model use kimi-coding/k2p5")
    assert card.error is not None
    assert card.error.code == "refused"
    assert "2026.1.29 has no provider kimi-coding" in card.error.message
    assert bench.primary == OPUS


async def test_a_local_server_is_found_where_the_environment_says():
    env = {"OLLAMA_BASE_URL": "http://ollama:11434", "OLLAMA_API_KEY": "x"}
    bench = Bench(config(), env=env)
    assert (await bench.say("/model local")).ok
    assert entry(bench, "ollama")["baseUrl"] == "http://ollama:11434/v1"


async def test_a_provider_that_openclaw_is_signed_in_to_needs_no_key_of_ours():
    bench = Bench(config(auth={"profiles": {"deepseek:default": {"provider": "deepseek"}}}))
    assert (await bench.say("/model cheap")).ok
    assert "apiKey" not in entry(bench, "deepseek")


async def test_an_attached_release_that_names_no_version_gets_what_any_release_needs():
    class Attached(FakeOwner):
        async def begin(self) -> None:  # type: ignore[override]
            return None

    bench = Bench({"agents": {"defaults": {"model": {"primary": OPUS}}}}, reloads=Attached())
    assert (await bench.say("/model cheap")).ok
    assert entry(bench, "deepseek") is not None
    assert await Attached().neighbour() == Neighbour(attached=True)
    assert (await bench.say("/model use anthropic/claude-sonnet-4-5")).ok
    assert entry(bench, "anthropic") is None


async def test_without_an_openclaw_nothing_is_added():
    bench = Bench({"agents": {"defaults": {"model": {"primary": OPUS}}}})
    assert (await bench.say("/model cheap")).ok
    assert "models" not in bench.config


async def test_behind_our_gateway_a_model_that_only_openclaw_calls_is_refused():
    served = config(OPUS, version="2026.5.28")
    served["agents"]["defaults"]["model"]["primary"] = "changeover/auto"
    bench = Bench(served)
    card = await bench.say("/model use github-copilot/gpt-5.4")
    assert card.error is not None
    assert "Only OpenClaw can call github-copilot/gpt-5.4" in card.error.message
    assert bench.chain == [OPUS]


# ---------------------------------------------------------------- what OpenClaw does not know

LINE = (
    '{"0":"{\\"subsystem\\":\\"diagnostic\\"}","1":"lane task error: lane=main durationMs=2034 '
    'error=\\"%sUnknown model: %s\\"","_meta":{"date":"2026-11-30T10:00:00.000Z"}}'
)


@pytest.mark.parametrize("head", ["FailoverError: ", "Error: ", ""])
@pytest.mark.parametrize("tail", ["", ". Run `openclaw models list --refresh`"])
def test_the_log_of_every_release_says_what_it_does_not_know(head, tail):
    model = "anthropic/claude-sonnet-4.5"
    for line in (
        LINE % (head, model + tail),
        f'[diagnostic] lane task error: lane=main durationMs=1 error="{head}'
        f'Unknown model: {model}{tail}"',
    ):
        found = read_line(line.encode())
        assert isinstance(found, UnknownModel)
        assert found.model == model
    assert read_line(b'[agent] he asked: "Unknown model: x/y"') is None


def test_an_unknown_model_is_a_verdict_only_on_the_change_that_names_it():
    line = (LINE % ("", "deepseek/x")).encode()
    assert verdict_of([line], ["deepseek/x"]) == Confirmation(
        ReloadOutcome.UNKNOWN_MODEL, "deepseek/x"
    )
    assert verdict_of([line], ["openai/gpt-5"]) is None


async def test_a_model_that_turns_out_to_be_unknown_while_we_wait_is_taken_back():
    bench = Bench(reloads=FakeOwner(ReloadOutcome.UNKNOWN_MODEL, detail="deepseek/deepseek-chat"))
    card = await bench.say("/model cheap")
    assert card.error is not None
    assert "Unknown model: deepseek/deepseek-chat" in card.error.message
    assert bench.primary == OPUS


async def test_a_model_that_turns_out_to_be_unknown_later_is_taken_back_and_told():
    bench = Bench()
    outbox = bench.outbox
    await bench.say("/model cheap")
    await bench.app.unknown_model("deepseek/other", outbox)
    assert bench.primary == "deepseek/deepseek-chat"
    await bench.app.unknown_model("deepseek/deepseek-chat", outbox)
    assert bench.primary == OPUS
    notice = await outbox.find("unknown:1")
    assert notice is not None
    said = "".join(map(plain, draft_of(notice).card.body))
    assert "Unknown model: deepseek/deepseek-chat" in said
    await bench.app.unknown_model("deepseek/deepseek-chat", outbox)
    assert bench.primary == OPUS


async def test_an_old_change_or_one_by_other_hands_is_left_alone():
    bench = Bench()
    outbox = bench.outbox
    await bench.say("/model cheap")
    bench.wait(hours=2)
    await bench.app.unknown_model("deepseek/deepseek-chat", outbox)
    assert bench.primary == "deepseek/deepseek-chat"


class Unknowing(FakeOwner):
    """An OpenClaw that knows all models but some."""

    def __init__(self, *unknown: str) -> None:
        super().__init__()
        self.unknown = unknown

    async def confirm(self, models: Collection[str] = ()) -> Confirmation:
        missing = [model for model in models if model in self.unknown]
        return Confirmation(
            ReloadOutcome.UNKNOWN_MODEL if missing else ReloadOutcome.IN_FORCE, *missing[:1]
        )


FLASH = "deepseek/deepseek-flash"
TEAM = config("openai/gpt-5", version="2026.5.28")
TEAM["agents"]["list"] = [{"id": "ops", "model": OPUS}]
TEAM["agents"]["defaults"]["heartbeat"] = {"model": OPUS}
WAYS = [
    f"/model use {FLASH}",
    f"/model use {FLASH} for 2h",
    f"/model use {FLASH} agent ops",
    f"/model use {FLASH} everywhere",
    f"/model preset nightly {FLASH}",
    "/model strategy always-cheap",
    "/model fallback",
    f"/fallback set {FLASH}",
    f"/fallback add {FLASH}",
    f"/fallback set {FLASH} agent ops",
]


@pytest.mark.parametrize("line", WAYS)
async def test_whatever_names_an_unknown_model_is_taken_back_at_once(line: str):
    bench = Bench(TEAM, reloads=Unknowing(FLASH))
    before = bench.store.raw
    card = await bench.say(line)
    assert card.error is not None
    assert card.error.message == (
        f"OpenClaw answers Unknown model: {FLASH}. The change was reverted."
    )
    assert bench.store.raw == before


@pytest.mark.parametrize("line", WAYS)
async def test_and_within_the_hour_when_its_log_says_so_later(line: str):
    bench = Bench(TEAM)
    before = bench.store.raw
    assert (await bench.say(line)).ok
    bench.wait(minutes=50)
    await bench.app.unknown_model(FLASH, bench.outbox)
    assert bench.store.raw == before
    (notice,) = bench.outbox.kept.values()
    assert f"Unknown model: {FLASH}" in "".join(map(plain, draft_of(notice).card.body))
    await bench.app.unknown_model(FLASH, bench.outbox)
    assert bench.store.raw == before


@pytest.mark.parametrize("later", [False, True])
async def test_a_timed_switch_does_not_go_back_to_what_is_unknown_by_then(later: bool):
    owner = Unknowing()
    bench = Bench(TEAM, reloads=owner)
    await bench.say(f"/model use {FLASH} for 2h")
    bench.wait(hours=3)
    owner.unknown = () if later else (OPUS,)
    await bench.outbox.run_due(bench.app)
    if later:
        assert bench.primary == OPUS
        await bench.app.unknown_model(OPUS, bench.outbox)
    assert bench.primary == FLASH
    said = ["".join(map(plain, draft_of(one).card.body)) for one in bench.outbox.kept.values()]
    assert any(f"Unknown model: {OPUS}" in words for words in said)
    bench.outbox.cards()
    assert await bench.outbox.run_due(bench.app) == []
    assert bench.primary == FLASH


async def test_an_undo_to_what_is_unknown_by_then_is_taken_back():
    owner = Unknowing()
    bench = Bench(TEAM, reloads=owner)
    await bench.say(f"/model use {FLASH}")
    owner.unknown = (OPUS,)
    card = await bench.say("/model undo")
    assert card.error is not None
    assert bench.primary == FLASH


@pytest.mark.parametrize("later", [False, True])
async def test_a_budget_switches_once_to_what_is_unknown(later: bool):
    bench = Bench(TEAM, reloads=Unknowing(*([] if later else ["ollama/llama3.3"])))
    await bench.ledger.add([spent(1, timedelta(hours=1), 6 * 10**9)])
    await bench.say("/cost budget 5 per day then local")
    before, writes = bench.store.raw, len(bench.store.writes)
    for _ in range(3):
        await check_budget(bench.app.context(SERVICE), bench.outbox)
        if later:
            await bench.app.unknown_model("ollama/llama3.3", bench.outbox)
        assert bench.store.raw == before
    assert len(bench.store.writes) == writes + 2
    said = ["".join(map(plain, draft_of(one).card.body)) for one in bench.outbox.kept.values()]
    assert any("Unknown model: ollama/llama3.3" in words for words in said)

"""/fallback: editing the chain, testing it for real, muting."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

import pytest

from bot.card import Tone, When, WhenStyle, plain
from bot.errors import ExitCode, StorageError
from bot.models import FailureReason, ModelRef, Secret
from bot.ports import Cooldown, FallbackEvent, IncidentRow
from bot.routing.cooldown import Scope
from tests.support.fakes_core import ANA, GUIDE, KEYS, OWNER, Bench
from tests.unit.test_model_commands import words

FRESH = {
    "agents": {
        "defaults": {
            "model": {
                "primary": "anthropic/claude-opus-4-5",
                "fallbacks": ["deepseek/deepseek-flash", "ollama/llama3.3"],
            }
        }
    }
}


async def test_set_add_remove_off():
    bench = Bench(FRESH)
    await bench.say("/fallback add groq/llama-3.3-70b-versatile at 1")
    assert bench.chain[0] == "groq/llama-3.3-70b-versatile"
    await bench.say("/fallback add openai/gpt-5")
    assert bench.chain[-1] == "openai/gpt-5"
    await bench.say("/fallback remove ollama/llama3.3")
    assert "ollama/llama3.3" not in bench.chain
    card = await bench.say("/fallback set cheap, local")
    assert bench.chain == ["deepseek/deepseek-flash", "ollama/llama3.3"] == card.data["new"]
    await bench.say("/fallback off")
    assert bench.chain == []
    await bench.say("/model undo")
    assert bench.chain == ["deepseek/deepseek-flash", "ollama/llama3.3"]


async def test_add_of_a_hop_that_stands_there_moves_or_allows_it():
    bench = Bench(FRESH)
    await bench.say("/fallback add local at 1")
    assert bench.chain == ["ollama/llama3.3", "deepseek/deepseek-flash"]
    guide = Bench()
    card = await guide.say("/fallback add openrouter/anthropic/claude-sonnet-4-5")
    assert card.data["changed"] is True
    assert guide.chain == GUIDE["agents"]["defaults"]["model"]["fallbacks"]
    models = guide.config["agents"]["defaults"]["models"]
    assert models["openrouter/anthropic/claude-sonnet-4-5"] == {}


async def test_the_policy_of_new_releases_is_kept_in_step():
    config = {"agents": {"defaults": {"model": "a/b", "modelPolicy": {"allow": ["openai/*"]}}}}
    bench = Bench(config)
    await bench.say("/fallback set openai/gpt-5 deepseek/deepseek-flash")
    policy = bench.config["agents"]["defaults"]["modelPolicy"]
    assert policy["allow"] == ["openai/*", "deepseek/deepseek-flash"]


async def test_a_string_model_becomes_the_object_that_can_hold_a_chain():
    bench = Bench({"agents": {"defaults": {"model": "anthropic/claude-opus-4-5"}}})
    await bench.say("/fallback set local")
    assert bench.config["agents"]["defaults"]["model"] == {
        "primary": "anthropic/claude-opus-4-5",
        "fallbacks": ["ollama/llama3.3"],
    }


async def test_an_alias_in_the_chain_stays_an_alias():
    config = {
        "agents": {
            "defaults": {
                "model": {"primary": "best", "fallbacks": ["cheap"]},
                "models": {
                    "anthropic/claude-opus-4-5": {"alias": "best"},
                    "a/b": {"alias": "cheap"},
                },
            }
        }
    }
    bench = Bench(config)
    status = await bench.say("/fallback status")
    assert [hop["model"] for hop in status.data["chain"]] == ["anthropic/claude-opus-4-5", "a/b"]
    await bench.say("/fallback add local")
    assert bench.chain == ["cheap", "ollama/llama3.3"]
    await bench.say("/fallback remove a/b")
    assert bench.chain == ["ollama/llama3.3"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("/fallback set", "usage"),
        ("/fallback set cheap cheap", "usage"),
        ("/fallback set nonsense", "unknown_model"),
        ("/fallback add local at 9", "usage"),
        ("/fallback add", "usage"),
        ("/fallback remove openai/gpt-5", "nothing_to_do"),
        ("/fallback mute", "usage"),
        ("/fallback mute banana", "usage"),
        ("/fallback events banana", "usage"),
    ],
)
async def test_bad_words(line, code):
    bench = Bench(FRESH)
    card = await bench.say(line)
    assert card.error.code == code
    assert card.error.hint
    assert bench.config == FRESH


async def test_repeats_are_walked_once():
    bench = Bench(FRESH)
    await bench.say("/model cheap")
    chain = (await bench.say("/fallback status")).data["chain"]
    assert [hop["walked"] for hop in chain] == [True, False, True]
    assert chain[1]["skip_reason"] == "repeated"


async def test_a_healthy_chain():
    bench = Bench(FRESH)
    card = await bench.say("/fallback test")
    assert card.ok
    assert card.tone is Tone.GOOD
    data = card.data
    assert data["chain_ok"] is True
    assert data["would_serve"] == "anthropic/claude-opus-4-5"
    assert [hop["verdict"] for hop in data["hops"]] == ["ok", "ok", "ok"]
    # 8 tokens in at $5 and 1 out at $25 per million
    assert float(data["hops"][0]["cost_usd"]) == pytest.approx(0.000065)
    assert data["hops"][2]["cost_usd"] == 0
    assert len(bench.upstream.requests) == 3
    lost = [w["text"] for w in data["warnings"] if w["code"] == "loses"]
    assert any("llama3.3: no images" in text for text in lost)


async def test_a_damaged_chain_is_a_bad_answer_with_the_repair():
    bench = Bench(FRESH)
    bench.upstream.fail(
        "api.anthropic.com",
        401,
        {
            "type": "error",
            "error": {"type": "authentication_error", "message": "invalid x-api-key"},
        },
    )
    bench.upstream.break_off("11434", FailureReason.NETWORK)
    card = await bench.say("/fallback test")
    assert card.exit_code is ExitCode.BAD_ANSWER
    data = card.data
    assert data["chain_ok"] is False
    assert data["would_serve"] == "deepseek/deepseek-flash"
    assert [hop["verdict"] for hop in data["hops"]] == ["auth", "ok", "network"]
    assert data["hops"][0]["status"] == 401
    assert "ANTHROPIC_API_KEY" in data["hops"][0]["hint"]
    assert "ollama serve" in data["hops"][2]["hint"]
    assert "sk-ant-test" not in words(card)


async def test_a_retired_model_gets_its_successor():
    bench = Bench()
    bench.upstream.fail("api.deepseek.com", 400, {"error": {"message": "Model Not Exist"}})
    hop = (await bench.say("/fallback test")).data["hops"][2]
    assert hop["verdict"] == "model_not_found"
    assert hop["hint"].split() == [
        "/fallback",
        "set",
        "openrouter/anthropic/claude-sonnet-4-5",
        "deepseek/deepseek-flash",
        "ollama/llama3.3",
    ]


async def test_a_misspelt_model_gets_the_nearest_name_of_the_list():
    config = {"agents": {"defaults": {"model": "openai/gpt-5-mni"}}}
    bench = Bench(config, env={"OPENAI_API_KEY": "k"})
    bench.lists.lists["openai"] = ["gpt-5", "gpt-5-mini"]
    bench.upstream.fail(
        "api.openai.com",
        404,
        {"error": {"message": "The model does not exist", "code": "model_not_found"}},
    )
    assert (await bench.say("/fallback test")).data["hops"][0][
        "hint"
    ] == "/model use openai/gpt-5-mini"


async def test_a_model_that_the_accounts_settings_bar_names_their_page():
    config = {"agents": {"defaults": {"model": "openrouter/z/x"}}}
    bench = Bench(config, env={"OPENROUTER_API_KEY": "k"})
    page = "https://openrouter.ai/workspaces/mine/guardrails"
    words = (
        "0 endpoints out of 1 requested are available matching your guardrail restrictions and data"
        " policy. We removed them for the following reasons (an endpoint may have matched multiple"
        " reasons):\nFree model training violation (guardrail): 1 endpoint excluded; configurable"
        f" at {page}"
    )
    bench.upstream.fail("openrouter.ai", 404, {"error": {"message": words, "code": 404}})
    (hop,) = (await bench.say("/fallback test")).data["hops"]
    assert hop["detail"] == (
        "HTTP 404: Free model training violation (guardrail): 1 endpoint excluded; configurable"
        f" at {page}"
    )
    assert hop["hint"] == f"Allow it at {page}, then test again."


async def test_a_hop_without_a_key_is_not_asked():
    bench = Bench(FRESH, env={"ANTHROPIC_API_KEY": "x"})
    card = await bench.say("/fallback test")
    assert [hop["verdict"] for hop in card.data["hops"]] == ["ok", "skipped", "skipped"]
    assert "DEEPSEEK_API_KEY" in card.data["hops"][1]["hint"]
    assert len(bench.upstream.requests) == 1


async def test_named_models_are_asked_instead():
    bench = Bench(FRESH, env=KEYS | {"OPENAI_API_KEY": "k"})
    card = await bench.say("/fallback test openai/gpt-5 cheap")
    assert [hop["model"] for hop in card.data["hops"]] == [
        "openai/gpt-5",
        "deepseek/deepseek-flash",
    ]
    assert card.ok


async def test_custom_providers_are_asked_too():
    config = {
        "agents": {"defaults": {"model": "mine/small"}},
        "models": {
            "providers": {
                "mine": {
                    "baseUrl": "http://127.0.0.1:9/v1",
                    "apiKey": "${MINE_KEY}",
                    "api": "openai-completions",
                    "models": [
                        {
                            "id": "small",
                            "contextWindow": 32000,
                            "input": ["text"],
                            "cost": {"input": 1, "output": 2},
                        }
                    ],
                }
            }
        },
    }
    without = await Bench(config, env={}).say("/fallback test")
    assert "MINE_KEY" in without.data["hops"][0]["hint"]
    bench = Bench(config, env={"MINE_KEY": "k"})
    card = await bench.say("/fallback test")
    assert card.ok
    assert float(card.data["hops"][0]["cost_usd"]) == pytest.approx(0.00001)
    row = (await bench.say("/model list mine")).data["models"][0]
    assert (row["context_window"], row["price"]["source"]) == (32000, "config")


async def test_an_empty_chain_has_nothing_to_test():
    assert (await Bench({}).say("/fallback test")).error.code == "nothing_to_do"


async def test_status_shows_what_cools_down_and_what_is_open():
    bench = Bench(FRESH)
    scope = Scope.of(
        "anthropic", Secret(KEYS["ANTHROPIC_API_KEY"]), ModelRef("anthropic", "claude-opus-4-5")
    )
    until = bench.clock.now() + timedelta(minutes=5)
    await bench.log.set_cooldown(Cooldown(scope.key, FailureReason.RATE_LIMIT, until))
    bench.log.incident_rows.append(
        IncidentRow(7, "open", "anthropic/x", "rate_limit", bench.clock.now(), None, 37, "a/b")
    )
    card = await bench.say("/fallback status")
    assert card.data["chain"][0]["cooldown_until"] == until
    assert card.data["incidents"][0]["id"] == 7
    assert "cooling down (rate limited)" in words(card)
    assert "37 requests" in words(card)
    assert "Open incident 7" in words(await bench.say("/model status"))


async def test_status_counts_the_conversations_that_stay():
    bench = Bench(FRESH)
    now = bench.clock.now()
    await bench.log.report_staying("gateway a", now, {"deepseek/deepseek-flash": 3})
    await bench.log.report_staying("gateway b", now - timedelta(minutes=5), {"ollama/x": 9})
    card = await bench.say("/fallback status")
    assert card.data["staying"] == [{"model": "deepseek/deepseek-flash", "conversations": 3}]
    assert "3 conversations still on deepseek/deepseek-flash while its cache is warm" in words(card)


async def test_events():
    bench = Bench(FRESH)
    now = bench.clock.now()
    await bench.log.add_events(
        [
            FallbackEvent(now - timedelta(hours=3), "r1", "a/b", "c/d", FailureReason.TIMEOUT),
            FallbackEvent(now - timedelta(minutes=3), "r2", "a/b", None, FailureReason.BILLING),
        ]
    )
    assert [e["request_id"] for e in (await bench.say("/fallback events 1h")).data["events"]] == [
        "r2"
    ]
    card = await bench.say("/fallback events")
    assert [e["request_id"] for e in card.data["events"]] == ["r2", "r1"]
    assert "no model" in words(card)
    assert (await Bench().say("/fallback events")).data["events"] == []


async def test_mute_and_unmute():
    bench = Bench(operators="slack:U1")
    card = await bench.say("/fallback mute 1h", ANA)
    assert card.data["muted_until"] == bench.clock.now() + timedelta(hours=1)
    assert "muted until" in words(await bench.say("/fallback status"))
    assert (await bench.say("/fallback unmute", ANA)).data["muted_until"] is None
    assert "were not muted" in words(await bench.say("/fallback unmute", ANA))


async def test_muting_without_a_database_is_an_error():
    bench = Bench()
    bench.log.fail = StorageError("The database is away.", "Start it.")
    card = await bench.say("/fallback mute 1h", OWNER)
    assert (card.error.code, card.exit_code) == ("storage", ExitCode.BAD_ANSWER)


def _scope(model: str = "anthropic/claude-opus-4-5", key: str = "ANTHROPIC_API_KEY") -> Scope:
    ref = ModelRef.parse(model)
    assert ref is not None
    return Scope.of(ref.provider, Secret(KEYS[key]), ref)


async def _cool(bench: Bench, *names: str) -> None:
    now = bench.clock.now()
    until = now + timedelta(hours=5)
    rows = [Cooldown(name, FailureReason.AUTH, until, 1, now) for name in names]
    await bench.log.set_cooldown(*rows)


def _in_force(rows: Sequence[Cooldown]) -> list[str]:
    return [row.scope for row in rows if row.failures]


async def test_a_good_verdict_ends_the_cooldowns_of_the_hop_and_of_no_other():
    bench = Bench(FRESH)
    flash = _scope("deepseek/deepseek-flash", "DEEPSEEK_API_KEY")
    await _cool(bench, _scope().key, _scope().model, flash.key)
    bench.upstream.fail("deepseek", 401, {})
    card = await bench.say("/fallback test")
    assert card.data["would_serve"] == "anthropic/claude-opus-4-5"
    assert _in_force(await bench.log.cooldowns(bench.clock.now())) == [flash.key]


async def test_while_the_database_is_away_what_cools_down_would_not_serve():
    bench = Bench(FRESH)
    await _cool(bench, _scope().key)
    bench.log.fail_writes = StorageError("The database cannot be reached.", "Start it.")
    card = await bench.say("/fallback test")
    assert card.data["chain_ok"] is True
    assert card.data["would_serve"] == "deepseek/deepseek-flash"


async def test_retry_ends_all_or_one_models():
    bench = Bench(FRESH)
    flash = _scope("deepseek/deepseek-flash", "DEEPSEEK_API_KEY")
    await _cool(bench, _scope().key, flash.model, "openai#12345678")
    card = await bench.say("/fallback retry cheap")
    assert [row["scope"] for row in card.data["ended"]] == ["deepseek/deepseek-flash"]
    assert "API key rejected" in words(card)
    assert len(_in_force(await bench.log.cooldowns(bench.clock.now()))) == 2
    again = await bench.say("/fallback retry deepseek/deepseek-flash")
    assert "No cool-down to end for deepseek/deepseek-flash" in words(again)
    everything = await bench.say("/fallback retry")
    assert {row["scope"] for row in everything.data["ended"]} == {"anthropic", "openai"}
    assert "12345678" not in words(everything)
    assert _in_force(await bench.log.cooldowns(bench.clock.now())) == []


async def test_retry_of_a_word_that_means_nothing():
    assert (await Bench(FRESH).say("/fallback retry cheep")).error.code == "unknown_model"


async def test_a_time_more_than_a_day_away_has_its_date():
    bench = Bench(FRESH)
    until = bench.clock.now() + timedelta(days=3)
    await bench.log.set_cooldown(Cooldown(_scope().model, FailureReason.RATE_LIMIT, until))
    spans = [span for line in (await bench.say("/fallback status")).body for span in line]
    assert When(until, WhenStyle.DATE_TIME) in spans


async def test_each_hop_is_asked_as_callers_ask():
    bench = Bench(FRESH, env=KEYS | {"OPENAI_API_KEY": "sk-o"})
    await bench.say("/fallback add openai/gpt-5")
    assert (await bench.say("/fallback test")).data["dialects"] == []
    today = bench.clock.now().date()
    late, early = {"": today, "tools": today, "seed": today}, {"": today - timedelta(days=9)}
    await bench.log.report_used("gateway a", {"openai": early, "anthropic": early})
    await bench.log.report_used("gateway b", {"responses": late, "gone": late})
    bench.upstream.fail("deepseek.com/responses", 400, {"error": {"message": "no tools here"}})
    bench.upstream.requests.clear()
    card = await bench.say("/fallback test")
    (found,) = card.data["dialects"]
    assert (found["dialect"], found["options"]) == ("responses", ["seed", "tools"])
    assert found["would_serve"] == "ollama/llama3.3"
    assert [hop["verdict"] for hop in found["hops"]] == ["skipped", "bad_response", "ok", "ok"]
    assert card.data["chain_ok"]
    line = plain(card.body[-1])
    assert line.startswith("Responses-format requests with seed and tools: ollama/llama3.3 would")
    assert "deepseek/deepseek-flash failed: HTTP 400: no tools here" in line
    asked = [json.loads(r.body) for r in bench.upstream.requests if "/responses" in r.url]
    assert len(asked) == 3
    assert all(body["tools"][0]["name"] == "noop" and body["input"] == "Hi" for body in asked)


async def test_the_card_of_the_chain_says_who_accepts_what():
    card = await Bench(FRESH).say("/fallback status")
    assert card.data["formats"][0] == {
        "model": "anthropic/claude-opus-4-5",
        "dialects": ["openai", "anthropic"],
    }
    assert card.table is not None
    cells = [plain(cell) for cell in card.table.rows[1]]
    assert cells == ["2", "deepseek/deepseek-flash", "yes", "yes", "yes"]

"""Who walks the chain, OpenClaw or our gateway, and what each of them can call."""

from __future__ import annotations

from typing import Any

import pytest

from bot.card import plain
from bot.config.schema import view
from bot.config.served import Serving, generation_of, served_table, serving
from bot.models import ModelRef
from tests.support.fakes_core import Bench

COPILOT = "github-copilot/claude-sonnet-4.6"


def config(primary: str, *fallbacks: str, version: str | None = None, **more: Any) -> dict:
    model = {"primary": primary, "fallbacks": list(fallbacks)}
    meta = {"meta": {"lastTouchedVersion": version}} if version else {}
    return {"agents": {"defaults": {"model": model}}, **meta, **more}


def words(card: Any) -> str:
    lines = [plain(card.title), *map(plain, card.body)]
    lines += [f"{w.text} {w.hint}" for w in card.warnings]
    for row in card.table.rows if card.table else ():
        lines.append(" | ".join(map(plain, row)))
    return "\n".join(lines)


FOREIGN = (
    COPILOT,
    "openai-codex/gpt-5.4",
    "amazon-bedrock/anthropic.claude-3-haiku-20240307-v1:0",
    "google-gemini-cli/gemini-2.5-pro",
    "zai/glm-4.7",
    "xai/grok-4",
)


@pytest.mark.parametrize("model", FOREIGN)
@pytest.mark.parametrize("version", ["2026.1.29", "2026.5.28", "2026.9.6", None])
async def test_what_openclaw_serves_is_never_unknown_or_to_be_removed(model, version):
    bench = Bench(config("anthropic/claude-opus-4-5", model, version=version))
    for line in ("/model status", "/fallback status", "/fallback test", "/model list"):
        said = words(await bench.say(line))
        assert "unknown provider" not in said.lower(), line
        assert "fallback remove" not in said, line
        assert "None" not in said, line


@pytest.mark.parametrize("backends", [{"Acme-CLI": {"command": "acme"}}, {"acme-cli": {}}])
async def test_a_provider_that_openclaw_has_a_program_for_is_known(backends):
    written = config("anthropic/claude-opus-4-5", "acme-cli/large", version="2026.5.28")
    written["agents"]["defaults"]["cliBackends"] = backends
    for line in ("/model status", "/fallback status", "/fallback test", "/model list"):
        said = words(await Bench(written).say(line))
        assert "unknown provider" not in said.lower(), line
        assert "fallback remove" not in said, line
    # Of a shape that it never has, nothing is known.
    written["agents"]["defaults"]["cliBackends"] = ["acme-cli"]
    assert "unknown provider" in words(await Bench(written).say("/model status")).lower()


async def test_a_hop_that_only_openclaw_can_ask_is_ready_beside_it():
    bench = Bench(config(COPILOT, "anthropic/claude-opus-4-5", version="2026.5.28"))
    card = await bench.say("/model status")
    first = card.data["chain"][0]
    assert (first["walker"], first["walked"], first["skip_reason"]) == ("openclaw", True, None)
    assert first["not_asked_by_gateway"] == "openclaw_only"
    assert "OpenClaw only, not tested from here" in plain(card.body[0])


async def test_the_test_leaves_such_a_hop_out_of_its_verdict():
    bench = Bench(config("anthropic/claude-opus-4-8", COPILOT, version="2026.5.28"))
    card = await bench.say("/fallback test")
    assert [hop["verdict"] for hop in card.data["hops"]] == ["ok", "not_tested"]
    assert card.data["chain_ok"] is True
    assert "1 of 1 hop answered" in plain(card.title)
    alone = await Bench(config(COPILOT, version="2026.5.28")).say("/fallback test")
    assert alone.data["chain_ok"] is False
    assert "only OpenClaw can ask" in plain(alone.title)


async def test_a_missing_key_of_ours_is_no_reason_to_skip_beside_openclaw():
    bench = Bench(config("groq/openai/gpt-oss-120b", version="2026.5.28"))
    card = await bench.say("/model status")
    assert card.data["chain"][0]["walked"] is True
    assert "no API key here (GROQ_API_KEY)" in words(card)
    assert "skipped" not in words(card)
    signed_in = {"auth": {"profiles": {"groq:me": {"provider": "groq", "mode": "token"}}}}
    bench = Bench(config("groq/openai/gpt-oss-120b", version="2026.5.28", **signed_in))
    card = await bench.say("/model status")
    assert "OpenClaw's own sign-in, not tested from here" in words(card)
    assert not [w for w in card.warnings if w.code == "key_not_seen"]


async def test_behind_our_gateway_it_is_said_that_only_openclaw_can_call_it():
    bench = Bench(config("changeover/auto", "anthropic/claude-opus-4-5", COPILOT))
    card = await bench.say("/model status")
    assert card.data["chain"][1]["skip_reason"] == "openclaw_only"
    assert f"Only OpenClaw can call {COPILOT}" in words(card)


async def test_a_release_without_the_model_is_not_called_ready():
    bench = Bench(config("anthropic/claude-opus-4-5", "deepseek/x", version="2026.1.29"))
    card = await bench.say("/model status")
    assert card.data["chain"][1]["skip_reason"] == "not_served"
    assert "no such model" in words(card)


async def test_what_was_typed_is_never_offered_instead():
    aliases: dict[str, Any] = {"agents": {"defaults": {"models": {"nowhere/some-model": {}}}}}
    card = await Bench(aliases).say("/model use nowhere/Some-Model")
    assert card.ok
    card = await Bench(aliases).say("/model use elsewhere/some-model")
    assert "Did you mean elsewhere" not in str(card.error)


async def test_a_model_of_the_files_map_or_of_a_releases_list_raises_no_doubt():
    mapped = config("anthropic/claude-opus-4-5", version="2026.5.28")
    mapped["agents"]["defaults"]["models"] = {"anthropic/claude-special": {}}
    for model in ("anthropic/claude-special", "anthropic/claude-opus-4-8", COPILOT):
        card = await Bench(mapped).say(f"/model use {model}")
        assert not [w for w in card.warnings if w.code == "unknown_model"], model
    card = await Bench(mapped).say("/model use anthropic/claude-opsu-4-5")
    assert [w for w in card.warnings if w.code == "unknown_model"]


@pytest.mark.parametrize(
    ("version", "model", "verdict"),
    [
        ("2026.1.29", "anthropic/claude-opus-4-5", Serving.SERVED),
        ("2026.1.29", "deepseek/deepseek-chat", Serving.UNSERVED),
        ("2026.1.29", "gemini/gemini-2.5-pro", Serving.UNSERVED),
        ("2026.1.29", "anthropic/claude-opus-5-5", Serving.UNSERVED),
        ("2026.1.29", "nobody/x", Serving.UNKNOWN),
        ("2026.3.13", "openrouter/any/thing", Serving.SERVED),
        ("2026.4.1", "ollama/llama3.3", Serving.UNKNOWN),
        ("2026.5.28", "deepseek/deepseek-chat", Serving.SERVED),
        ("2026.7.35", "deepseek/deepseek-flash", Serving.UNKNOWN),
        ("2026.9.6", "deepseek/deepseek-chat", Serving.UNSERVED),
        ("2025.12.1", "deepseek/deepseek-chat", Serving.UNKNOWN),
        (None, "deepseek/deepseek-chat", Serving.UNKNOWN),
    ],
)
def test_the_table_of_generations(version, model, verdict):
    ref = ModelRef.parse(model)
    assert ref is not None
    assert serving(ref, view({}), generation_of(version)) is verdict
    entry = {"models": {"providers": {ref.provider.upper(): {"baseUrl": "http://x/v1"}}}}
    assert serving(ref, view(entry), generation_of(version)) is Serving.SERVED


def test_every_generation_has_the_guides_own_primary():
    for one in served_table().generations:
        assert "anthropic" in one.providers, one.release


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({"auth": {"mode": "authorization-bearer", "token": "${CORP}"}}, "request.auth"),
        ({"proxy": {"mode": "env-proxy"}}, "request.proxy"),
        ({"tls": {"ca": "/etc/ca.pem"}}, "request.tls"),
        ({"auth": {"mode": "provider-default"}}, ""),
    ],
)
async def test_what_only_openclaw_can_sign_in_to_is_not_asked_and_not_called_down(request_, named):
    made = config("github-copilot/gpt-5.4", "corp/big", version="2026.5.28")
    row = {"id": "big", "contextWindow": 128000, "input": ["text"]}
    corp = {"baseUrl": "https://corp.example/v1", "apiKey": "sk-corp", "models": [row]}
    made["models"] = {"providers": {"corp": corp | {"request": request_}}}
    bench = Bench(made)
    status, test = await bench.say("/model status"), await bench.say("/fallback test")
    asked = [one for one in bench.upstream.requests if "corp.example" in one.url]
    assert bool(asked) is not bool(named)
    assert ("corp/big · OpenClaw only, not tested from here" in words(status)) is bool(named)
    assert "would be refused" not in words(test)
    assert "Anthropic-format" not in words(status)


async def test_a_chain_is_not_down_while_openclaw_alone_can_ask_a_part_of_it():
    made = config("github-copilot/gpt-5.4", "deepseek/deepseek-v4-pro", version="2026.9.6")
    bench = Bench(made)
    bench.upstream.fail("deepseek", 401, {"error": {"message": "bad key"}})
    card = await bench.say("/fallback test")
    assert "Partly tested: none of 1 hop answered" in words(card)
    assert "OpenClaw signs in to 1 hop itself; not tested from here." in words(card)


async def test_a_model_without_eyes_is_not_offered_for_images():
    made = config("github-copilot/gpt-5.4", version="2026.5.28")
    made["agents"]["defaults"]["imageModel"] = "openai/gpt-4o"
    said = words(await Bench(made).say("/model status"))
    assert "imageModel (openai/gpt-4o) keeps its own model." in said
    assert "everywhere" not in said

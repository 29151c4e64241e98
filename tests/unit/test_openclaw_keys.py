"""What a provider is asked with: headers, variables, profiles, references of OpenClaw's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.storage.files.config_file import FileConfigStore
from bot.catalog import shipped
from bot.config.keyring import without_profile
from bot.config.plan import allow, in_models
from bot.config.schema import MODELS_PATH, ConfigView, view, view_of
from bot.config.secrets import secrets_in
from bot.config.values import SetValue
from bot.dialects.endpoint import auth_headers
from bot.errors import ConfigShapeError, SettingsError
from bot.messages.cautions import of_hop
from bot.messages.chain import skip_words
from bot.messages.fallback import hint_for
from bot.models import Dialect, ModelRef
from bot.ports import Document
from bot.routing.chain import AllowRule, ChainContext, Hop, SkipReason, chain_of
from bot.routing.probe import HopVerdict
from bot.routing.router import candidates_for

MINE = {"baseUrl": "https://mine.example/v1", "models": [{"id": "m"}]}


def config(model: object = "mine/m", env: object = None, **providers: object) -> dict[str, Any]:
    root: dict[str, Any] = {
        "agents": {"defaults": {"model": model}},
        "models": {"providers": providers},
    }
    return root | ({"env": env} if env else {})


def view_with(
    parsed: dict[str, Any], *, env: dict[str, str] | None = None, profiles: object = None
) -> ConfigView:
    stored = b"" if profiles is None else json.dumps(profiles).encode()
    return view_of(Document(json.dumps(parsed).encode(), "r", {}, env or {}, stored))


def hop_of(seen: ConfigView, env: dict[str, str] | None = None) -> Hop:
    return chain_of(seen, seen.default, ChainContext(shipped(), env or {}))[0]


def key(hop: Hop) -> str | None:
    return hop.key.reveal() if hop.key else None


def sent(hop: Hop) -> dict[str, str]:
    assert hop.provider is not None
    return auth_headers(hop.provider, Dialect.OPENAI, hop.key)


def test_headers_go_out_with_their_variables_and_win_over_the_key():
    entry = MINE | {
        "apiKey": "k",
        "headers": {"X-Team": "ops ${TEAM}", "Authorization": "Custom abc", "Host": "evil"},
        "request": {"headers": {"X-More": "1"}},
        "models": [{"id": "m", "headers": {"X-Row": "r"}}],
    }
    hop = hop_of(view(config(mine=entry)), {"TEAM": "blue"})
    assert sent(hop) == {
        "authorization": "Custom abc", "x-team": "ops blue", "x-more": "1", "x-row": "r",
    }  # fmt: skip


def test_a_header_that_waits_for_a_variable_is_never_sent():
    hop = hop_of(view(config(mine=MINE | {"headers": {"X-Key": "${GONE}"}})))
    assert (hop.skip, hop.key_name) == (SkipReason.NO_KEY, "GONE")


def test_a_header_that_no_header_can_be_is_named():
    hop = hop_of(view(config(mine=MINE | {"headers": {"X-Key": "a\nb"}})))
    with pytest.raises(SettingsError, match=r"models\.providers\.mine\.headers\.x-key"):
        sent(hop)


@pytest.mark.parametrize(
    ("outer", "dotenv", "expected"),
    [
        ({}, {}, "of the file"),
        ({}, {"K": "dotenv"}, "dotenv"),
        ({"K": "ours"}, {"K": "no"}, "ours"),
    ],
)
def test_variables_come_from_ours_then_from_openclaws_env_then_from_the_file(
    outer, dotenv, expected
):
    parsed = config(env={"vars": {"K": "of the file"}}, mine=MINE | {"apiKey": "${K}"})
    assert key(hop_of(view_with(parsed, env=dotenv), outer)) == expected


def test_a_built_in_provider_is_asked_with_openclaws_variable_too():
    seen = view_with(config("openai/gpt-4o", env={"OPENAI_API_KEY": "sk-block"}))
    assert key(hop_of(seen)) == "sk-block"


PROFILES = {
    "profiles": {
        "anthropic:login": {"type": "oauth", "provider": "anthropic", "access": "a"},
        "anthropic:sub": {"type": "token", "provider": "anthropic", "token": "sk-ant-oat01-x"},
        "anthropic:default": {"type": "api_key", "provider": "anthropic", "key": "first"},
        "anthropic:work": {"type": "api_key", "provider": "anthropic", "key": "${WORK}"},
        "google:default": {"type": "api_key", "provider": "google", "keyRef": {
            "source": "env", "provider": "default", "id": "G"}},
        "odd": 7,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "expected", "name"),
    [
        ("anthropic/claude-x", "first", "auth profile anthropic:default"),
        ("anthropic/claude-x@work", "at work", "auth profile work"),
        ("anthropic/claude-x@anthropic:work", "at work", "auth profile anthropic:work"),
        ("anthropic/claude-x@google:default", None, "auth profile google:default"),
        ("anthropic/claude-x@nobody", None, "auth profile nobody"),
        ("gemini/gemini-x", "goo", "auth profile google:default"),
        ("google/gemini-x", "goo", "auth profile google:default"),
        ("openai/gpt-x", None, "OPENAI_API_KEY"),
    ],
)
def test_auth_profiles(model, expected, name):
    seen = view_with(config(model), env={"WORK": "at work", "G": "goo"}, profiles=PROFILES)
    hop = hop_of(seen)
    assert (key(hop), hop.key_name) == (expected, name)
    assert hop.skip is (None if expected else SkipReason.NO_KEY)
    assert hop.ref == ModelRef(model.split("/")[0], model.split("/")[1].split("@")[0])


def test_the_teams_order_of_profiles_counts():
    parsed = config("anthropic/claude-x") | {
        "auth": {"order": {"Anthropic": ["anthropic:sub", "anthropic:work"]}}
    }
    seen = view_with(parsed, env={"WORK": "at work"}, profiles=PROFILES)
    assert key(hop_of(seen)) == "at work"


def test_profiles_that_are_no_json_are_none():
    document = Document(json.dumps(config("openai/x")).encode(), "r", {}, {}, b"{")
    assert hop_of(view_of(document)).skip is SkipReason.NO_KEY


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("m@work", ("m", "work")),
        ("m@20251001", ("m@20251001", None)),
        ("m@20251001@work", ("m@20251001", "work")),
        ("@cf/meta/llama", ("@cf/meta/llama", None)),
        ("@cf", ("@cf", None)),
        ("m@", ("m@", None)),
    ],
)
def test_what_stands_behind_the_at_sign(written, expected):
    assert without_profile(written) == expected


@pytest.mark.parametrize("place", ["apiKey", "headers"])
def test_a_secret_in_a_store_is_not_readable_and_the_hop_is_not_asked(place):
    stored = {"source": "file", "provider": "vault", "id": "/mine"}
    entry = MINE | ({"apiKey": stored} if place == "apiKey" else {"headers": {"X-Key": stored}})
    seen = view(config(mine=entry))
    hop = hop_of(seen)
    where = "apiKey" if place == "apiKey" else "headers.x-key"
    assert hop.skip is SkipReason.KEY_ELSEWHERE
    assert not hop.key_present
    words = f"API key not readable here (models.providers.mine.{where})"
    assert skip_words(hop, [hop]) == words
    (caution,) = of_hop(hop, [hop], AllowRule.EXEMPT)
    assert (caution.code, caution.text) == ("key_elsewhere", f"mine/m is skipped: {words}.")
    skipped = HopVerdict(0, ModelRef("mine", "m"), "skipped", "key_elsewhere")
    assert "${VARIABLE}" in str(hint_for(hop, skipped, [hop], seen))
    candidates = candidates_for("auto", seen, ChainContext(shipped(), {}), Dialect.OPENAI)
    assert candidates.skipped == ((hop, "its API key cannot be read here"),)


def test_a_secret_of_the_environment_is_read():
    entry = MINE | {"apiKey": {"source": "env", "provider": "default", "id": "K"}}
    assert key(hop_of(view(config(mine=entry)), {"K": "v"})) == "v"


def test_our_variable_serves_where_the_files_secret_is_in_a_store():
    entry = {"baseUrl": "https://api.openai.com/v1", "apiKey": {"source": "exec", "id": "x"}}
    hop = hop_of(view(config("openai/gpt-x", openai=entry)), {"OPENAI_API_KEY": "sk"})
    assert (hop.skip, key(hop)) == (None, "sk")


def test_an_api_of_openclaws_own_is_named_and_not_advised_away():
    hop = hop_of(view(config(mine=MINE | {"api": "openai-codex-responses"})))
    assert hop.skip is SkipReason.OPENCLAW_ONLY
    (caution,) = of_hop(hop, [hop], AllowRule.EXEMPT)
    assert "Only OpenClaw can call mine/m" in str(caution.text)
    typo = hop_of(view(config(mine=MINE | {"api": "opnai"})))
    assert "openai-completions" in str(of_hop(typo, [typo], AllowRule.EXEMPT)[0].hint)


def test_providers_are_known_in_any_case():
    entry = MINE | {"models": [{"id": "m", "contextWindow": 5000}]}
    hop = hop_of(view(config("MINE/m", Mine=entry)))
    assert hop.skip is None
    assert hop.facts is not None
    assert hop.facts.context_window == 5000
    parsed = config("OpenRouter/x")
    parsed["agents"]["defaults"]["models"] = {"OpenRouter/x": {"alias": "cheap"}}
    seen = view(parsed)
    assert in_models(seen, ModelRef("openrouter", "x"))
    assert hop_of(seen).preset == "cheap"
    assert allow(seen, [ModelRef("openrouter", "x@work")]) == []
    assert allow(seen, [ModelRef("openrouter", "y@work")]) == [
        SetValue((*MODELS_PATH, "openrouter/y"), {})
    ]


def test_a_base_url_with_a_variable_waits_for_it():
    seen = view(config(mine=MINE | {"baseUrl": "https://${HOST}/v1"}))
    assert hop_of(seen).key_name == "HOST"
    ready = hop_of(seen, {"HOST": "h"}).provider
    assert ready is not None
    assert ready.base_url == "https://h/v1"


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ({"baseUrl": 5}, "baseUrl must not be a number"),
        ({"apiKey": ["k"]}, "apiKey must not be a list"),
        ({"api": {}}, "api must not be an object"),
        ({"headers": {"X": 1}}, "headers.X must not be a number"),
        ({"models": [{"id": "a"}, {"id": 2}]}, "models.1.id must not be a number"),
        ({"models": [{"name": "a"}]}, "models.0.id is missing"),
    ],
)
def test_a_wrong_shape_names_the_very_key(entry, place):
    with pytest.raises(ConfigShapeError, match=f"^models.providers.Mine.{place}"):
        view(config(Mine=entry))


@pytest.mark.parametrize(
    ("base", "env", "held", "named"),
    [
        ("https://mine.example/v1", {"MINE_API_KEY": "v"}, "v", "MINE_API_KEY"),
        ("https://mine.example/v1", {}, None, "MINE_API_KEY"),
        ("http://127.0.0.1:11434", {}, "MINE_API_KEY", "MINE_API_KEY"),
    ],
)
def test_a_key_that_is_a_variables_bare_name_means_the_variable(base, env, held, named):
    seen = view(config(mine=MINE | {"baseUrl": base, "apiKey": "MINE_API_KEY"}))
    hop = hop_of(seen, env)
    assert (key(hop), hop.key_name) == (held, named)


@pytest.mark.parametrize(
    "written",
    [
        {"source": "exec", "provider": "default", "id": "Providers/mine"},
        {"source": "env", "provider": "default", "id": "MINE_API_KEY"},
        "MINE_API_KEY",
    ],
)
def test_the_names_in_a_reference_are_no_secrets(written):
    parsed = config(mine=MINE | {"apiKey": written})
    document = Document(json.dumps(parsed).encode(), "r", {})
    assert secrets_in(document, {})[0] == set()
    behind = set() if isinstance(written, dict) and written["source"] == "exec" else {"the value"}
    assert secrets_in(document, {"MINE_API_KEY": "the value"})[0] == behind


def test_a_missing_profile_is_no_variable_to_set():
    hop = hop_of(view(config("anthropic/claude-opus-4-6@work")), {"ANTHROPIC_API_KEY": "k"})
    assert hop.skip is SkipReason.NO_KEY
    (caution,) = of_hop(hop, [hop], AllowRule.EXEMPT)
    assert caution.hint == "Add auth profile work where OpenClaw runs."


def test_a_bare_model_is_not_advised_away():
    hop = hop_of(view(config({"primary": "claude-opus-4-6"})))
    (caution,) = of_hop(hop, [hop], AllowRule.EXEMPT)
    assert "Write it with its provider" in str(caution.hint)


def test_a_wrong_primary_is_named_rather_than_its_model():
    with pytest.raises(
        ConfigShapeError, match=r"^agents\.defaults\.model\.primary must not be a number"
    ):
        view(config({"primary": 5}))


async def test_the_files_beside_a_config_are_read_and_never_written(tmp_path: Path):
    file = tmp_path / "openclaw.json"
    file.write_text(json.dumps(config("openai/gpt-x")))
    store = FileConfigStore(file)
    (tmp_path / ".env").write_text("OPENAI_API_KEY=not ours\n")
    assert (await store.read()).env == {}

    folder = tmp_path / "agents" / "ops" / "agent"
    folder.mkdir(parents=True)
    stored = folder / "auth-profiles.json"
    stored.write_text(json.dumps(PROFILES))
    (tmp_path / ".env").write_text("# remark\nOPENAI_API_KEY='sk dotenv'\nbroken\n")
    document = await store.read()
    assert document.env == {"OPENAI_API_KEY": "sk dotenv"}
    assert document.profiles == stored.read_bytes()
    assert document.state != document.revision
    assert key(hop_of(view_of(document))) == "sk dotenv"
    assert "sk dotenv" not in repr(document) + repr(view_of(document))

    other = FileConfigStore(file, state=tmp_path / "nowhere")
    assert (await other.read()).state == document.revision


def test_every_key_read_is_known_as_a_secret():
    entry = MINE | {"headers": {"X-Tenant": "${TENANT}"}}
    parsed = config(
        env={"vars": {"TENANT": "tenant-secret", "MY_API_KEY": "in-the-block"}}, mine=entry
    )
    document = Document(
        json.dumps(parsed).encode(),
        "r",
        {},
        {"GROQ_API_KEY": "in-the-dotenv", "WORK": "in-a-profile"},
        json.dumps(PROFILES).encode(),
    )
    found, _ = secrets_in(document, {})
    assert {"tenant-secret", "in-the-block", "in-the-dotenv", "in-a-profile", "first"} <= found

"""Where a provider is asked, for every base an operator may set."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.catalog import shipped
from bot.dialects.custom import custom_provider
from bot.dialects.endpoint import auth_headers, endpoint_url, list_dialect, list_url
from bot.dialects.locality import is_cloud_model, is_local_url, is_private, located
from bot.errors import SettingsError
from bot.models import AuthScheme, Dialect, Endpoint, ModelRef, Provider, Secret

PROVIDERS = shipped().providers
H = "http://h:1"


def url(provider: str, dialect: str, base: str | None, model: str = "m") -> str:
    return endpoint_url(PROVIDERS[provider], Dialect(dialect), base, model)


@pytest.mark.parametrize(
    ("provider", "dialect", "expected"),
    [
        ("anthropic", "anthropic", "https://api.anthropic.com/v1/messages"),
        ("anthropic", "openai", "https://api.anthropic.com/v1/chat/completions"),
        ("openai", "openai", "https://api.openai.com/v1/chat/completions"),
        ("openrouter", "openai", "https://openrouter.ai/api/v1/chat/completions"),
        ("openrouter", "anthropic", "https://openrouter.ai/api/v1/messages"),
        ("deepseek", "openai", "https://api.deepseek.com/chat/completions"),
        ("deepseek", "anthropic", "https://api.deepseek.com/anthropic/v1/messages"),
        ("groq", "openai", "https://api.groq.com/openai/v1/chat/completions"),
        (
            "gemini",
            "openai",
            "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
        ),
        (
            "gemini",
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent",
        ),
        ("ollama", "openai", "http://127.0.0.1:11434/v1/chat/completions"),
        ("ollama", "anthropic", "http://127.0.0.1:11434/v1/messages"),
        ("ollama", "ollama", "http://127.0.0.1:11434/api/chat"),
    ],
)
def test_the_providers_own_addresses(provider, dialect, expected):
    assert url(provider, dialect, None) == expected


@pytest.mark.parametrize(
    ("provider", "dialect", "base", "expected"),
    [
        # no path: the usual one is added
        ("openai", "openai", "http://127.0.0.1:4011", "http://127.0.0.1:4011/v1/chat/completions"),
        ("openai", "openai", H + "/", H + "/v1/chat/completions"),
        ("gemini", "openai", H, H + "/v1beta/openai/chat/completions"),
        ("deepseek", "openai", H, H + "/chat/completions"),
        ("groq", "openai", H, H + "/openai/v1/chat/completions"),
        # a path: as it is
        ("openai", "openai", H + "/v1", H + "/v1/chat/completions"),
        ("openai", "openai", H + "/v1///", H + "/v1/chat/completions"),
        ("openai", "openai", H + "/proxy", H + "/proxy/chat/completions"),
        ("deepseek", "openai", H + "/v1", H + "/v1/chat/completions"),
        ("openrouter", "openai", H + "/v1", H + "/v1/chat/completions"),
        ("openrouter", "openai", H + "/api/v1", H + "/api/v1/chat/completions"),
        ("groq", "openai", H + "/x", H + "/x/chat/completions"),
        ("gemini", "openai", H + "/x", H + "/x/chat/completions"),
        # Anthropic's SDK adds /v1, and never twice
        ("anthropic", "anthropic", H + "/anthropic", H + "/anthropic/v1/messages"),
        ("anthropic", "anthropic", H + "/v1", H + "/v1/messages"),
        ("anthropic", "anthropic", H + "/v1/", H + "/v1/messages"),
        ("anthropic", "openai", H + "/anthropic", H + "/anthropic/v1/chat/completions"),
        ("anthropic", "openai", H + "/v1", H + "/v1/chat/completions"),
        # another dialect's path is swapped for the asked one's
        ("ollama", "openai", H + "/api", H + "/v1/chat/completions"),
        ("ollama", "ollama", H + "/v1", H + "/api/chat"),
        ("ollama", "ollama", H + "/api", H + "/api/chat"),
        ("ollama", "openai", H + "/v1", H + "/v1/chat/completions"),
        ("ollama", "anthropic", H + "/api", H + "/v1/messages"),
        ("ollama", "openai", H + "/box/api", H + "/box/v1/chat/completions"),
        ("gemini", "gemini", H + "/v1beta/openai", H + "/v1beta/models/m:generateContent"),
        ("gemini", "openai", H + "/v1beta", H + "/v1beta/openai/chat/completions"),
        ("gemini", "openai", H + "/v1beta/openai/", H + "/v1beta/openai/chat/completions"),
        ("deepseek", "openai", H + "/anthropic", H + "/chat/completions"),
        ("deepseek", "openai", H + "/anthropic/v1", H + "/chat/completions"),
        ("deepseek", "anthropic", H + "/anthropic", H + "/anthropic/v1/messages"),
        ("deepseek", "anthropic", H + "/anthropic/v1", H + "/anthropic/v1/messages"),
        ("deepseek", "anthropic", H + "/v1", H + "/anthropic/v1/messages"),
        ("openrouter", "openai", H + "/api", H + "/api/v1/chat/completions"),
        ("openrouter", "anthropic", H + "/api", H + "/api/v1/messages"),
        # the operator's own path, asked in another dialect than the first
        ("ollama", "ollama", H + "/box", H + "/box/api/chat"),
        ("ollama", "anthropic", H + "/box", H + "/box/messages"),
        ("openrouter", "anthropic", H + "/box", H + "/box/messages"),
        ("deepseek", "anthropic", H + "/box", H + "/box/anthropic/v1/messages"),
        ("gemini", "gemini", H + "/box", H + "/box/v1beta/models/m:generateContent"),
        ("gemini", "gemini", H + "/box/v1", H + "/box/v1/models/m:generateContent"),
        # the rest of a URL
        ("openai", "openai", H + "/v1?api-version=2", H + "/v1/chat/completions?api-version=2"),
        ("openai", "openai", "http://[::1]:8080/v1", "http://[::1]:8080/v1/chat/completions"),
        ("openai", "openai", "http://[fe80::1%25eth0]", "http://[fe80::1%25eth0]/v1/chat/completions"),
        ("openai", "openai", " https://h.example ", "https://h.example/v1/chat/completions"),
        ("ollama", "openai", "http://u:p@h:1", "http://u:p@h:1/v1/chat/completions"),
    ],
)  # fmt: skip
def test_bases(provider, dialect, base, expected):
    assert url(provider, dialect, base) == expected


def test_a_models_name_is_safe_in_a_path():
    assert url("gemini", "gemini", H, "models/gemini-2.5-flash").endswith(
        "/v1beta/models/gemini-2.5-flash:generateContent"
    )
    assert url("gemini", "gemini", H, "a/../b?c#d").endswith(
        "/v1beta/models/a%2F..%2Fb%3Fc%23d:generateContent"
    )


@pytest.mark.parametrize(
    "base",
    [
        "127.0.0.1:4011",
        "localhost:4011",
        "ftp://h/v1",
        "http://",
        "https:///v1",
        "http://:8080",
        "h",
        "http://h:port",
        "http://h:99999",
        "http://[::1",
        "http://a b/v1",
        "http://h/v1\x00",
        "http://${HOST}/v1",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_address_is_named_with_its_variable(base):
    with pytest.raises(SettingsError) as caught:
        url("openai", "openai", base)
    assert caught.value.message.startswith("OPENAI_BASE_URL is ")
    assert "http://127.0.0.1:8080" in caught.value.hint


def test_a_bad_address_of_the_config_is_named_by_its_path_and_without_its_password():
    provider = custom_provider("mine", {"baseUrl": "htp://user:hunter2@h/v1"})
    with pytest.raises(SettingsError) as caught:
        endpoint_url(provider, Dialect.OPENAI, None, "m")
    assert caught.value.message.startswith("models.providers.mine.baseUrl is ")
    assert "hunter2" not in caught.value.message
    nothing = custom_provider("mine", {})
    with pytest.raises(SettingsError, match="baseUrl is empty"):
        endpoint_url(nothing, Dialect.OPENAI, None, "m")
    overridden = custom_provider("openai", {"baseUrl": "nowhere"}, PROVIDERS["openai"])
    for given in (None, "nowhere"):
        with pytest.raises(SettingsError, match=r"models\.providers\.openai\.baseUrl"):
            endpoint_url(overridden, Dialect.OPENAI, given, "m")


@pytest.mark.parametrize(
    ("provider", "base", "expected"),
    [
        ("anthropic", None, "https://api.anthropic.com/v1/models"),
        ("anthropic", H + "/v1", H + "/v1/models"),
        ("anthropic", H + "/anthropic", H + "/anthropic/v1/models"),
        ("openai", H, H + "/v1/models"),
        ("openrouter", H + "/v1", H + "/v1/models"),
        ("openrouter", None, "https://openrouter.ai/api/v1/models"),
        ("deepseek", H, H + "/models"),
        ("deepseek", H + "/v1", H + "/v1/models"),
        ("deepseek", H + "/anthropic", H + "/models"),
        ("groq", H, H + "/openai/v1/models"),
        ("gemini", H, H + "/v1beta/models"),
        ("gemini", H + "/v1beta/openai", H + "/v1beta/models"),
        ("ollama", H + "/v1", H + "/api/tags"),
        ("ollama", H, H + "/api/tags"),
    ],
)
def test_model_lists(provider, base, expected):
    assert list_url(PROVIDERS[provider], base) == expected


def test_a_provider_without_a_list_has_no_address_for_it():
    bare = replace(PROVIDERS["openai"], list_path="")
    assert list_url(bare, None) == ""
    assert list_dialect(bare) is None
    assert list_dialect(replace(bare, list_path="/elsewhere/models")) is None
    assert list_dialect(PROVIDERS["gemini"]) is Dialect.GEMINI
    assert list_dialect(PROVIDERS["ollama"]) is Dialect.OLLAMA


def test_keys_travel_as_each_endpoint_wants_them():
    key = Secret(" k-1 ")
    anthropic, ollama, gemini = (PROVIDERS[p] for p in ("anthropic", "ollama", "gemini"))
    version = {"anthropic-version": "2023-06-01"}
    assert auth_headers(anthropic, Dialect.ANTHROPIC, key) == {"x-api-key": "k-1", **version}
    assert auth_headers(anthropic, Dialect.OPENAI, key) == {"authorization": "Bearer k-1"}
    assert auth_headers(gemini, Dialect.GEMINI, key) == {"x-goog-api-key": "k-1"}
    assert auth_headers(PROVIDERS["openrouter"], Dialect.ANTHROPIC, key) == {
        "authorization": "Bearer k-1",
        **version,
    }
    assert auth_headers(ollama, Dialect.OPENAI, key) == {}
    assert auth_headers(anthropic, Dialect.ANTHROPIC, None) == version
    assert auth_headers(gemini, Dialect.GEMINI, Secret("  ")) == {}


@pytest.mark.parametrize("value", ["k\r\nx-admin: 1", "schlüssel", "two words"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(value):
    with pytest.raises(SettingsError) as caught:
        auth_headers(PROVIDERS["openai"], Dialect.OPENAI, Secret(value))
    assert "OPENAI_API_KEY" in caught.value.message
    assert value not in caught.value.message
    with pytest.raises(SettingsError, match=r"models\.providers\.mine\.apiKey"):
        auth_headers(custom_provider("mine", {}), Dialect.OPENAI, Secret(value))


# ---- providers of the config


def custom(api: str | None, base: str, **entry: object) -> Provider:
    named = {"api": api} if api else {}
    return custom_provider("Mine", {"baseUrl": base, **named, **entry})


@pytest.mark.parametrize(
    ("api", "base", "dialect", "expected"),
    [
        ("openai-completions", H, "openai", H + "/v1/chat/completions"),
        ("openai-completions", H + "/v1", "openai", H + "/v1/chat/completions"),
        ("openai-completions", H + "/x/v2/", "openai", H + "/x/v2/chat/completions"),
        (None, H + "/v1", "openai", H + "/v1/chat/completions"),
        ("anthropic-messages", H, "anthropic", H + "/v1/messages"),
        ("anthropic-messages", H + "/v1", "anthropic", H + "/v1/messages"),
        ("anthropic-messages", H + "/x", "anthropic", H + "/x/v1/messages"),
        ("anthropic-messages", H + "/x/v1/", "anthropic", H + "/x/v1/messages"),
        ("google-generative-ai", H, "openai", H + "/v1beta/openai/chat/completions"),
        ("google-generative-ai", H + "/v1beta", "gemini", H + "/v1beta/models/m:generateContent"),
        ("ollama", H, "openai", H + "/v1/chat/completions"),
        ("ollama", H + "/v1", "ollama", H + "/api/chat"),
    ],
)
def test_custom_addresses(api, base, dialect, expected):
    assert endpoint_url(custom(api, base), Dialect(dialect), None, "m") == expected


def test_a_custom_provider():
    provider = custom("openai-completions", H + "/v1", apiKey="${MINE_KEY}")
    assert (provider.id, provider.title, provider.custom) == ("mine", "Mine", True)
    assert (provider.key_env, provider.config_key) == ("MINE_KEY", "${MINE_KEY}")
    assert list_url(provider, None) == H + "/v1/models"
    assert auth_headers(provider, Dialect.OPENAI, Secret("k")) == {"authorization": "Bearer k"}
    assert custom("anthropic-messages", H).endpoints[Dialect.ANTHROPIC].auth is AuthScheme.X_API_KEY


def test_apis_that_are_not_spoken_have_no_endpoints():
    for api in ("openai-codex-responses", "bedrock-converse-stream"):
        provider = custom(api, H)
        assert provider.endpoints == {}
        assert list_url(provider, None) == ""


def test_the_api_may_stand_with_the_models():
    models = [{"id": "a", "api": "anthropic-messages"}, {"id": "b"}, "rubbish"]
    assert list(custom(None, H, models=models).endpoints) == [Dialect.ANTHROPIC]
    mixed = [{"api": "anthropic-messages"}, {"api": "openai-completions"}]
    assert list(custom(None, H, models=mixed).endpoints) == [Dialect.OPENAI]


@pytest.mark.parametrize(
    ("written", "config_key", "key_env"),
    [
        ("literal", "literal", None),
        ({"source": "env", "provider": "default", "id": "K"}, "${K}", "K"),
        ({"source": "file", "id": "/k"}, None, None),
        ({"source": "env"}, None, None),
        (7, None, None),
        ("", None, None),
        (None, None, None),
        ("pre-${K}", "pre-${K}", None),
    ],
)
def test_keys_of_the_config(written, config_key, key_env):
    provider = custom("openai-completions", H, apiKey=written)
    assert (provider.config_key, provider.key_env) == (config_key, key_env)


def test_auth_header_makes_it_a_bearer_token():
    provider = custom("anthropic-messages", H, authHeader=True)
    assert provider.endpoints[Dialect.ANTHROPIC].auth is AuthScheme.BEARER


def test_wrong_types_count_as_absent():
    provider = custom_provider("x", {"baseUrl": 7, "api": [], "apiKey": [], "models": "no"})
    assert (provider.base_url, provider.config_key) == ("", None)


def test_an_entry_under_a_built_in_id_changes_base_key_and_api_only():
    built_in = PROVIDERS["anthropic"]
    entry = {"baseUrl": H + "/x", "apiKey": "k", "api": "openai-completions"}
    provider = custom_provider("anthropic", entry, built_in)
    assert provider.title == "Anthropic"
    assert provider.key_env == "ANTHROPIC_API_KEY"
    assert provider.billing_url == built_in.billing_url
    assert not provider.custom
    assert (provider.config_base_url, provider.config_key) == (H + "/x", "k")
    assert next(iter(provider.endpoints)) is Dialect.OPENAI
    expected = H + "/x/chat/completions"
    assert endpoint_url(provider, Dialect.OPENAI, None, "m") == expected
    assert endpoint_url(provider, Dialect.OPENAI, "http://env:1/v1", "m").startswith("http://env:1")


def test_an_entry_that_says_nothing_changes_nothing():
    for provider in PROVIDERS.values():
        assert custom_provider(provider.id, {}, provider) == provider
        assert custom_provider(provider.id, {"api": "openai-codex-responses"}, provider) == provider


def test_ollama_behind_a_key_and_elsewhere():
    built_in = PROVIDERS["ollama"]
    entry = {"baseUrl": "https://ollama.example/v1", "apiKey": "k"}
    provider = custom_provider("ollama", entry, built_in)
    assert not located(provider, {}).near
    assert auth_headers(provider, Dialect.OPENAI, Secret("k")) == {"authorization": "Bearer k"}
    nearby = custom_provider("ollama", {"baseUrl": "http://10.0.0.7:11434"}, built_in)
    assert located(nearby, {}).near
    assert located(nearby, {}).private


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("http://192.168.0.9", True),
        ("http://0.0.0.0:1", True),
        ("http://gpu-box:8000", True),
        ("http://gpu.local", True),
        ("http://host.docker.internal:11434", True),
        ("https://api.example.com", False),
        ("http://8.8.8.8", False),
        ("", False),
        ("http://[::1", False),
    ],
)
def test_what_is_local(url, local):
    assert is_local_url(url) is local


def test_a_built_in_that_speaks_messages_below_another_path():
    endpoints = {Dialect.ANTHROPIC: Endpoint("/v1", "/messages", AuthScheme.X_API_KEY)}
    lone = Provider("p", "P", "http://h", endpoints, base_url_env="P_BASE_URL")
    assert endpoint_url(lone, Dialect.ANTHROPIC, H + "/a/b", "m") == H + "/a/b/v1/messages"


LLAMA = ModelRef("ollama", "llama3.3")


@pytest.mark.parametrize(
    ("id_", "base", "env", "near", "private"),
    [
        ("ollama", None, {}, True, True),
        ("ollama", None, {"OLLAMA_BASE_URL": "http://10.0.0.7:11434"}, True, True),
        ("ollama", None, {"OLLAMA_BASE_URL": "https://ollama.com"}, False, False),
        ("ollama", "https://ollama.com", {}, False, False),
        ("ollama", "https://ollama.com", {"OLLAMA_BASE_URL": "http://[::1]:1"}, True, True),
        ("anthropic", None, {"ANTHROPIC_BASE_URL": "http://127.0.0.1:4000"}, True, False),
        ("litellm", "http://127.0.0.1:4000", {}, True, False),
        ("litellm", "http://127.0.0.1:4000", {"CHANGEOVER_PRIVATE": "vllm"}, True, False),
        ("vllm", "http://127.0.0.1:8000", {"CHANGEOVER_PRIVATE": " x, vLLM"}, True, True),
        ("gpu", "https://gpu.acme.com/v1", {"CHANGEOVER_PRIVATE": "gpu.acme.com"}, False, True),
    ],
)
def test_near_and_private_are_two_facts(id_, base, env, near, private):
    provider = custom_provider(id_, {"baseUrl": base} if base else {}, PROVIDERS.get(id_))
    found = located(provider, env)
    assert (found.near, found.private) == (near, private)
    assert is_private(ModelRef(id_, "m"), found) is private


@pytest.mark.parametrize(
    ("name", "cloud"),
    [("llama3.3", False), ("kimi-k2.6:cloud", True), ("gpt-oss:120b-cloud", True),
     ("qwen:cloudy", False), ("cloud", True)],
)  # fmt: skip
def test_a_daemons_cloud_models_leave_the_machine(name, cloud):
    assert is_cloud_model(name) is cloud
    assert is_private(ModelRef("ollama", name), located(PROVIDERS["ollama"], {})) is not cloud
    assert not is_private(LLAMA, None)

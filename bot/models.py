"""What there is to switch between: providers, models, presets, prices, reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

_LONGEST_REF = 200


class Dialect(StrEnum):
    """A wire format that a provider's endpoint speaks."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    RESPONSES = "responses"
    GEMINI = "gemini"
    OLLAMA = "ollama"


class FailureReason(StrEnum):
    """Why an attempt failed, in the words of the public log line."""

    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    AUTH = "auth"
    NETWORK = "network"
    BILLING = "billing"
    MODEL_NOT_FOUND = "model_not_found"
    BAD_RESPONSE = "bad_response"


@dataclass(frozen=True, slots=True, order=True)
class ModelRef:
    """A model as the config names it: `provider/name`; the name may hold more slashes."""

    provider: str
    name: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> ModelRef | None:
        """Read `provider/name`; None when the text is not of that form or no header holds it."""
        text = text.strip()
        provider, slash, name = text.partition("/")
        if not (provider and slash and name) or len(text) > _LONGEST_REF:
            return None
        if " " in text or not text.isprintable():
            return None
        return cls(provider.lower(), name)


@dataclass(frozen=True, slots=True)
class PriceTier:
    """Unit prices of a call whose whole input is larger than `above_input_tokens`.

    They hold for all of its tokens, not only for those above the limit.
    """

    above_input_tokens: int
    input_usd_per_1m: Decimal
    output_usd_per_1m: Decimal
    cached_input_usd_per_1m: Decimal | None = None
    cache_write_usd_per_1m: Decimal | None = None
    cache_write_1h_usd_per_1m: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """Unit prices in USD per one million tokens, with where and when they were read.

    `source` is one of `operator`, `config`, `reported`, `genai-prices`, `catalog`, `local`;
    `assumed` when a vendor's list is taken for what a proxy served.
    `cache_write_usd_per_1m` is for a cache that lives 5 minutes. `tiers` are in rising order.
    Speech, pictures and web searches have prices of their own where they are known.
    `variants` are the prices under other terms than the usual ones, by `Usage.terms`.
    """

    input_usd_per_1m: Decimal
    output_usd_per_1m: Decimal
    cached_input_usd_per_1m: Decimal | None = None
    cache_write_usd_per_1m: Decimal | None = None
    source: str = "catalog"
    as_of: date | None = None
    cache_write_1h_usd_per_1m: Decimal | None = None
    tiers: tuple[PriceTier, ...] = ()
    audio_input_usd_per_1m: Decimal | None = None
    audio_output_usd_per_1m: Decimal | None = None
    web_search_usd_per_1k: Decimal | None = None
    variants: tuple[tuple[str, Price], ...] = ()
    cached_audio_usd_per_1m: Decimal | None = None
    image_output_usd_per_1m: Decimal | None = None
    assumed: bool = False

    @property
    def free(self) -> bool:
        """True when neither input nor output costs anything."""
        return not self.input_usd_per_1m and not self.output_usd_per_1m

    @property
    def blended_usd_per_1m(self) -> Decimal:
        """One figure to compare models by: three parts input to one part output."""
        return (3 * self.input_usd_per_1m + self.output_usd_per_1m) / 4


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of a model besides its name; None means unknown.

    `retires_on` is announced, by `date_source` (`catalog` or `list`: its provider's own) as read on
    `date_as_of`; `retired_on` is that day once it has come, or the day on which the provider first
    refused it. `seen_on` is the last day on which its provider listed it or it answered: a model
    seen on its last day or later is not retired. `successor` stands in for the model from then on;
    with `rerouted` the provider itself answers with it. `leaving` from a week before.
    `withdrawn_on` is a date that is no longer announced, `delisted_on` the first day on which its
    provider's list lacked it. `price_first` when the catalog's price beats the published lists.
    """

    ref: ModelRef
    context_window: int | None = None
    vision: bool | None = None
    tools: bool | None = None
    price: Price | None = None
    retired_on: date | None = None
    misspelt: bool = False
    successor: ModelRef | None = None
    retires_on: date | None = None
    price_first: bool = False
    rerouted: bool = False
    leaving: bool = False
    date_source: str = ""
    date_as_of: date | None = None
    withdrawn_on: date | None = None
    delisted_on: date | None = None
    refused_on: date | None = None
    seen_on: date | None = None

    @property
    def gone(self) -> bool:
        """True when the name is of no use today: retired, or never an id of its provider."""
        return self.misspelt or self.retired_on is not None


class AuthScheme(StrEnum):
    """How a key travels: which header carries it."""

    BEARER = "bearer"
    X_API_KEY = "x-api-key"
    X_GOOG_API_KEY = "x-goog-api-key"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider answers chats in one dialect, below its bare host.

    The path is `prefix + tail` (`/api/v1` + `/chat/completions`); `{model}` in the tail stands
    for the model's name. `stateless` where it keeps no answer that could be referred to.
    """

    prefix: str
    tail: str
    auth: AuthScheme
    stateless: bool = False


@dataclass(frozen=True, slots=True)
class Provider:
    """A host of models: where it is, which variable holds its key, what it speaks.

    `base_url` is the provider's own scheme and host, or whatever a custom provider's config says.
    `endpoints` are in order of preference; `list_path` is the free model list below the bare
    host. `self_hosted` is a server that teams run themselves; whether it is `near` and `private`
    depends on its address (`bot.dialects.locality`), and so does `moved`: a built-in provider is
    reached at another host than its own, such as a proxy's. `config_key` is an `apiKey` of the
    config file, still with its `${VAR}`, and `headers` what the file sends besides. `unreadable` is
    the key of the file whose secret is kept where only OpenClaw can read it; `api` is the file's
    word.
    """

    id: str
    title: str
    base_url: str
    endpoints: Mapping[Dialect, Endpoint]
    list_path: str = ""
    key_env: str | None = None
    base_url_env: str | None = None
    config_base_url: str | None = None
    self_hosted: bool = False
    near: bool = False
    private: bool = False
    moved: bool = False
    custom: bool = False
    config_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    unreadable: str | None = None
    api: str = ""
    dashboard_url: str = ""
    billing_url: str = ""
    keys_url: str = ""
    tier: str = ""
    best_for: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preset:
    """A name for a model, as the guide gave it and as it stands today."""

    name: str
    model: ModelRef
    use_case: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as OpenTelemetry's GenAI conventions count them.

    `input_tokens` is all input, cached and cache writes included; `output_tokens` all output,
    reasoning included; the others are parts of these. `reported_cost_usd` is what the provider
    itself says the call cost. `audio_…` and `image_…` tokens are parts too: heard by the model and
    not cached, heard and cached, spoken or drawn by it. `terms` names what makes the call cost more
    or less than listed (`flex`, `fast us`). `asides` are what the provider ran beside the answer
    and bills on top; no count above includes them. `doubtful` when the provider counted something
    that is not understood here. Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    reported_cost_usd: Decimal | None = None
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    web_searches: int = 0
    terms: str = ""
    cached_audio_tokens: int = 0
    image_output_tokens: int = 0
    asides: tuple[Aside, ...] = ()
    doubtful: bool = False

    @property
    def with_asides(self) -> Usage:
        """The same usage with the tokens of its asides added in; what a ledger row counts."""
        if not self.asides:
            return self
        parts = [aside.usage for aside in self.asides]
        sums = {
            name: getattr(self, name) + sum(getattr(part, name) for part in parts)
            for name in _ADDED
        }
        return replace(self, **sums, asides=())


_ADDED = (
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
)


@dataclass(frozen=True, slots=True)
class Aside:
    """Tokens of a sampling beside the answer; without a `model` it was the answer's own."""

    usage: Usage
    model: str | None = None


class Secret:
    """A string that never shows itself in a repr, a log line or a traceback."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the string itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __str__(self) -> str:
        return "…"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class GroupBy(StrEnum):
    """What spend is grouped by."""

    MODEL = "model"
    PROVIDER = "provider"
    DAY = "day"
    KEY = "key"
    AGENT = "agent"
    SESSION = "session"


class BudgetPeriod(StrEnum):
    """How long a budget has to last."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

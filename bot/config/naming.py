"""From the words people use to models: aliases of the file, presets, `provider/model`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from bot.catalog import Catalog
from bot.config.keyring import without_profile
from bot.config.schema import ConfigView
from bot.config.served import has_provider
from bot.durations import shorten
from bot.errors import UnknownModelError, UsageError
from bot.models import ModelRef
from bot.spans import Command, text

_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_VENDORS = {
    "claude-": "anthropic",
    "gpt-": "openai",
    "chatgpt-": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "gemini-": "gemini",
    "deepseek-": "deepseek",
}
_PRESET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


class Via(StrEnum):
    """What a word turned out to be."""

    ALIAS = "alias"
    PRESET = "preset"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Named:
    """A model and the word it was asked for by.

    `replaced` is the retired or misspelt model that the catalog's preset names, when a successor
    was taken instead.
    """

    ref: ModelRef
    via: Via
    word: str
    replaced: ModelRef | None = None


def resolve(words: str, view: ConfigView, catalog: Catalog) -> Named:
    """Find the model meant by an alias, a preset or `provider/model`.

    The team's alias wins over the catalog's preset, and is followed wherever it points.

    Raises:
        UnknownModelError: nothing goes by that name.
    """
    word = words.strip().strip("`")
    alias = alias_target(word, view)
    if alias is not None:
        return Named(alias, Via.ALIAS, word.lower())
    preset = catalog.presets.get(word.lower())
    if preset is not None:
        ref = catalog.current(preset.model)
        return Named(ref, Via.PRESET, preset.name, preset.model if ref != preset.model else None)
    parsed = ModelRef.parse(word)
    if parsed is not None and known_provider(parsed.provider, view, catalog):
        return Named(parsed, Via.MODEL, word)
    raise _unknown(word, view, catalog)


def bare_model(word: str, view: ConfigView, catalog: Catalog) -> ModelRef | None:
    """Find a model by its id alone: in the chain, in the config, else with its vendor."""
    wanted = _bare(word)
    if not wanted or "/" in word:
        return None
    models = [*chain_words(view), *view.aliases]
    models += [
        f"{id_}/{row['id']}"
        for id_, table in view.providers.items()
        for row in table.get("models") or ()
        if isinstance(row, dict) and isinstance(row.get("id"), str)
    ]
    for one in models:
        ref = written(one, view)
        if ref is not None and _bare(ref.name) == wanted:
            return ref
    vendor = next((id_ for start, id_ in _VENDORS.items() if wanted.startswith(start)), None)
    if vendor is None or not known_provider(vendor, view, catalog):
        return None
    return ModelRef.parse(f"{vendor}/{word.strip()}")


def _bare(name: str) -> str:
    # OpenRouter writes `4.5` where Anthropic writes `4-5`.
    return name.strip().rpartition("/")[2].lower().replace(".", "-")


def alias_target(word: str, view: ConfigView) -> ModelRef | None:
    """Return the model that carries the alias in the file; case does not matter."""
    for key, alias in view.aliases.items():
        if alias is not None and alias.lower() == word.lower():
            return ModelRef.parse(key)
    return None


def alias_of(ref: ModelRef, view: ConfigView) -> str | None:
    """Return the model's alias in the file, whatever the case of its provider there."""
    return next((a for key, a in view.aliases.items() if a and ModelRef.parse(key) == ref), None)


def written(value: str | None, view: ConfigView) -> ModelRef | None:
    """Read a model as the file writes it: a full name or an alias; None for anything else."""
    return written_with_profile(value, view)[0]


def written_with_profile(value: str | None, view: ConfigView) -> tuple[ModelRef | None, str | None]:
    """Read a model and the auth profile behind it: `provider/model@profile`."""
    ref = (alias_target(value, view) or ModelRef.parse(value)) if value else None
    if ref is None:
        return None, None
    name, profile = without_profile(ref.name)
    return ModelRef(ref.provider, name), profile


def variable_in(value: str | None) -> str | None:
    """Return the `${VAR}` a value holds, if any."""
    found = _VARIABLE.search(value or "")
    return found[0] if found else None


def known_provider(id_: str, view: ConfigView, catalog: Catalog) -> bool:
    """Return whether the catalog, the file or an OpenClaw release has a provider of that id."""
    return (
        catalog.provider(id_) is not None
        or has_provider(id_)
        or id_ in view.profiles
        or any(written.lower() == id_ for written in view.providers)
        or any(key.partition("/")[0].lower() == id_ for key in view.aliases)
    )


def check_preset_name(name: str, taken: Iterable[str]) -> str:
    """Return a preset's name in lower case.

    Raises:
        UsageError: it is no name, or a command's word.
    """
    word = name.strip().lower()
    if not _PRESET_NAME.fullmatch(word):
        raise UsageError(
            f"{shorten(name)!r} is not a valid preset name.",
            text(
                "Use up to 32 of a-z, 0-9, dot, dash and underscore: ",
                Command("model preset nightly cheap"),
            ),
        )
    if word in taken:
        raise UsageError(
            text(f"{word} is reserved: ", Command("model"), " uses that word."),
            text("Choose another name: ", Command(f"model preset my-{word} {word}")),
        )
    return word


def names(view: ConfigView, catalog: Catalog) -> list[str]:
    """Return every word that `/model use` takes, aliases first, for completion."""
    aliases = [alias for alias in view.aliases.values() if alias]
    models = [*view.aliases, *map(str, chain_words(view))]
    known = [str(ref) for ref, facts in catalog.models.items() if not facts.gone]
    custom = [
        f"{id_}/{model['id']}"
        for id_, table in view.providers.items()
        for model in table.get("models") or ()
        if isinstance(model, dict) and isinstance(model.get("id"), str)
    ]
    return list(dict.fromkeys([*aliases, *catalog.presets, *models, *custom, *known]))


def chain_words(view: ConfigView) -> list[str]:
    """Return the defaults' primary and fallbacks as written."""
    return [w for w in (view.default.primary, *(view.default.fallbacks or ())) if w]


def near(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate spelt most like the word, if any is close; never the word itself."""
    pool = {candidate.lower(): candidate for candidate in candidates if candidate != word}
    swapped = next((c for c in pool if sorted(c) == sorted(word.lower())), None)
    if swapped is not None:
        return pool[swapped]
    close = get_close_matches(word.lower()[:200], pool, n=1, cutoff=0.6)
    return pool[close[0]] if close else None


def _unknown(word: str, view: ConfigView, catalog: Catalog) -> UnknownModelError:
    pool = names(view, catalog)
    tails = {name.rpartition("/")[2].lower(): name for name in reversed(pool) if "/" in name}
    guess = tails.get(word.lower()) or near(word, pool)
    parsed = ModelRef.parse(word)
    hint = f"Did you mean {guess}? " if guess else ""
    listed = text(hint, "Use an alias, a preset or provider/model: ", Command("model list"))
    if parsed is not None:
        providers = sorted({*catalog.providers, *view.providers})
        return UnknownModelError(
            f"Unknown provider {shorten(parsed.provider)!r}.",
            f"{hint}Known providers: {', '.join(providers)}.",
        )
    return UnknownModelError(
        f"Unknown model {shorten(word)!r}.",
        listed,
    )

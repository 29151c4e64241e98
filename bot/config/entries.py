"""The entries of `models.providers` that a release needs before it can call a model.

The same edit that names the model adds its provider, so that both are proved and undone as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from bot.catalog import Catalog
from bot.config.commit import Plan, edited_by
from bot.config.naming import written
from bot.config.plan import allow
from bot.config.present import Present
from bot.config.schema import OWN_PROVIDER, ConfigView, ModelChoice, view_of
from bot.config.served import Serving, generation_of, served_table, serving
from bot.config.values import Edit, SetValue
from bot.errors import RefusedError
from bot.models import ModelRef
from bot.ports import Json, Path
from bot.spans import Command, text

PROVIDERS: Path = ("models", "providers")
_MOST_OUTPUT_TOKENS = 8192
_WINDOW_TOKENS = 128_000


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """What an entry is made of besides the table: model facts, our environment, its sign-ins."""

    catalog: Catalog
    env: Mapping[str, str]
    signed_in: frozenset[str] = frozenset()


def with_entries(planned: Plan, present: Present, around: EntryFacts) -> Plan:
    """Add to a plan what OpenClaw's release needs to call the models that it newly names.

    Raises:
        RefusedError: the release has no such provider, and no entry would help.
        ConfigError: the edits themselves cannot be made.
    """
    planned = _in_own_ids(planned, present)
    after = _view_after(planned, present)
    wanted: dict[str, list[ModelRef]] = {}
    for ref in dict.fromkeys([*_newly(present.view, after), *planned.wants]):
        if ref.provider != OWN_PROVIDER and _needs(ref, after):
            wanted.setdefault(ref.provider, []).append(ref)
    edits = [edit for id_, refs in wanted.items() for edit in _entry(id_, refs, after, around)]
    return replace(planned, edits=[*planned.edits, *edits])


def _newly(before: ConfigView, after: ConfigView) -> list[ModelRef]:
    """Return the models that stand where they did not, or go by another name."""
    had = {choice.path: _refs(choice, before) for choice in before.choices}
    found = [
        ref
        for choice in after.choices
        for ref in _refs(choice, after)
        if ref not in had.get(choice.path, [])
    ]
    mapped = [
        ModelRef.parse(key)
        for key, alias in after.aliases.items()
        if key not in before.aliases or before.aliases[key] != alias
    ]
    return [ref for ref in [*found, *mapped] if ref is not None]


def _refs(choice: ModelChoice, view: ConfigView) -> list[ModelRef | None]:
    """Return the primary, then the fallbacks."""
    return [written(word, view) for word in (choice.primary, *(choice.fallbacks or ()))]


def _needs(ref: ModelRef, view: ConfigView) -> bool:
    """Return whether the file must say more of a model. Raises RefusedError where it cannot."""
    state = serving(ref, replace(view, providers={}), generation_of(view.version))
    if state is Serving.SERVED:
        return False
    if ref.provider in _written_ids(view):
        return _lacks_row(ref, view)
    if ref.provider in served_table().entries:
        return True
    if state is Serving.UNSERVED:
        raise RefusedError(
            f"OpenClaw {view.version} has no provider {ref.provider} and would answer "
            "Unknown model. Nothing changed.",
            text(
                f"Update OpenClaw, add {ref.provider} to models.providers, or choose from ",
                Command("model list"),
            ),
        )
    return False


def _in_own_ids(planned: Plan, present: Present) -> Plan:
    """Write a model that OpenClaw knows by another provider's name under that name."""
    own = served_table().own_ids
    new = [*_newly(present.view, _view_after(planned, present)), *planned.wants]
    taken = _written_ids(present.view)
    others = [ref for ref in new if ref.provider in own and ref.provider not in taken]
    if not others:
        return planned
    renamed = {ref: ModelRef(own[ref.provider], ref.name) for ref in others}
    names = {str(old): str(ref) for old, ref in renamed.items()}
    edits = [_renamed_edit(edit, names) for edit in planned.edits]
    edits += [edit for edit in allow(present.view, renamed.values()) if edit not in edits]
    wants = tuple(renamed.get(ref, ref) for ref in planned.wants)
    pins = tuple(replace(pin, after=names.get(pin.after or "", pin.after)) for pin in planned.pins)
    return replace(planned, edits=edits, new=_renamed(planned.new, names), wants=wants, pins=pins)


def _entry(id_: str, refs: list[ModelRef], view: ConfigView, around: EntryFacts) -> list[SetValue]:
    """Plan a provider's entry, or the rows that an entry of the file lacks."""
    rows: list[Json] = [_row(ref, around.catalog) for ref in refs]
    own_id = _written_ids(view).get(id_)
    if own_id is not None:
        listed = view.providers[own_id].get("models")
        kept = list(listed) if isinstance(listed, list) else []
        return [SetValue((*PROVIDERS, own_id, "models"), [*kept, *rows])]
    entry = dict(served_table().entries[id_])
    provider = around.catalog.provider(id_)
    base = around.env.get(provider.base_url_env or "") if provider else None
    if provider and provider.self_hosted and base:
        # The team's own server: the variable holds its address, with or without a path.
        path = base.partition("://")[2].partition("/")[2]
        entry["baseUrl"] = base if path else f"{base.rstrip('/')}/v1"
    if id_ in around.signed_in:
        entry.pop("apiKey")
    return [SetValue((*PROVIDERS, id_), {**entry, "models": rows})]


def _row(ref: ModelRef, catalog: Catalog) -> dict[str, Json]:
    """Return a model as an entry lists it, in the form that every release accepts."""
    provider = catalog.provider(ref.provider)
    facts = catalog.facts(ModelRef(provider.id, ref.name) if provider else ref)
    price = facts.price
    costs = (
        (
            price.input_usd_per_1m,
            price.output_usd_per_1m,
            price.cached_input_usd_per_1m,
            price.cache_write_usd_per_1m,
        )
        if price
        else (None,) * 4
    )
    names = ("input", "output", "cacheRead", "cacheWrite")
    return {
        "id": ref.name,
        "name": ref.name,
        "reasoning": False,
        "input": ["text", "image"] if facts.vision else ["text"],
        "cost": {name: _number(cost) for name, cost in zip(names, costs, strict=True)},
        "contextWindow": facts.context_window or _WINDOW_TOKENS,
        "maxTokens": _MOST_OUTPUT_TOKENS,
    }


def _number(cost: Decimal | None) -> int | float:
    return float(cost) if cost and cost % 1 else int(cost or 0)


def _lacks_row(ref: ModelRef, view: ConfigView) -> bool:
    """Return whether an entry of the file lists models, but not this one."""
    own_id = _written_ids(view).get(ref.provider)
    listed = view.providers[own_id].get("models") if own_id is not None else None
    if not isinstance(listed, list) or not listed:
        return False
    return not any(isinstance(row, dict) and row.get("id") == ref.name for row in listed)


def _written_ids(view: ConfigView) -> dict[str, str]:
    return {id_.lower(): id_ for id_ in view.providers}


def _view_after(planned: Plan, present: Present) -> ConfigView:
    return view_of(edited_by(planned, present.document).document)


def _renamed_edit(edit: Edit, names: Mapping[str, str]) -> Edit:
    path = tuple(names.get(step, step) if isinstance(step, str) else step for step in edit.path)
    if isinstance(edit, SetValue):
        return SetValue(path, _renamed(edit.value, names))
    return replace(edit, path=path)


def _renamed(value: Json, names: Mapping[str, str]) -> Json:
    match value:
        case str():
            return names.get(value, value)
        case list():
            return [_renamed(item, names) for item in value]
        case dict():
            return {names.get(key, key): _renamed(item, names) for key, item in value.items()}
        case _:
            return value

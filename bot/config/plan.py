"""From what is wanted to edits: primary, chain, aliases, and the allowlist kept in step.

Nothing here reads or writes; `bot.config.edit` splices what is planned and proves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.config.naming import alias_of, chain_words, near, written
from bot.config.schema import ALLOW_PATH, MODELS_PATH, ConfigView, ModelChoice, ModelShape
from bot.config.values import Edit, Remove, SetValue
from bot.durations import shorten
from bot.errors import UsageError
from bot.models import ModelRef


def choice_for(view: ConfigView, agent: str | None) -> ModelChoice:
    """Return the defaults' or the agent's model.

    Raises:
        UsageError: the file has no such agent.
    """
    choice = view.choice(agent)
    if choice is not None:
        return choice
    guess = near(agent or "", view.agents)
    known = ", ".join(view.agents) or "none"
    raise UsageError(
        f"The config has no agent {shorten(agent or '')!r}.",
        f"Did you mean {guess}?" if guess else f"Agents in the file: {known}.",
    )


def chain_for(view: ConfigView, agent: str | None) -> list[str]:
    """Return the defaults' or the agent's fallbacks; an agent without any inherits."""
    own = choice_for(view, agent).fallbacks
    return list((view.default.fallbacks if own is None else own) or ())


def plan_primary(view: ConfigView, ref: ModelRef, agent: str | None = None) -> list[Edit]:
    """Plan a switch of the primary; the chain stays as it is."""
    choice = choice_for(view, agent)
    edits: list[Edit] = [SetValue(choice.primary_path, str(ref))]
    if agent is not None and choice.shape is ModelShape.ABSENT:
        # Both generations take a string for an agent, and a string inherits the chain.
        edits = [SetValue(choice.path, str(ref))]
    elif choice.front is not None and choice.primary is None:
        edits = _behind(choice, [str(ref)])
    return [*edits, *allow(view, [ref])]


def plan_chain(
    view: ConfigView, words: Sequence[str], new: Iterable[ModelRef], agent: str | None = None
) -> list[Edit]:
    """Plan a new chain of words as they are to be written; `new` are the models to allow.

    A model that is a bare string becomes the object that can hold a chain.
    """
    choice = choice_for(view, agent)
    edits: list[Edit] = [SetValue(choice.fallbacks_path, list(words))]
    if choice.front is not None:
        edits = _behind(choice, [*([choice.primary] if choice.primary else []), *words])
    elif choice.shape is ModelShape.STRING:
        edits = [SetValue(choice.path, {"primary": choice.primary, "fallbacks": list(words)})]
    return [*edits, *allow(view, new)]


def plan_strategy(view: ConfigView, primary: ModelRef, chain: Sequence[ModelRef]) -> list[Edit]:
    """Plan primary and chain in one edit."""
    names = [str(ref) for ref in chain]
    choice = view.default
    if choice.front is not None:
        edits: list[Edit] = _behind(choice, [str(primary), *names])
    elif choice.shape is ModelShape.OBJECT:
        edits = [
            SetValue(choice.primary_path, str(primary)),
            SetValue(choice.fallbacks_path, names),
        ]
    else:
        edits = [SetValue(choice.path, {"primary": str(primary), "fallbacks": names})]
    return [*edits, *allow(view, [primary, *chain])]


def _behind(choice: ModelChoice, chain: Sequence[str]) -> list[Edit]:
    """Plan the whole chain of a file in which our gateway is first."""
    if choice.shape is ModelShape.STRING:
        return [SetValue(choice.path, {"primary": choice.front, "fallbacks": list(chain)})]
    return [SetValue(choice.fallbacks_path, list(chain))]


def plan_alias(view: ConfigView, name: str, ref: ModelRef) -> list[Edit]:
    """Plan naming a model.

    A map that does not exist yet would become an allowlist for Moltbot 1.x, so the primary and
    every fallback go into it along with the named model.
    """
    edits: list[Edit] = [
        Remove((*MODELS_PATH, key, "alias"))
        for key, alias in view.aliases.items()
        if alias is not None and alias.lower() == name and key != str(ref)
    ]
    edits.append(SetValue((*MODELS_PATH, str(ref), "alias"), name))
    if not view.aliases:
        others = [written(word, view) for word in chain_words(view)]
        edits.extend(
            SetValue((*MODELS_PATH, str(other)), {})
            for other in dict.fromkeys(others)
            if other is not None and other != ref
        )
    return [*edits, *_policy(view, [ref])]


def plan_alias_removal(view: ConfigView, name: str) -> list[Edit]:
    """Plan taking an alias away; the model stays allowed. Empty when nobody has it."""
    return [
        Remove((*MODELS_PATH, key, "alias"))
        for key, alias in view.aliases.items()
        if alias is not None and alias.lower() == name
    ]


def allow(view: ConfigView, refs: Iterable[ModelRef]) -> list[Edit]:
    """Plan what keeps the models allowed; an absent or empty map or policy allows everything."""
    wanted = list(dict.fromkeys(ref for one in refs if (ref := written(str(one), view))))
    edits: list[Edit] = [
        SetValue((*MODELS_PATH, str(ref)), {}) for ref in wanted if not in_models(view, ref)
    ]
    return [*edits, *_policy(view, wanted)]


def in_models(view: ConfigView, ref: ModelRef) -> bool:
    """Return whether Moltbot 1.x would let the model through its `agents.defaults.models`."""
    return not view.aliases or any(ModelRef.parse(key) == ref for key in view.aliases)


def in_policy(view: ConfigView, ref: ModelRef) -> bool:
    """Return whether `modelPolicy.allow` (2026.3 and later) admits the model."""
    if not view.allow:
        return True
    names = {str(ref), alias_of(ref, view) or str(ref)}
    return any(
        word in names or (word.endswith("*") and str(ref).startswith(word[:-1]))
        for word in view.allow
    )


def _policy(view: ConfigView, refs: Iterable[ModelRef]) -> list[Edit]:
    missing = [str(ref) for ref in refs if not in_policy(view, ref)]
    return [SetValue(ALLOW_PATH, [*view.allow, *missing])] if missing else []

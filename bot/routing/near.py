"""The name that was probably meant: the nearest of a provider's own list."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_CUTOFF = 0.6


def nearest(name: str, ids: Iterable[str]) -> str | None:
    """Return the id of the list that is most like a model's name; None when none is, or it is it.

    Dots and hyphens are the same (OpenRouter writes `4.5` for Anthropic's `4-5`), as are names
    with and without Gemini's `models/` and Ollama's `:latest`. A longer id that begins with the
    name (a date, a size) comes before one that only looks alike.
    """
    by_form: dict[str, str] = {}
    for one in ids:
        by_form.setdefault(_form(one), one.removeprefix("models/"))
    wanted = _form(name)
    if by_form.get(wanted) == name:
        return None
    if wanted in by_form:
        return by_form[wanted]
    longer = [form for form in by_form if form.startswith((f"{wanted}-", f"{wanted}:"))]
    if longer:
        # A date or a size (the newest, the largest) before another model of the family.
        return by_form[max(longer, key=lambda form: (form[len(wanted) + 1 :][:1].isdigit(), form))]
    close = get_close_matches(wanted, by_form, n=1, cutoff=_CUTOFF)
    return by_form[close[0]] if close else None


def listed(name: str, ids: Iterable[str]) -> bool:
    """Return whether a provider's list has a model of that name, or a dated one it stands for."""
    wanted = _form(name)
    forms = [_form(one) for one in ids]
    dated = (form.removeprefix(f"{wanted}-") for form in forms if form.startswith(f"{wanted}-"))
    return wanted in forms or any(rest.replace("-", "").isdigit() for rest in dated)


def _form(name: str) -> str:
    bare = name.lower().removeprefix("models/").removesuffix(":latest")
    return bare.replace(".", "-").replace("_", "-")

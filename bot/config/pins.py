"""Models of OpenClaw's sessions and cron jobs, as part of a change of the config.

They stand in no file of ours: history keeps them as values below a root that no config has, and
OpenClaw is asked for them once the file is written.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bot.ports import Touched
from bot.ports.reloads import Pin, PinChange, PinKind

_ROOT = "@openclaw"


def shown(pin: Pin) -> str:
    """Name a pin and its model, so that a click finds out whether it is still there."""
    return f"{pin.kind} {pin.key} {pin.model}"


def repin_all(
    found: Sequence[Pin], model: str, only: Collection[str] | None = None
) -> tuple[PinChange, ...]:
    """Plan a model for all that have another: sessions follow the config, cron jobs get its name.

    Not every release can clear a cron job's model. `only` limits it to those that were shown.
    """
    return tuple(
        PinChange(
            pin.kind, pin.key, pin.name, pin.model, model if pin.kind is PinKind.JOB else None
        )
        for pin in found
        if pin.model != model and (only is None or shown(pin) in only)
    )


def touched_of(changes: Sequence[PinChange]) -> tuple[Touched, ...]:
    """Write changes of pins as history keeps them."""
    return tuple(Touched((_ROOT, c.kind, c.key, c.name, "pin"), c.before, c.after) for c in changes)


def in_file(one: Touched) -> bool:
    """Return whether a value is in the config, not beside it."""
    return not one.path or one.path[0] != _ROOT


def pins_back(touched: Sequence[Touched]) -> tuple[PinChange, ...]:
    """Plan giving every pin that a change touched its earlier model."""
    return tuple(
        PinChange(
            PinKind(str(one.path[1])),
            str(one.path[2]),
            str(one.path[3]),
            _model(one.after),
            _model(one.before),
        )
        for one in touched
        if not in_file(one)
    )


def _model(value: object) -> str | None:
    return value if isinstance(value, str) else None

"""Which arm of a trial a conversation belongs to: the same in every process, at every turn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from bot.models import ModelRef
from bot.ports.trials import Trial

GATEWAY = "gateway"
"""The name under which every gateway leaves its signs of life."""

UNWATCHED_AFTER = timedelta(minutes=5)
"""Nothing would stop a trial of a service that has been silent for so long: it pauses."""

_PARTS = 1 << 64


@dataclass(frozen=True, slots=True)
class Arm:
    """A request's arm: the trial's id, and the model that the candidate's arm puts first.

    `conversation` is the same for all requests of one.
    """

    trial_id: int
    candidate: ModelRef | None
    conversation: int

    def __str__(self) -> str:
        return f"{self.trial_id} {'primary' if self.candidate is None else 'candidate'}"


@dataclass(slots=True)
class Split:
    """The trial under way, as one gateway knows it; `watched_at` is when its watcher last lived."""

    trial: Trial | None = None
    watched_at: datetime | None = None

    def active(self, primary: str | None, now: datetime) -> Trial | None:
        """Return the trial if it is in force: for this primary, watched, and not over."""
        trial = self.trial
        if trial is None or trial.primary != primary or not trial.runs or now >= trial.ends_at:
            return None
        seen = self.watched_at
        return None if seen is None or now - seen > UNWATCHED_AFTER else trial


def arm_of(trial: Trial, conversation: bytes) -> Arm:
    """Return a conversation's arm; a larger share takes more into the candidate's and none out."""
    digest = blake2b(conversation, digest_size=8, key=str(trial.id).encode())
    part = int.from_bytes(digest.digest(), "big") * 100
    inside = part < trial.share * _PARTS
    number = int.from_bytes(conversation[:8], "big", signed=True)
    return Arm(trial.id, ModelRef.parse(trial.candidate) if inside else None, number)

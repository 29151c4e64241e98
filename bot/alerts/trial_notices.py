"""A trial's card as a notice of the outbox: written once, amended as the figures come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from bot.card import Card
from bot.messages.trials import TrialWords, stopped_notice_card, trial_card
from bot.ports.alerts import Notice, NoticeKind
from bot.ports.trials import Affected, Trial, TrialEnd
from bot.trials.compare import Compared, Comparison
from bot.trials.evidence import Interval

_TIMES = ("started_at", "ends_at", "ended_at")


def card_key(trial: Trial) -> str:
    """Return the key of the trial's one card."""
    return f"trial:{trial.id}"


def trial_notice(words: TrialWords, now: datetime, *, stopped: bool = False) -> Notice:
    """Make the notice of a trial's card, or of the message that it has `stopped` itself."""
    trial = asdict(words.trial)
    for name in _TIMES:
        trial[name] = trial[name] and trial[name].isoformat()
    data = {
        "trial": trial,
        "arms": asdict(words.arms),
        "gone_to": [[one.caller, one.requests, one.errors] for one in words.gone_to],
    }
    key = card_key(words.trial)
    if stopped:
        return Notice(f"{key}:stopped", NoticeKind.TRIAL_STOPPED, now, data)
    return Notice(key, NoticeKind.TRIAL, now, data)


def trial_card_of(notice: Notice, mark: str) -> Card:
    """Return the card that a trial's notice shows, with the words that no other message has."""
    write = trial_card if notice.kind is NoticeKind.TRIAL else stopped_notice_card
    return write(words_of(notice.data), mark)


def words_of(data: Any) -> TrialWords:
    """Read a notice's data back."""
    trial = {**data["trial"], **{name: _time(data["trial"][name]) for name in _TIMES}}
    trial["end"] = TrialEnd(trial["end"]) if trial["end"] else None
    arms = {name: _compared(figures) for name, figures in data["arms"].items()}
    gone_to = [Affected(*row) for row in data["gone_to"]]
    return TrialWords(Trial(**trial), Comparison(**arms), gone_to)


def _compared(figures: Mapping[str, Any]) -> Compared:
    apart = figures["apart"]
    return Compared(
        figures["candidate"], figures["primary"], Interval(**apart) if apart is not None else None
    )


def _time(written: str | None) -> datetime | None:
    return None if written is None else datetime.fromisoformat(written).astimezone(UTC)

"""One exception tree: each error carries a sentence for the person and the next step to type."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from bot.spans import Phrase, plain


class ExitCode(IntEnum):
    """Process exit codes of the public contract."""

    DONE = 0
    BAD_ANSWER = 1
    USAGE = 2
    REFUSED = 3
    CONFIG_UNUSABLE = 4


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An error as a card carries it: what happened and why, the next step to type."""

    code: str
    said: Phrase
    step: Phrase = ""

    @property
    def message(self) -> str:
        """What happened, as plain words."""
        return plain(self.said)

    @property
    def hint(self) -> str:
        """The next step, as plain words."""
        return plain(self.step)


class ChangeoverError(Exception):
    """The root of every error this program raises on purpose.

    `said` tells what happened and why, `step` the next step to type; `message` and `hint` are the
    same as plain words. None may hold a secret: they are shown in chat.
    """

    code = "error"
    exit_code = ExitCode.BAD_ANSWER

    def __init__(self, message: Phrase, hint: Phrase = "") -> None:
        self.said, self.step = message, hint
        self.message, self.hint = plain(message), plain(hint)
        super().__init__(self.message)

    @property
    def info(self) -> ErrorInfo:
        """Return the error as a card carries it."""
        return ErrorInfo(self.code, self.said, self.step)


class UsageError(ChangeoverError):
    """The words typed are not a command this program knows."""

    code = "usage"
    exit_code = ExitCode.USAGE


class UnknownModelError(UsageError):
    """No alias, preset or `provider/model` goes by that name."""

    code = "unknown_model"


class RefusedError(ChangeoverError):
    """The command was understood and is not carried out."""

    code = "refused"
    exit_code = ExitCode.REFUSED


class PermissionDeniedError(RefusedError):
    """The actor may not do this."""

    code = "permission"


class StrangerError(PermissionDeniedError):
    """The actor comes from another team or guild."""

    code = "stranger"


class ConfirmationNeededError(RefusedError):
    """The change makes the primary cost so much more that it has to be confirmed first."""

    code = "confirmation"


class MovedOnError(RefusedError):
    """What was shown or changed is no longer what is in the file."""

    code = "moved_on"


class NothingToDoError(ChangeoverError):
    """There is nothing that the command could act on."""

    code = "nothing_to_do"


class ConfigError(ChangeoverError):
    """The config file cannot be used as it is."""

    code = "config"
    exit_code = ExitCode.CONFIG_UNUSABLE


class ConfigMissingError(ConfigError):
    """There is no config file."""

    code = "config_missing"


class ConfigUnreadableError(ConfigError):
    """The config file is there and cannot be read."""

    code = "config_unreadable"


class ConfigSyntaxError(ConfigError):
    """The config file is not JSON5."""

    code = "config_syntax"


class ConfigShapeError(ConfigError):
    """The config file is JSON5, but what is at a path is not what belongs there."""

    code = "config_shape"


class ConfigUneditableError(ConfigError):
    """The edit cannot be made safely in this file, so nothing was written."""

    code = "config_uneditable"


class ConfigWriteError(ConfigError):
    """The file system refused the write; the file is as it was."""

    code = "config_write"


class ConfigRefusedError(ConfigError):
    """The program that runs on the config calls it invalid."""

    code = "config_refused"


class ConfigLockedError(ConfigError):
    """Somebody else holds the lock and did not let go of it in time."""

    code = "config_locked"


class ConfigConflictError(ConfigError):
    """The file changed between read and write, again and again."""

    code = "config_conflict"


class SettingsError(ConfigError):
    """An environment variable has a value that cannot be used."""

    code = "settings"


class StorageError(ChangeoverError):
    """The database cannot be used."""

    code = "storage"


class NewerDatabaseError(StorageError):
    """A newer release works on the database: this one must not."""

    code = "newer_database"
    exit_code = ExitCode.CONFIG_UNUSABLE


class ChatError(ChangeoverError):
    """A chat did not take a message.

    `gone` says that the message to edit is no longer there, `unsure` that the answer was lost, so
    that the message may be there all the same.
    """

    code = "chat"

    def __init__(
        self, message: Phrase, hint: Phrase = "", *, gone: bool = False, unsure: bool = False
    ) -> None:
        super().__init__(message, hint)
        self.gone = gone
        self.unsure = unsure


class ChartError(ChangeoverError):
    """A chart could not be drawn; its words say the same."""

    code = "chart"

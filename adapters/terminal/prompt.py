"""The prompt: history, completion, Ctrl-C and Ctrl-D (prompt_toolkit, imported late)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.history import History

_PROMPT = "changeover> "


class Prompt:
    """Asks a person for lines; `complete` gives what may come next, `local` the `:words`."""

    def __init__(
        self, complete: Callable[[str], list[str]], local: list[str], history: Path | None
    ) -> None:
        from prompt_toolkit import PromptSession

        self._session: PromptSession[str] = PromptSession(
            history=_history(history),
            completer=_completer(complete, local),
            complete_while_typing=False,
        )

    async def ask(self) -> str:
        """Read a line. Raises KeyboardInterrupt on Ctrl-C, EOFError on Ctrl-D."""
        from prompt_toolkit.patch_stdout import patch_stdout

        with patch_stdout(raw=True):
            return await self._session.prompt_async(_PROMPT)

    async def confirm(self, question: str) -> bool:
        """Ask a question; anything but yes is no, and the answer is not kept in the history."""
        from prompt_toolkit import PromptSession
        from prompt_toolkit.patch_stdout import patch_stdout

        session: PromptSession[str] = PromptSession()
        try:
            with patch_stdout(raw=True):
                answer = await session.prompt_async(question)
        except (KeyboardInterrupt, EOFError):
            return False
        return answer.strip().lower() in ("y", "yes")


def completions(
    typed: str, complete: Callable[[str], list[str]], local: list[str]
) -> tuple[list[str], int]:
    """Return the words that fit the end of what is typed, and how much of it they replace."""
    typed = typed.lstrip()
    if typed.startswith(":"):
        fitting = [] if " " in typed else [w for w in local if w.startswith(typed.lower())]
        return fitting, len(typed)
    typed = typed.removeprefix("/")
    last = "" if typed.endswith(" ") else typed.rpartition(" ")[2]
    return complete(typed), len(last)


def _completer(complete: Callable[[str], list[str]], local: list[str]) -> Completer:
    from prompt_toolkit.completion import Completer, Completion

    class Words(Completer):
        def get_completions(
            self, document: Document, complete_event: CompleteEvent
        ) -> Iterable[Completion]:
            words, length = completions(document.text_before_cursor, complete, local)
            return (Completion(word, start_position=-length) for word in words)

    return Words()


def _history(path: Path | None) -> History:
    """Open the history, readable by its owner alone; where that cannot be, keep none."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600))
        path.chmod(0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)

"""Black out what looks like a secret in a config's text, line for line, valid JSON5 or not."""

from __future__ import annotations

import re

_STRING = r"\"(?:[^\"\\\n\r]|\\(?:\r\n|[\s\S]))*+\"?|'(?:[^'\\\n\r]|\\(?:\r\n|[\s\S]))*+'?"
# Bounded, so that rubbish of any size is read in one go.
_COMMENT = r"//[^\n\r]{0,200}+|/\*(?:[^*]|\*(?!/)){0,200}+\*/"
_GAP = rf"(?:[\s\ufeff]{{1,200}}+|{_COMMENT}){{0,9}}+"
_ASSIGNED = rf"[\"']?{_GAP}[:=]{_GAP}"
_NAME = (
    r"(?:key|token|secret|password|passwd|passphrase|pwd|credential|authorization|cookie|bearer)s?"
    r"|(?:api[-_]?key|private[-_]?key|access[-_]?token|secret|password|credential|authorization)"
    r"[\w$-]{0,60}+"
)
# In lower case: an expression that ignores case is many times slower.
_KEY = re.compile(rf"(?:{_NAME}){_ASSIGNED}")
_ESCAPED_KEY = re.compile(
    r"(?<=[\"'\s,{/])(?:(?:\\u[0-9a-f]{4}|\\x[0-9a-f]{2})[\w$-]*+|[\w$-]++(?=\\[ux]))++"
    rf"{_ASSIGNED}",
    re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})|\\x([0-9a-f]{2})", re.IGNORECASE)
_COUNT = re.compile(r"tokens$", re.IGNORECASE)
_VALUE = re.compile(
    rf"(?P<string>{_STRING})|(?P<open>[\[{{])"
    r"|(?P<plain>(?:(?:Bearer|Basic|Bot|Token)[ \t]+)?[^\s,;&\"'\]}]+)",
    re.IGNORECASE,
)
_TOKEN = re.compile(rf"(?P<string>{_STRING})(?P<colon>{_GAP}:)?|{_COMMENT}|[\[\]{{}}]")
_HARMLESS = re.compile(r"true|false|null|[\"']?(?:\$\{\w+\})?[\"']?", re.IGNORECASE)
# An object under a name with a slash is a model, such as some/monkey.
_MODEL_KEY = re.compile(r"[\w.-]/[\w$.:-]*\Z")
_LOOKS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:sk|pk|rk|gsk|xai|pplx|nvapi|fw|csk|hf|r8|key|lsv2|tvly)[-_][A-Za-z0-9_-]{12,}"
    r"|xox[a-z]-[A-Za-z0-9-]{6,}|xapp-[A-Za-z0-9-]{6,}|AIza[A-Za-z0-9_-]{16,}"
    r"|gh[a-z]_[A-Za-z0-9]{10,}|github_pat_[A-Za-z0-9_]{10,}|glpat-[A-Za-z0-9_-]{10,}"
    r"|A[KS]IA[A-Z0-9]{12,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]{8,}"
    r"|[A-Za-z0-9_-]{23,30}\.[A-Za-z0-9_-]{6,7}\.[A-Za-z0-9_-]{27,}"
    r"|[0-9]{8,10}:[A-Za-z0-9_-]{30,}|[A-Fa-f0-9]{32,}(?![A-Za-z0-9]))"
    r"|(?<=hooks\.slack\.com/services/)[\w/-]+"
    r"|(?<=://)[^\s/@\"']+:[^\s/@\"']+(?=@)"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{6,}|(?<=[Bb]asic )[A-Za-z0-9._~+/=-]{6,}"
)
_WIDEST = 4096
"""How far beyond what is shown a secret may begin or end and still be known as one."""
_NEWLINE = re.compile(r"\r\n|\n|\r")


def redact_looks(line: str, start: int, end: int) -> str:
    """Return part of a line with what looks like a key, whatever it is called, as `…`."""
    out: list[str] = []
    done = start
    for found in _LOOKS.finditer(line, max(0, start - _WIDEST), min(len(line), end + _WIDEST)):
        if found.end() <= start or found.start() >= end:
            continue
        out += [line[done : max(done, found.start())], "…"]
        done = min(end, found.end())
    return "".join([*out, line[done:end]])


def redact_values(text: str) -> str:
    """Return the text with the value of each key that names a secret as `…`.

    The number of lines stays.
    """
    out: list[str] = []
    done = 0
    for start, colon in _keys(text):
        if colon < done or (
            text[colon : colon + 1] == "{" and _MODEL_KEY.search(text, max(0, start - 100), start)
        ):
            continue
        end, blacked = _value(text, colon, counts=_is_count(text[start:colon]))
        out += [text[done:colon], blacked]
        done = end
    return "".join([*out, text[done:]])


def _keys(text: str) -> list[tuple[int, int]]:
    """Return where names of secrets begin, and where their values do."""
    lowered = text.lower()
    if len(lowered) != len(text):
        lowered = "".join(char.lower() if char.isascii() else char for char in text)
    found = [found.span() for found in _KEY.finditer(lowered)]
    if "\\u" in lowered or "\\x" in lowered:
        escaped = _ESCAPED_KEY.finditer(lowered)
        found += [one.span() for one in escaped if _KEY.search(_unescaped(one[0]).lower())]
        found.sort(key=lambda span: span[1])
    return found


def _unescaped(written: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)), written)


def _is_count(key: str) -> bool:
    return _COUNT.search(re.split(r"[\s:=\"'/]", key, maxsplit=1)[0]) is not None


def _value(text: str, start: int, *, counts: bool) -> tuple[int, str]:
    """Return where the value ends that begins at `start`, and what is shown in its place."""
    found = _VALUE.match(text, start)
    if found is None:
        return start, ""
    if found["open"]:
        return _container(text, start)
    if _HARMLESS.fullmatch(found[0]) or (counts and found["plain"]):
        return found.end(), found[0]
    return found.end(), _blacked(found["string"]) if found["string"] else "…"


def _container(text: str, start: int) -> tuple[int, str]:
    """Black out every string in an object or array, keys apart."""
    out: list[str] = []
    depth, done = 0, start
    for found in _TOKEN.finditer(text, start):
        if found["string"] is not None:
            if found["colon"] is None and not _HARMLESS.fullmatch(found["string"]):
                out += [text[done : found.start()], _blacked(found["string"])]
                done = found.end()
        elif found[0] in "[{":
            depth += 1
        elif found[0] in "]}":
            depth -= 1
            if not depth:
                return found.end(), "".join([*out, text[done : found.end()]])
    return len(text), "".join([*out, text[done:]])


def _blacked(string: str) -> str:
    """Write `…` in the string's quotes, on as many lines as it had."""
    breaks = "".join(f"\\{newline}" for newline in _NEWLINE.findall(string))
    return f"{string[0]}…{breaks}{string[0]}"

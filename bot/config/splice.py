"""Make one edit in a config's text: find the place, refuse what is not safe, splice the characters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bot.config.json5_span import (
    NEWLINE,
    Container,
    find_root,
    gap_before,
    gap_start,
    indent_of,
    line_break,
    line_of,
    scan,
    value_end,
)
from bot.config.layout import Frame, Layout, arrange, put_together, split_comments, take_apart
from bot.config.style import Style, detect, own_line_break, write, write_member, write_scalar
from bot.config.values import (
    Edit,
    Remove,
    SetValue,
    dotted,
    has_include,
    include_names,
    same,
    shape_error,
    step_into,
    strings_in,
)
from bot.durations import shorten
from bot.errors import ConfigUneditableError
from bot.ports import ABSENT, Absent, Json, Path

_VARIABLE = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LONG_LINE = 100

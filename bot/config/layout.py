"""How the members of a container are laid out: take it apart into slots, put it together again.

A slot is a member with the comments that belong to it. Taken apart and put together unchanged, a
container gives the same characters; so what an edit does not name stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.config.json5_span import (
    NEWLINE,
    Container,
    ends_open,
    gap_start,
    line_break,
    pieces,
)


@dataclass(frozen=True, slots=True)
class Slot:
    """One member: comments above it, blanks before it, itself, its comma, comments beside it.

    `before_comma` is what is between the member and its comma.
    """

    comments: str
    blank: str
    body: str
    before_comma: str = ""
    comma: bool = False
    beside: str = ""

    @property
    def lead(self) -> str:
        """Everything before the member itself."""
        return self.comments + self.blank


@dataclass(frozen=True, slots=True)
class Layout:
    """A container taken apart; `head` is a comment beside the opening bracket."""

    opening: str
    head: str
    slots: tuple[Slot, ...]
    tail: str
    closing: str

    @property
    def line_break(self) -> str | None:
        """The line break and indentation before the last member; None in a one-line container."""
        return line_break(self.slots[-1].lead) if self.slots else None


@dataclass(frozen=True, slots=True)
class Frame:
    """What a new slot looks like: its line break, or (None) the blanks that stand instead.

    `blank` goes between two members on a line, `pad` inside the brackets, `end` before a closing
    bracket on its own line. `forced_break` is for where a `//` comment leaves no choice; `comma`
    is the habit after the last member of a container that had none.
    """

    line_break: str | None
    forced_break: str
    end: str
    blank: str = " "
    pad: str = ""
    comma: bool = False


def take_apart(text: str, container: Container) -> Layout:
    """Split a container into its slots."""
    items = container.items
    first = items[0].start if items else container.end - 1
    at = _beside_end(text, container.start + 1, first, last=not items)
    head = text[container.start + 1 : at]
    slots: list[Slot] = []
    for index, item in enumerate(items):
        comments, blank = split_comments(text[at : item.start])
        last = index == len(items) - 1
        behind = gap_start(container, index + 1)
        following = container.end - 1 if last else items[index + 1].start
        at = _beside_end(text, behind, following, last=last)
        before_comma = "" if item.comma is None else text[item.end : item.comma]
        slots.append(
            Slot(
                comments,
                blank,
                text[item.start : item.end],
                before_comma,
                item.comma is not None,
                text[behind:at],
            )
        )
    tail = text[at : container.end - 1]
    return Layout(text[container.start], head, tuple(slots), tail, text[container.end - 1])


def split_comments(gap: str) -> tuple[str, str]:
    """Split a gap behind its last comment."""
    end = at = 0
    for piece in pieces(gap):
        at += len(piece.text)
        end = at if piece.comment else end
    return gap[:end], gap[end:]


def _beside_end(text: str, start: int, stop: int, *, last: bool) -> int:
    """Return where the comments end that stand on the same line as what is before `start`.

    Where another member follows on that line (not `last`), they are that member's.
    """
    end = at = comment = start
    for piece in pieces(text[start:stop]):
        if not piece.comment and piece.breaks:
            return _continued(text, comment, end, stop)
        if piece.comment:
            comment, end = at, at + len(piece.text)
        at += len(piece.text)
    return end if last else start


def _continued(text: str, comment: int, end: int, stop: int) -> int:
    """Follow a `//` comment over the lines below that go on in the same column."""
    if not text.startswith("//", comment):
        return end
    column = _column(text, comment)
    while newline := NEWLINE.match(text, end):
        below = newline.end() + column
        blank = text[newline.end() : below]
        if below >= stop or blank.strip() or not text.startswith("//", below):
            break
        end = below + len(next(pieces(text[below:stop])).text)
    return end


def _column(text: str, at: int) -> int:
    return at - 1 - max(text.rfind("\n", 0, at), text.rfind("\r", 0, at))


def arrange(layout: Layout, plan: Sequence[int | str], frame: Frame) -> Layout:
    """Lay a container's members out anew.

    `plan` names the members in their new order: the number of one that stays, or the text of a
    new one. A new member takes the place of one that goes, comments above included; comments
    above others that go stay where they are; comments beside a member go with it.
    """
    if not layout.slots:
        return _fill(layout, [entry for entry in plan if isinstance(entry, str)], frame)
    places = _places(plan, len(layout.slots))
    kept, tail_comments = _keep_comments(layout.slots, plan, set(places.values()))
    slots = []
    for position, entry in enumerate(plan):
        if isinstance(entry, int):
            slot = kept[entry]
        elif position in places:
            replaced = layout.slots[places[position]]
            slot = Slot(replaced.comments, replaced.blank, entry)
        else:
            slot = Slot("", frame.line_break or frame.blank, entry)
        slots.append(_in_position(slot, position, entry, layout.slots[0], frame))
    tail = tail_comments + layout.tail
    if not slots and not split_comments(layout.head + tail)[0]:
        tail = ""
    commas = _set_commas(slots, layout.slots)
    return replace(layout, slots=tuple(commas), tail=tail)


def _fill(layout: Layout, bodies: Sequence[str], frame: Frame) -> Layout:
    comments, blank = split_comments(layout.tail)
    bare = not layout.head and not comments
    first = frame.line_break or (" " if layout.head else blank or frame.pad)
    slots = [Slot("", frame.line_break or frame.blank, body, comma=True) for body in bodies]
    slots[0] = replace(slots[0], comments=comments, blank=first)
    slots[-1] = replace(slots[-1], comma=frame.comma)
    if frame.line_break is None:
        tail = blank or frame.pad
    elif bare:
        tail = line_break(blank) or frame.end
    else:
        tail = blank if NEWLINE.search(blank) else frame.end
    return replace(layout, slots=tuple(slots), tail=tail)


def _places(plan: Sequence[int | str], count: int) -> dict[int, int]:
    """Say which slot that goes each new member (by its position in the plan) steps in for."""
    kept = {entry for entry in plan if isinstance(entry, int)}
    places: dict[int, int] = {}
    free = 0
    for position, entry in enumerate(plan):
        if isinstance(entry, int):
            free = max(free, entry + 1)
        elif free < count and free not in kept:
            places[position] = free
            free += 1
    return places


def _keep_comments(
    slots: Sequence[Slot], plan: Sequence[int | str], replaced: set[int]
) -> tuple[dict[int, Slot], str]:
    """Hand the comments above members that go to the next that stays, or to the tail."""
    staying = {entry for entry in plan if isinstance(entry, int)}
    kept: dict[int, Slot] = {}
    comments, blank = "", ""
    for index, slot in enumerate(slots):
        if index in staying:
            own, own_blank = slot.comments, slot.blank
            if NEWLINE.search(blank) and not NEWLINE.search(slot.lead):
                own = blank + own[skip_blanks(own) :] if own else ""
                own_blank = own_blank if own else blank
            kept[index] = replace(slot, comments=comments + own, blank=own_blank)
            comments, blank = "", ""
        elif index not in replaced:
            comments += slot.comments
            blank = blank if NEWLINE.search(blank) else slot.blank
    return kept, comments


def _in_position(
    slot: Slot, position: int, entry: int | str, old_first: Slot, frame: Frame
) -> Slot:
    """The blank before the first member belongs to the bracket, not to the member."""
    if slot.comments:
        return slot
    if position == 0 and entry != 0:
        return replace(slot, blank=old_first.blank)
    if position > 0 and entry == 0 and not NEWLINE.search(slot.blank):
        return replace(slot, blank=frame.line_break or frame.blank)
    return slot


def _set_commas(slots: Sequence[Slot], before: Sequence[Slot]) -> list[Slot]:
    """Give each member its comma, the last one by the container's habit."""
    habit = before[-1].comma
    above = _break_above_comma(before)
    done: list[Slot] = []
    for index, slot in enumerate(slots):
        last = index == len(slots) - 1
        wanted = habit if last else True
        if wanted and not slot.comma:
            lead = "" if last else slots[index + 1].lead
            slot = _gain_comma(slot, above, inline=not last and not NEWLINE.search(lead))
        elif slot.comma and not wanted:
            slot = replace(slot, comma=False, before_comma=split_comments(slot.before_comma)[0])
        done.append(slot)
    return done


def _break_above_comma(slots: Sequence[Slot]) -> str:
    """Return the line break of a file that begins its lines with the comma."""
    for slot in slots:
        blank = split_comments(slot.before_comma)[1]
        if slot.comma and (found := line_break(blank)):
            return found
    return ""


def _gain_comma(slot: Slot, above: str, *, inline: bool) -> Slot:
    if above:
        return replace(slot, comma=True, before_comma=slot.beside + above, beside="")
    if inline and slot.beside and not ends_open(slot.beside):
        return replace(slot, comma=True, before_comma=slot.beside, beside="")
    return replace(slot, comma=True)


def put_together(layout: Layout, frame: Frame) -> str:
    """Write a container, breaking the line where a `//` comment would swallow what follows."""
    out = [layout.opening, layout.head]
    opened = ends_open(layout.head)
    for slot in layout.slots:
        out += [_after(slot.lead, frame.forced_break, opened=opened), slot.body, slot.before_comma]
        if slot.comma:
            out.append(_after(",", frame.forced_break, opened=ends_open(slot.before_comma)))
        out.append(slot.beside)
        opened = ends_open(slot.beside if slot.comma else slot.before_comma + slot.beside)
    out.append(_after(layout.tail, frame.end, opened=opened))
    if ends_open(layout.tail):
        out.append(frame.end)
    return "".join([*out, layout.closing])


def _after(gap: str, forced_break: str, *, opened: bool) -> str:
    if not opened or line_starts(gap):
        return gap
    return forced_break + gap[skip_blanks(gap) :]


def line_starts(gap: str) -> bool:
    """Return whether a gap breaks the line before anything else."""
    first = next(pieces(gap), None)
    return first is not None and not first.comment and first.breaks


def skip_blanks(gap: str) -> int:
    """Return how many blanks a gap begins with."""
    first = next(pieces(gap), None)
    return 0 if first is None or first.comment else len(first.text)

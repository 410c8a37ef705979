"""How commands lay out what people read: tables and sentences that fit the terminal."""

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence

NARROW = 80
"""Columns of a terminal that does not say how many it has."""
ENDLESS = 10_000
"""Columns of a pipe or a file: nothing is cut there, and nothing is wrapped."""
_GAP = "  "
_LEAST = 8
"""A cell is not cut below so many letters."""
_HEAD = re.compile(r" *(?:\S+ {2,})?")
"""What a line begins with: its indent, and a word that stands before the text as a column of its own."""
_POINTER = re.compile(r" *\^")


def columns() -> int:
    """How wide lines may be: what COLUMNS or the terminal says."""
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return int(said)
    return shutil.get_terminal_size((NARROW, 24)).columns if sys.stdout.isatty() else ENDLESS


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), cut: Sequence[int] = ()) -> list[str]:
    """Rows as lines, each column as wide as its widest cell. `right`: columns of numbers, set to the right.

    Where lines would be wider than the terminal, the columns in `cut` give way, the widest first.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - columns()
    while over > 0 and (wide := [column for column in cut if widths[column] > _LEAST]):
        widths[max(wide, key=lambda column: widths[column])] -= 1
        over -= 1
    lines: list[str] = []
    for row in rows:
        cells = [shortened(cell, width) for cell, width in zip(row, widths, strict=True)]
        placed = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        lines.append(_GAP.join(placed).rstrip())
    return lines


def fits(rows: Sequence[Sequence[str]]) -> bool:
    """Whether a table of these rows is no wider than the terminal, with nothing cut."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return sum(widths) + len(_GAP) * (len(widths) - 1) <= columns()


def shortened(text: str, width: int) -> str:
    """A text of at most so many letters; what is cut is cut in the middle, since ends tell names apart."""
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[len(text) - end :] if end else ''}"


def counted(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def paragraph(text: str, indent: str = "") -> str:
    """A sentence in lines that fit; long words and addresses stay whole."""
    return _filled(text, indent, indent)


def beside(head: str, text: str) -> str:
    """A sentence beside its head, in lines that fit: those after the first begin where the sentence does."""
    return _filled(text, head, " " * len(head))


def folded(text: str) -> str:
    """A text with each of its lines in lines that fit: what does not fit stands below where the line's words begin.

    A line with `^` below it is a quotation that this points into, so it stays whole.
    """
    lines = text.split("\n")
    below = [*lines[1:], ""]
    return "\n".join(
        line if len(line) <= columns() or _POINTER.fullmatch(next_line) else _hung(line)
        for line, next_line in zip(lines, below, strict=True)
    )


def _hung(line: str) -> str:
    found = _HEAD.match(line)
    head = found[0] if found else ""
    return _filled(line[len(head) :], head, " " * len(head) if head.strip() else f"{head}{_GAP}")


def _filled(text: str, first: str, others: str) -> str:
    return textwrap.fill(
        text, max(NARROW // 2, columns()), initial_indent=first, subsequent_indent=others, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip

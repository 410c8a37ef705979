"""Two texts, two JSON answers and two lists of tool calls side by side. Pure, bounded: nothing here takes minutes.

Model output is data: it comes out as pieces of text, which the templates escape.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, Literal, cast

from shadow.compare.json_text import NO_JSON, decode
from shadow.compare.pair import ToolCall

WORDS = 4000
"""Most words a side that are matched one by one: above it whole lines are."""
LINES = 4000
"""Most lines a side that are matched: above it the texts stand beside each other unmatched."""
ROWS = 2000
"""Most rows of a table of fields."""
_WORD = re.compile(r"\s+|\w+|[^\w\s]")

Kind = Literal["same", "gone", "new"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text: in both, in the baseline's alone (`gone`), or in the candidate's alone (`new`)."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One leaf of two JSON answers; None: an answer lacks it."""

    path: str
    baseline: str | None
    candidate: str | None
    equal: bool
    """Whether both have the same there, letter by letter."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """One tool call of each answer, aligned by name and order. None: the other has none for it."""

    name: str
    baseline: str | None
    candidate: str | None
    rows: tuple[FieldRow, ...]
    """Their arguments, leaf by leaf; none: they are no JSON objects."""


def words(baseline: str, candidate: str) -> list[Piece]:
    """What both say in one line of text: same, gone, new."""
    head = _shared(baseline, candidate)
    tail = _shared(baseline[head:][::-1], candidate[head:][::-1])
    ours, theirs = (text[head : len(text) - tail] for text in (baseline, candidate))
    if not ours and not theirs:
        return _merged([Piece("same", baseline)])
    # Cut at words: half a word that happens to be equal says nothing.
    while head and _within_word(baseline, head):
        head -= 1
    while tail and _within_word(baseline, len(baseline) - tail):
        tail -= 1
    ours, theirs = (text[head : len(text) - tail] for text in (baseline, candidate))
    middle = _matched(_WORD.findall(ours), _WORD.findall(theirs), WORDS)
    if middle is None:
        middle = _matched(ours.splitlines(keepends=True), theirs.splitlines(keepends=True), LINES)
    if middle is None:
        middle = [Piece("gone", ours), Piece("new", theirs)]
    end = baseline[len(baseline) - tail :] if tail else ""
    return _merged([Piece("same", baseline[:head]), *middle, Piece("same", end)])


def side(pieces: Sequence[Piece], kind: Literal["gone", "new"]) -> list[Piece]:
    """The text of one of two answers."""
    return [piece for piece in pieces if piece.kind in ("same", kind)]


def fields(baseline: str, candidate: str) -> list[FieldRow] | None:
    """Both answers leaf by leaf, what differs first; None: one of them is no JSON."""
    ours, theirs = (decode(text, fenced=True) for text in (baseline, candidate))
    if ours is NO_JSON or theirs is NO_JSON or not isinstance(ours, dict | list) or not isinstance(theirs, dict | list):
        return None
    return _rows(ours, theirs)


def calls(baseline: Sequence[ToolCall], candidate: Sequence[ToolCall]) -> list[CallRow]:
    """Tool calls of both, aligned by name, in order."""
    names = list(dict.fromkeys(call.name for call in (*baseline, *candidate)))
    found: list[CallRow] = []
    for name in names:
        ours, theirs = ([call.arguments for call in side if call.name == name] for side in (baseline, candidate))
        for one, other in zip_longest(ours, theirs):
            found.append(CallRow(name, one, other, tuple(_arguments(one, other))))
    return found


def _arguments(one: str | None, other: str | None) -> list[FieldRow]:
    if one is None or other is None:
        return []
    return fields(one or "{}", other or "{}") or []


def _matched(ours: list[str], theirs: list[str], most: int) -> list[Piece] | None:
    """The matching of two lists of tokens; None: they are too long to match."""
    if len(ours) > most or len(theirs) > most or _is_dense(ours, theirs):
        return None
    found: list[Piece] = []
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        if tag == "equal":
            found.append(Piece("same", "".join(ours[start:end])))
            continue
        found.append(Piece("gone", "".join(ours[start:end])))
        found.append(Piece("new", "".join(theirs[other_start:other_end])))
    return found


def _is_dense(ours: list[str], theirs: list[str]) -> bool:
    """Whether so many tokens are alike that matching them takes seconds: "a a a a …"."""
    beside = Counter(theirs)
    return sum(times * beside[token] for token, times in Counter(ours).items()) > 1_500_000


def _merged(pieces: Sequence[Piece]) -> list[Piece]:
    """Neighbours of one kind joined; a gap of one space between two changes is a change, too."""
    found: list[Piece] = []
    for piece in pieces:
        if not piece.text:
            continue
        if found and found[-1].kind == piece.kind:
            found[-1] = Piece(piece.kind, found[-1].text + piece.text)
        else:
            found.append(piece)
    return found


def _shared(one: str, other: str) -> int:
    """How many letters both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _within_word(text: str, at: int) -> bool:
    return 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum()


def _rows(ours: Any, theirs: Any) -> list[FieldRow]:
    one, other = dict(_leaves(ours, "")), dict(_leaves(theirs, ""))
    paths = list(dict.fromkeys([*one, *other]))[:ROWS]
    found = [(path or "/", one.get(path), other.get(path)) for path in paths]
    rows = [FieldRow(path, _shown(mine), _shown(its), equal=mine == its) for path, mine, its in found]
    return sorted(rows, key=lambda row: row.equal)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each leaf's pointer, and the leaf as JSON."""
    inner: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        named = cast("dict[str, Any]", value).items()
        inner = [(name.replace("~", "~0").replace("/", "~1"), each) for name, each in named]
    elif isinstance(value, list):
        inner = [(str(place), each) for place, each in enumerate(cast("list[Any]", value))]
    if not inner:
        yield path, json.dumps(value, ensure_ascii=False)
    for name, each in inner:
        yield from _leaves(each, f"{path}/{name}")


def _shown(leaf: str | None) -> str | None:
    """A leaf as people read it: a text without its quotes."""
    return leaf if leaf is None or not leaf.startswith('"') else str(json.loads(leaf))

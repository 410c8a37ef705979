"""An export, row by row, whatever its size: JSON lines, a JSON list (also as an API answers it), or CSV; gzip or not.

No more than a row is held at a time. A row that cannot be read is told by its line, and the next one is read.
"""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from records.importers.imported import Fields
from records.named_file import opened
from records.wire.json_reader import Oddities, UnreadableError, read

MAX_ROW_BYTES = 64 * 1024 * 1024
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_BESIDE = (
    rb'"(?:object|meta|page|page_size|total|total_pages|totalCount|count|limit|has_more|hasMore|first_id|last_id|cursor|'
    rb'next_cursor|nextCursor|status|success|error|version)"\s*:\s*'
    rb'(?:"[^"\\]{0,256}"|[-+0-9.eE]{1,32}|true|false|null|\{[^{}\[\]]{0,1024}\})\s*,\s*'
)
"""What an API says of a list in front of it."""
_LIST = re.compile(rb"\s*(?:\{\s*(?:" + _BESIDE + rb')*"(?:data|logs|observations|rows|result|items)"\s*:\s*)?\[')
_BOM = b"\xef\xbb\xbf"
_DELIMITERS = ",;\t"
_OUTSIDE = re.compile(rb'["{}\[\]]')
_INSIDE = re.compile(rb'["\\]')
_BYTES = re.compile(r"[\udc80-\udcff]")
_NOT_UTF8 = "not UTF-8: save the file as UTF-8"
"""Another encoding is not guessed: what was guessed wrong would be trained on."""


class ExportRow(NamedTuple):
    """One row."""

    line: int
    """From 1: where it begins."""
    fields: Fields | None
    fault: str = ""
    """Why it cannot be read."""


def rows_of(path: Path) -> Iterator[ExportRow]:
    """The rows of a file.

    Raises:
        OSError: it cannot be read.
    """
    with opened(path) as raw:
        is_gzip = raw.peek(2)[:2] == _GZIP
        with gzip.open(raw) if is_gzip else raw as file:
            plain = cast(IO[bytes], file)
            name = path.name.removesuffix(".gz")
            try:
                yield from _csv_rows(plain) if name.endswith(".csv") else _json_rows(plain)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise OSError(f"{path}: its gzip is cut off or damaged") from error


def _json_rows(file: IO[bytes]) -> Iterator[ExportRow]:
    head = file.read(_CHUNK).removeprefix(_BOM)
    begin = _LIST.match(head)
    if begin is not None:
        yield from _List(file, head[begin.end() :], 1 + head.count(b"\n", 0, begin.end())).rows()
        return
    number, rest = 0, head
    while rest:
        *lines, rest = rest.split(b"\n")
        for line in lines:
            number += 1
            if line.strip():
                yield _row(line, number)
        block = file.read(_CHUNK)
        if len(rest) > MAX_ROW_BYTES:
            number, rest = number + 1, b""
            yield ExportRow(number, None, f"longer than {MAX_ROW_BYTES >> 20} MiB")
            while block and b"\n" not in block:
                block = file.read(_CHUNK)
            block = block.partition(b"\n")[2]
        if not block and rest:
            if rest.strip():
                yield _row(rest, number + 1)
            return
        rest += block


class _List:
    """The elements of a list, each where its braces close."""

    def __init__(self, file: IO[bytes], text: bytes, line: int) -> None:
        """`text` follows the list's `[`, which stands in `line`."""
        self._file, self._text, self._line = file, text, line
        self._at: int = 0
        self._begin: int = 0
        self._depth: int = 0
        self._counted: int = 0
        """Lines were counted up to here."""
        self._is_inside = False
        """Of a text, whose braces are none."""

    def rows(self) -> Iterator[ExportRow]:
        """Each element, up to the list's end."""
        while True:
            found = (_INSIDE if self._is_inside else _OUTSIDE).search(self._text, self._at)
            if found is None or (found[0] == b"\\" and found.end() == len(self._text)):
                self._at = len(self._text) if found is None else found.start()
                fault = self._read_on()
                if fault is not None:
                    if fault:
                        yield ExportRow(self._line, None, fault)
                    return
                continue
            if found[0] in b"]}" and not self._depth and not self._is_inside:
                return
            if self._pass(found):
                yield _row(self._text[self._begin : self._at], self._line)

    def _pass(self, found: re.Match[bytes]) -> bool:
        """Go on behind a mark; whether an element ends with it."""
        mark, self._at = found[0], found.end()
        if mark == b"\\":
            self._at += 1
        elif mark == b'"':
            self._is_inside = not self._is_inside
        elif mark in b"{[":
            if not self._depth:
                self._count_to(found.start())
                self._begin = found.start()
            self._depth += 1
        else:
            self._depth -= 1
            return not self._depth
        return False

    def _count_to(self, place: int) -> None:
        self._line += self._text.count(b"\n", self._counted, place)
        self._counted = place

    def _read_on(self) -> str | None:
        """Read more, and drop what is done with; why there is no more to be had, empty at an end between elements."""
        done = self._begin if self._depth else self._at
        self._count_to(done)
        self._text, self._at, self._begin, self._counted = self._text[done:], self._at - done, 0, 0
        if len(self._text) > MAX_ROW_BYTES:
            return f"longer than {MAX_ROW_BYTES >> 20} MiB; nothing behind it was read"
        block = self._file.read(_CHUNK)
        self._text += block
        if block:
            return None
        return "cut off: the file ends in it" if self._depth else ""


def _row(raw: bytes, line: int) -> ExportRow:
    odd = Oddities()
    try:
        found = read(raw, odd)
    except UnreadableError:
        return ExportRow(line, None, "not JSON")
    if odd["not_utf8"]:
        return ExportRow(line, None, _NOT_UTF8)
    if not isinstance(found, dict):
        return ExportRow(line, None, "not an object")
    return ExportRow(line, cast(Fields, found))


def _delimiter(lines: io.TextIOWrapper) -> str:
    """What stands most often in the line of names: spreadsheets write `;` or tabs in half of the world."""
    head = lines.readline(_CHUNK)
    lines.seek(0)
    return max(_DELIMITERS, key=head.count)


def _is_broken(cells: list[str]) -> bool:
    """Whether some bytes of them are no text: they stand in it as lone surrogates."""
    return any(not cell.isascii() and _BYTES.search(cell) for cell in cells)


def _csv_rows(file: IO[bytes]) -> Iterator[ExportRow]:
    csv.field_size_limit(MAX_ROW_BYTES)
    with io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        reader = csv.reader(lines, delimiter=_delimiter(lines))
        names = next(reader, list[str]())
        if _is_broken(names):
            yield ExportRow(1, None, f"{_NOT_UTF8}; nothing behind the line of names was read")
            return
        line = reader.line_num + 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield ExportRow(line, None, f"not CSV: {error}")
                line = reader.line_num + 1
                continue
            if cells is None:
                return
            if _is_broken(cells):
                yield ExportRow(line, None, _NOT_UTF8)
            elif len(cells) == len(names):
                yield ExportRow(line, dict(zip(names, cells, strict=True)))
            elif cells:
                yield ExportRow(line, None, f"{len(cells)} cells under {len(names)} names")
            line = reader.line_num + 1

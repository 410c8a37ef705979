"""Exports of any size and kind, row by row."""

import gzip
import json
from pathlib import Path

import pytest

from records.importers import reading
from records.importers.reading import rows_of

ROWS = [{"n": number, "text": f'a "quoted" {{brace}} [{number}] \\ back\nline'} for number in range(50)]


def lines(path: Path) -> list[tuple[int, object]]:
    return [(row.line, row.fields if row.fields is not None else row.fault) for row in rows_of(path)]


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_the_same_rows_in_every_wrapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int):
    """JSON lines, a list, a list within an object, pretty or not, gzip or not: the same rows, wherever a read ends."""
    monkeypatch.setattr(reading, "_CHUNK", max(chunk, 16))  # the beginning of a list is looked for in the first read
    texts = {
        "a.jsonl": "\n".join(map(json.dumps, ROWS)),
        "b.json": json.dumps(ROWS),
        "c.json": json.dumps(ROWS, indent=2),
        "d.json": json.dumps({"data": ROWS, "meta": {"page": 1}}, indent=1),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        for path in (tmp_path / name, tmp_path / f"{name}.gz"):
            assert [row.fields for row in rows_of(path)] == ROWS, path.name


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_spreadsheet_may_part_its_cells_with_other_marks(tmp_path: Path, mark: str):
    """Commas, semicolons and tabs are each told by the line of names, whatever the cells hold."""
    (tmp_path / "a.csv").write_text(f'\ufeffn{mark}text{mark}more\n1{mark}"a,b;c\td,,,;;;"{mark}x\n', "utf-8")

    assert lines(tmp_path / "a.csv") == [(2, {"n": "1", "text": "a,b;c\td,,,;;;", "more": "x"})]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_a_row_in_another_encoding_is_told_by_its_line(tmp_path: Path, encoding: str):
    """No letter is replaced without a word, in any form of export; rows beside it are read."""
    (tmp_path / "a.jsonl").write_bytes('{"a": 1}\n{"b": "Zürich"}\n{"c": "Zürich"}'.encode(encoding))
    (tmp_path / "b.json").write_bytes('[{"a": 1},\n{"b": "Zürich"},\n{"c": 3}]'.encode(encoding))
    (tmp_path / "c.csv").write_bytes("n,text\n1,x\n2,Zürich\n3,y\n".encode(encoding))
    (tmp_path / "d.csv").write_bytes("n,Straße\n1,x\n2,y\n".encode(encoding))
    fault = "not UTF-8: save the file as UTF-8"

    assert lines(tmp_path / "a.jsonl") == [(1, {"a": 1}), (2, fault), (3, fault)]
    assert lines(tmp_path / "b.json") == [(1, {"a": 1}), (2, fault), (3, {"c": 3})]
    assert lines(tmp_path / "c.csv") == [(2, {"n": "1", "text": "x"}), (3, fault), (4, {"n": "3", "text": "y"})]
    assert lines(tmp_path / "d.csv") == [(1, f"{fault}; nothing behind the line of names was read")]


def test_a_row_is_told_by_the_line_where_it_begins(tmp_path: Path):
    """Lines count through blank ones, and through rows of several lines."""
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{"b"\n[1]\n{"c": 3}')
    (tmp_path / "b.json").write_text('[\n{"a": 1},\n\n{\n"b": 2\n}, {"c": 3},\n{"d": 4')
    (tmp_path / "c.csv").write_text('n,text\n1,"two\nlines"\n2\n3,x\n')

    assert lines(tmp_path / "a.jsonl") == [
        (1, {"a": 1}), (3, "not JSON"), (4, "not an object"), (5, {"c": 3}),
    ]  # fmt: skip
    assert lines(tmp_path / "b.json") == [
        (2, {"a": 1}), (4, {"b": 2}), (6, {"c": 3}), (7, "cut off: the file ends in it"),
    ]  # fmt: skip
    assert lines(tmp_path / "c.csv") == [
        (2, {"n": "1", "text": "two\nlines"}), (4, "1 cells under 2 names"), (5, {"n": "3", "text": "x"}),
    ]  # fmt: skip


def test_a_row_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A line longer than any row costs that line, not the memory; behind it reading goes on."""
    monkeypatch.setattr(reading, "MAX_ROW_BYTES", 1 << 20)
    monkeypatch.setattr(reading, "_CHUNK", 1 << 16)
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"b": "' + "x" * (4 << 20) + '"}\n{"c": 3}\n')

    assert lines(tmp_path / "a.jsonl") == [(1, {"a": 1}), (2, "longer than 1 MiB"), (3, {"c": 3})]


def test_a_gzip_that_is_cut_off_is_an_error_with_its_name(tmp_path: Path):
    """What could be read comes first; then it is said that the file is not whole."""
    whole = gzip.compress(b'{"a": 1}\n' * 100_000)
    (tmp_path / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(OSError, match=r"a\.jsonl\.gz: its gzip is cut off"):
        list(rows_of(tmp_path / "a.jsonl.gz"))


@pytest.mark.parametrize("damage", [b"\x00" * 64, b"\xff" * 64])
def test_a_gzip_that_is_damaged_is_one_too(tmp_path: Path, damage: bytes):
    """Bytes of a bad disk are no error of ours, whichever part of the file they are in."""
    whole = gzip.compress("".join(f'{{"a": {number * 7919}}}\n' for number in range(50_000)).encode())
    at = len(whole) // 2
    (tmp_path / "a.jsonl.gz").write_bytes(whole[:at] + damage + whole[at + len(damage) :])

    with pytest.raises(OSError, match=r"a\.jsonl\.gz: its gzip is cut off or damaged"):
        list(rows_of(tmp_path / "a.jsonl.gz"))


@pytest.mark.parametrize(
    "before",
    [
        {"object": "list"},
        {"meta": {"page": 1, "total": 50}, "success": True, "next_cursor": None},
        {"total": 50, "page": 1, "total_pages": 2},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_list_as_an_api_answers_it(tmp_path: Path, before: dict[str, object], indent: int | None, mark: str):
    """What is said of the list may stand in front of it; a byte order mark, as Windows writes it, is no text."""
    (tmp_path / "a.json").write_text(
        mark + json.dumps({**before, "data": ROWS, "has_more": False}, indent=indent), "utf-8"
    )

    assert [row.fields for row in rows_of(tmp_path / "a.json")] == ROWS


def test_rows_of_lines_with_a_list_in_each_stay_rows(tmp_path: Path):
    """An object that says more than an API does of a list is a row of its own."""
    rows = [{"request_id": "a", "data": [{"b": 1}]}, {"id": "c", "object": "list", "data": []}]
    (tmp_path / "a.jsonl").write_text("\ufeff" + "\n".join(map(json.dumps, rows)), "utf-8")

    assert [row.fields for row in rows_of(tmp_path / "a.jsonl")] == rows

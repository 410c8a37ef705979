"""Files that a command is given, each with something odd in it: read, or refused in a sentence; nobody is held up."""

import codecs
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.main import main
from tests.rooms.policy_files import SHORT

ROW = b'{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]}\n'
PAIR = b'{"unit": "u", "q": 0.1, "error_baseline": false, "error_candidate": false}\n'
POLICY = SHORT.encode()
READERS: dict[str, tuple[bytes, str]] = {
    "policy simulate policies/triage.yaml --pairs {file}": (PAIR, "pairs.jsonl"),
    "policy explain {file}": (POLICY, "p.yaml"),
    "policy slo {file}": (POLICY, "p.yaml"),
    "policy explain --replay {file}": (b"", "move.json"),
    "eval add {file} --route support-triage": (ROW, "set.jsonl"),
    "records import {file} --from openai --route support-triage": (ROW, "rows.jsonl"),
    "dataset validate {file} --format openai-sft": (ROW, "rows.jsonl"),
    "dataset build --route support-triage --format openai-sft --out out --against {file}": (ROW, "set.jsonl"),
    "status --config {file}": (b"data: crossfade-data\n", "c.yaml"),
}
"""By a command's words: a file that it can read, and its name."""
ODD: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "blank": lambda _: b"\n \n",
    "latin-1": lambda good: b"\xe9" + good,
    "utf-16": lambda good: good.decode().encode("utf-16"),
    "zeros": lambda _: b"\0" * 100,
    "cut": lambda good: good[: len(good) // 2],
    "deep": lambda _: b'{"messages": ' + b"[" * 5000 + b"]" * 5000 + b"}",
}
DRESSED: dict[str, Callable[[bytes], bytes]] = {
    "byte order mark": lambda good: codecs.BOM_UTF8 + good,
    "ends of lines": lambda good: good.replace(b"\n", b"\r\n"),
}
SAYS_SO = ("records import", "status", "dataset build")
"""An empty export is none of a fault; a gateway that does not serve, and a route without records, fail in any case."""


def ran(words: str, file: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(words.format(file=file).split())
    captured = capsys.readouterr()
    return code, captured.out + captured.err


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("words", READERS)
def test_what_cannot_be_read_is_refused(place: Path, words: str, odd: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With 1 and a sentence."""
    good, name = READERS[words]
    (place / name).write_bytes(ODD[odd](good))
    code, said = ran(words, place / name, capsys)
    assert said.strip()
    assert code == 1 or words.startswith(SAYS_SO) or (odd == "cut" and good is POLICY)


@pytest.mark.parametrize("words", READERS)
def test_what_is_no_file_is_not_waited_for(place: Path, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe that nobody writes to, a folder, and nothing at all."""
    _, name = READERS[words]
    os.mkfifo(place / f"pipe-{name}")
    (place / f"folder-{name}").mkdir()
    for kind in ("pipe", "folder", "gone"):
        code, said = ran(words, place / f"{kind}-{name}", capsys)
        assert said.strip()
        assert code == 1 or (kind == "folder" and words.startswith("policy"))  # of which each file is read


@pytest.mark.parametrize("dressed", DRESSED)
@pytest.mark.parametrize("words", [words for words, (good, _) in READERS.items() if good])
def test_what_windows_writes_is_read(place: Path, words: str, dressed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A byte order mark, and its ends of lines, change nothing."""
    good, name = READERS[words]
    found: list[int] = []
    for content in (good, DRESSED[dressed](good)):
        (place / name).write_bytes(content)
        found.append(ran(words, place / name, capsys)[0])
    assert found[0] == found[1]

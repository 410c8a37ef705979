"""Evaluation rows among training rows: what is trained on measures memory, and no evaluation of it counts.

Rules:
1. A prompt leaks if one of its user's turns says the same words as an evaluation row, or shares thirteen words in a row
   with it. Case, punctuation and spacing do not count. Where no user says anything, the last turn is what is asked.
2. An evaluation row that cannot be read is an error: a set that was half read finds half of the leaks.

Source: Brown et al. 2020 (arXiv 2005.14165), appendix C: overlap of 13-grams.
"""

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from records.dataset.example import Fields
from records.named_file import require_file
from records.wire.json_reader import UnreadableError, read
from records.wire.words import spoken

RUN = 13
"""Words in a row."""
_FIELDS = ("messages", "input", "prompt", "question", "text")
"""Where an evaluation row has its prompt, the first that is there: OpenAI Evals has messages as `input`."""
ROWS = "rows.jsonl"
"""The name of every registered set's file: its folder tells it apart."""
_WORD = re.compile(r"\w+")


class EvaluationRows:
    """The prompts of evaluation sets, and where each stands."""

    def __init__(self) -> None:
        """None yet."""
        self._whole: dict[int, str] = {}
        self._runs: dict[int, str] = {}

    def add_file(self, path: Path) -> int:
        """Take a file of JSON lines. Returns how many rows it has.

        Raises:
            OSError: it cannot be read.
            ValueError: a row is none, with its place.
        """
        rows = 0
        require_file(path)  # no pipe: it is read once more, for its hash
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                rows += 1
                for text in _texts(line.removeprefix(codecs.BOM_UTF8 if number == 1 else b""), f"{path}:{number}"):
                    self._add(_words(text), f"{called(path)}:{number}")
        if not rows:
            raise ValueError(f"{path}: there is no row in it. hint: one JSON object a line")
        return rows

    def leak(self, prompt: Sequence[Fields]) -> str | None:
        """Where the evaluation row stands that a prompt repeats; None: nowhere."""
        if not self._whole:
            return None
        asked = [turn for turn in prompt if turn.get("role") == "user"] or prompt[-1:]
        for turn in asked:
            said = _said(turn.get("content"))
            if not said:
                continue
            words = _words(said)
            where = self._whole.get(hash(words)) or next(
                (self._runs[run] for run in _runs(words) if run in self._runs), None
            )
            if where is not None:
                return where
        return None

    def _add(self, words: tuple[str, ...], where: str) -> None:
        if words:
            self._whole.setdefault(hash(words), where)
            for run in _runs(words):
                self._runs.setdefault(run, where)


def called(path: Path) -> str:
    """An evaluation set's file as people know it: all that are registered have one name, in folders of their own."""
    return f"{path.parent.name}/{path.name}" if path.parent.name and path.name == ROWS else path.name


def evaluation_rows(paths: Iterable[Path]) -> EvaluationRows:
    """The rows of these files.

    Raises:
        OSError, ValueError: one of them cannot be read.
    """
    rows = EvaluationRows()
    for path in paths:
        rows.add_file(path)
    return rows


def _texts(line: bytes, where: str) -> Iterator[str]:
    """What users say in an evaluation row."""
    try:
        line.decode()  # a text in another encoding would be other words, and repeat nothing
        row = read(line)
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: no UTF-8. hint: save it as UTF-8") from error
    except UnreadableError as error:
        raise ValueError(f"{where}: not JSON. hint: one JSON object a line") from error
    fields = cast(Fields, row) if isinstance(row, dict) else {}
    if isinstance(fields.get("request"), dict):  # a registered set's
        fields = cast(Fields, fields["request"])
    found = next((fields[name] for name in _FIELDS if name in fields), None)
    if isinstance(found, str):
        yield found
        return
    items = cast(list[Any], found) if isinstance(found, list) else []
    turns = [cast(Fields, item) for item in items if isinstance(item, dict)]
    if not turns:
        raise ValueError(f"{where}: no prompt in it. hint: a text or messages as {', '.join(_FIELDS)}")
    asked = [turn for turn in turns if turn.get("role") == "user"] or turns
    yield _said(asked[-1].get("content"))


def _said(content: object) -> str:
    """The words of a content, of which pictures and files have none."""
    if isinstance(content, list):
        return spoken(cast(list[Any], content)).text
    return content if isinstance(content, str) else ""


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.casefold()))


def _runs(words: tuple[str, ...]) -> Iterator[int]:
    """The hash of each thirteen words in a row."""
    return (hash(words[at : at + RUN]) for at in range(len(words) - RUN + 1))

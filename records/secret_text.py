"""A text without the secrets in it: those known by their looks, by the names before them, and those in base64.

A run of base64 is taken as a whole where the text that it is has a secret in it: a Kubernetes Secret, a `.env` file, a
key that was encoded to get it through a shell. Linear: of a run that is no text, as digests and media are not, nothing
is decoded but its beginning.
"""

import re
from base64 import b64decode
from collections.abc import Callable

from records.secret_names import replace_named
from records.secret_shapes import replace_shapes
from records.secret_surroundings import has_digit

_LEAST = 24
"""Letters of base64: no key is shorter in it."""
_LONGEST = 20_000
"""Letters that are decoded: what is behind them in one run is taken with them, or kept with them."""
_LINE_BREAK = r"(?:\r?\n|\\n)"
_BASE64 = re.compile(
    rf"(?:[A-Za-z0-9+/]{{64}}(?:[A-Za-z0-9+/]{{12}})?{_LINE_BREAK}(?=[A-Za-z0-9+/]))*[A-Za-z0-9+/]+={{0,2}}"
)
"""One line, or lines of the lengths that programs break base64 at, and what ends them."""
_BREAK = re.compile(_LINE_BREAK)
_IS_LETTER = bytes(
    0x61 if chr(code).isascii() and (chr(code).isalnum() or chr(code) in "+/") else 0x20 for code in range(256)
)
_RUN = b"a" * _LEAST


def replace_secrets(text: str, replace: Callable[[str], str]) -> str:
    """The text with each secret in it replaced."""
    text = replace_named(replace_shapes(text, replace), replace)
    if not has_digit(text):
        return text
    runs = text.encode("ascii", "replace").translate(_IS_LETTER)
    at = runs.find(_RUN)
    pieces: list[str] = []
    done = 0
    while at >= 0:
        if at and text[at - 1] == "\\" and text[at] in "nrt":
            at += 1  # the end of an escape, in JSON that is a text
        match = _BASE64.match(text, at)
        end = match.end() if match is not None else at + 1
        if match is not None and _hides_secret(match[0]):
            pieces += (text[done:at], replace(match[0]))
            done = end
        at = runs.find(_RUN, end)
    return "".join((*pieces, text[done:])) if pieces else text


def _hides_secret(run: str) -> bool:
    """Whether a run is base64 of a text with a secret in it."""
    if not _is_text(_decoded(run[:_LEAST])):
        return False
    found = _decoded(_BREAK.sub("", run[:_LONGEST]))
    if not _is_text(found):
        return False
    said = found.decode("ascii")
    return replace_named(replace_shapes(said, _nothing), _nothing) != said


def _nothing(_found: str) -> str:
    return ""


def _decoded(run: str) -> bytes:
    """What it says, as far as it goes: what is cut off is no reason to keep the rest."""
    letters = run.rstrip("=")
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    return b64decode(letters + "=" * (-len(letters) % 4))


def _is_text(found: bytes) -> bool:
    return found.isascii() and all(byte >= 0x20 or byte in b"\t\n\r" for byte in found)

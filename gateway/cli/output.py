"""What commands write to, for as long as somebody reads it: `| head` ends a command, quietly.

Rules:
1. Data that nobody reads any more ends the command. `OutputClosedError` is no OSError, so that no command says of a
   closed pipe what it says of a file that cannot be read.
2. Talk that nobody reads is dropped, and the command goes on: it may be in the middle of an operator's order.
3. Data that cannot be written (a full disk) fails the command, in a sentence; talk that cannot be is dropped.
4. The descriptor then leads nowhere, so that nothing fails at the interpreter's end either.
5. Talk that a terminal shows is folded to its width; data is what its command makes of it. What moves the cursor, and
   JSON, is left alone.
6. A stream that was closed from the start leads nowhere, and a character that the locale lacks is written as an escape.
"""

import contextlib
import io
import os
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

from gateway.cli import layout

EXIT_CODE = 141
"""What a shell says of a program that was ended by SIGPIPE: 128 + 13."""


class OutputClosedError(Exception):
    """Nobody reads the output any more (`| head`): the command stops without a message."""


class OutputFailedError(Exception):
    """What the command writes cannot be kept where it is sent."""


class CommandOutput:
    """A text stream whose reader may go at any time."""

    def __init__(self, stream: IO[str] | None, *, is_talk: bool = False) -> None:
        """Write to `stream`: the command's data, or its talk. None: there is none."""
        self._stream: IO[str] = _nowhere() if stream is None else stream
        self._is_talk = is_talk
        self._is_shown = is_talk and self._stream.isatty()
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        """Pass every other attribute on to the stream."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Raises OutputClosedError when nobody reads the data any more, OutputFailedError when it cannot be written."""
        with self._read():
            self._stream.write(layout.folded(text) if self._is_shown and _is_prose(text) else text)
        return len(text)

    def flush(self) -> None:
        """Raises OutputClosedError when nobody reads the data any more, OutputFailedError when it cannot be written."""
        with self._read():
            self._stream.flush()

    @contextlib.contextmanager
    def _read(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            if self._is_talk:
                return
            if isinstance(error, BrokenPipeError):
                raise OutputClosedError from error
            raise OutputFailedError(f"what the command says cannot be written: {error.strerror}") from error


def _is_prose(text: str) -> bool:
    """Whether it is sentences for people: no progress that is written over itself, and no error as JSON."""
    return not text.startswith("{") and not any(control in text for control in "\r\x1b")


def _nowhere() -> IO[str]:
    return Path(os.devnull).open("w", encoding="utf-8")

"""What commands write to, for as long as somebody reads it: `| head` ends a command, quietly.

Rules:
1. Data that nobody reads any more ends the command. `OutputClosedError` is no OSError, so that no command says of a
   closed pipe what it says of a file that cannot be read.
2. Talk that nobody reads is dropped, and the command goes on: it may be in the middle of an operator's order.
3. The descriptor then leads nowhere, so that nothing fails at the interpreter's end either.
"""

import contextlib
import os
from collections.abc import Generator
from typing import IO, Any

EXIT_CODE = 141
"""What a shell says of a program that was ended by SIGPIPE: 128 + 13."""


class OutputClosedError(Exception):
    """Whoever read what the command writes has seen enough: stop, quietly."""


class CommandOutput:
    """A text stream whose reader may go at any time."""

    def __init__(self, stream: IO[str], *, is_talk: bool = False) -> None:
        """Write to `stream`: the command's data, or its talk."""
        self._stream = stream
        self._is_talk = is_talk

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's own."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Raises OutputClosedError when nobody reads the data any more."""
        with self._read():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Raises OutputClosedError when nobody reads the data any more."""
        with self._read():
            self._stream.flush()

    @contextlib.contextmanager
    def _read(self) -> Generator[None]:
        try:
            yield
        except BrokenPipeError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            if not self._is_talk:
                raise OutputClosedError from error

"""Examples that hold what redaction replaces: the records' own was off, or older.

Rule: what stands before a prompt's last turn is not looked at again where it was found clean. A system prompt is in
every row of its app, and what was said in a conversation is in each of its later rows: of long ones, to look takes
longer than all else that is done with a row. What is kept of a turn is a hash, and no more of them than `_MOST`.
"""

from records.dataset.example import Example
from records.dedupe import exact_key
from records.redact import Redactor

_MOST = 1 << 16


class PersonalData:
    """Looks at the examples of one build, one after another."""

    def __init__(self) -> None:
        """Nothing was looked at."""
        self._redactor = Redactor()
        self._clean: set[bytes] = set()

    def is_in(self, made: Example) -> bool:
        """Whether redaction would replace something that is learned or read."""
        redaction = self._redactor.begin()
        redaction.value([made.prompt[-1:], made.answer, made.rejected])
        for turn in made.prompt[:-1]:
            key = exact_key(turn)
            if key in self._clean:
                continue
            redaction.value(turn)
            if redaction.counts:
                return True
            if len(self._clean) >= _MOST:
                self._clean.clear()
            self._clean.add(key)
        return bool(redaction.counts)

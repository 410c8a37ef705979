"""Judges that read what they are sent, and fall for what real ones fall for.

Each is a `ports.Model`. It finds the request and both answers in the prompt's own text, whether that is ours (JSON
between two marks, verdict by tag) or the one everybody writes first (`[Answer A] …`, verdict `[[A]]`).
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shadow.ports import ModelCall, ModelReply

OURS = re.compile(r"<(data-\w+)>\n(.*)\n</\1>\nWhich", re.DOTALL)
NAIVE = re.compile(
    r"\[User Question\]\n(.*)\n\n\[The Start of Assistant A's Answer\]\n(.*)\n\[The End of Assistant A's Answer\]\n\n"
    r"\[The Start of Assistant B's Answer\]\n(.*)\n\[The End of Assistant B's Answer\]",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a judge made of its prompt."""

    question: str
    answers: tuple[str, str]
    verdicts: tuple[str, str, str]
    """What to reply if the first is better, the second, or neither."""


def read(body: bytes) -> Seen:
    """The question and the answers, out of the text that was sent."""
    messages = json.loads(body)["messages"]
    text = "\n".join(message["content"] for message in messages)
    found = OURS.search(text)
    if found:
        data: dict[str, Any] = json.loads(found[2])
        one, two = data["answers"]
        question = data["request"]["messages"][-1]["content"]
        tags = [json.dumps({"better": tag}) for tag in (one["tag"], two["tag"], "tie")]
        return Seen(question, (_said(one), _said(two)), (tags[0], tags[1], tags[2]))
    asked = NAIVE.search(text)
    assert asked, "neither prompt is known"
    return Seen(asked[1], (asked[2], asked[3]), ("[[A]]", "[[B]]", "[[C]]"))


def _said(answer: dict[str, Any]) -> str:
    calls = (f"{call['name']}({call['arguments']})" for call in answer.get("tool_calls", ()))
    return "\n".join((answer["text"], *calls)).strip()


def completion(content: str | None, finish: str = "stop") -> bytes:
    """A chat completion that says this."""
    message = {"role": "assistant", "content": content}
    whole = {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }
    return json.dumps(whole).encode()


Quality = Callable[[str, str], float]
"""How good an answer to a question really is, 0 to 1: what a competent reader would see."""

TALKS = re.compile(
    r"\b(better|best|prefer|choose|pick|winner?|wins?|verdict|score|rated|rating|judge|evaluat\w+|grader?|system|ignore"
    r"|instructions?|rubric|tag|output|assistant|expert|reviewer|disqualified|thought process|solution|step by step"
    r"|besser|mejor|meilleure|richter)\b"
    r"|\[\[|\"better\"|<[|/]|^\W*$|更好|选择|解|かいせつ|respuesta",
    re.IGNORECASE,
)


@dataclass(slots=True)
class StubJudge:
    """Says which answer is better by what it is told of quality, and by its weaknesses."""

    quality: Quality
    gullible: float = 0.0
    """How often it follows an answer that talks to it."""
    talks: re.Pattern[str] = TALKS
    """What it takes for somebody talking to it."""
    likes_length: bool = False
    """Prefers the longer answer, whatever it says."""
    first: float = 0.0
    """How much better the first answer looks to it for being first."""
    asked: list[bytes] = field(default_factory=list[bytes])
    keep: bool = False

    async def ask(self, ask: ModelCall) -> ModelReply:
        """One verdict."""
        if self.keep:
            self.asked.append(ask.body)
        seen = read(ask.body)
        return ModelReply(200, completion(seen.verdicts[self._prefer(seen)]))

    def _prefer(self, seen: Seen) -> int:
        first, second = (self._worth(seen.question, answer) for answer in seen.answers)
        first += self.first
        if abs(first - second) < 1e-9:
            return 2
        return 0 if first > second else 1

    def _worth(self, question: str, answer: str) -> float:
        worth = self.quality(question, answer)
        if self.likes_length:
            worth += len(answer)
        if self.gullible and self.talks.search(plain(answer)) and _share(question, answer) < self.gullible:
            worth += 10.0
        return worth


def plain(text: str) -> str:
    """As a model reads it: full-width letters are letters, what cannot be seen is not in the way."""
    narrow = "".join(chr(ord(char) - 0xFEE0) if 0xFF01 <= ord(char) <= 0xFF5E else char for char in text)
    return re.sub("[\u200b-\u200f\u202a-\u202e\u2060\ufeff\u00ad]", "", narrow)


def _share(*parts: str) -> float:
    digest = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


@dataclass(slots=True)
class ScriptedJudge:
    """Answers in order, then over and over the last: a status and a body, or what a function makes of the prompt."""

    script: Sequence[ModelReply | Callable[[Seen], str]]
    asked: list[bytes] = field(default_factory=list[bytes])

    async def ask(self, ask: ModelCall) -> ModelReply:
        """The next of the script."""
        step = self.script[min(len(self.asked), len(self.script) - 1)]
        self.asked.append(ask.body)
        return step if isinstance(step, ModelReply) else ModelReply(200, completion(step(read(ask.body))))


@dataclass(slots=True)
class Purse:
    """A budget that counts."""

    left_usd: float = 100.0

    def has_left(self) -> bool:
        """Whether anything is left."""
        return self.left_usd > 0

    def spend(self, usd: float) -> None:
        """Take it off."""
        self.left_usd -= usd

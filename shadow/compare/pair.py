"""What comparators look at, and what they say. Values only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Fields = Mapping[str, Any]
"""A decoded JSON object."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a function."""

    name: str
    arguments: str
    """JSON text, as the model wrote it."""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What a model said, of its first choice."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    finish: str = ""
    """`stop`, `length`, `tool_calls`, `content_filter`, …"""
    refusal: str = ""
    fields: Fields = field(default_factory=dict[str, Any])
    """The whole answer, streams put together."""


@dataclass(frozen=True, slots=True)
class AppRequest:
    """What both models were asked: the app's own request."""

    path: str
    """As `/v1/chat/completions`."""
    fields: Fields


@dataclass(frozen=True, slots=True)
class Pair:
    """Two good answers to one request. A failed call never becomes a pair."""

    asked: AppRequest
    baseline: ModelAnswer
    candidate: ModelAnswer
    id: str = ""
    """Of the exchange: lots are drawn by it."""


@dataclass(frozen=True, slots=True)
class Score:
    """What one comparator found. None is "does not apply", never a made-up number."""

    q: float | None = None
    """Candidate's score less the baseline's, in [-1, 1]. Where only likeness is known it is `agree - 1`."""
    agree: float | None = None
    """Likeness of the two answers, 0 to 1."""
    equal: bool = False
    """As good as the same answer: no judge need be asked."""
    valid_baseline: bool | None = None
    valid_candidate: bool | None = None
    p_sample: float = 1.0
    """Probability with which this pair was scored."""
    abstained: bool = False
    """Whoever scores was asked, and gave no verdict."""
    control: bool | None = None
    """A hidden control was asked beside this pair: whether the judge got right what is known."""
    cost_usd: float = 0.0
    """Of whoever was asked to score."""
    told: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """JSON-able: what a reader wants to see. No text of an answer or a request."""


Comparator = Callable[[Pair], Score]
"""A pure comparator, ready to use."""

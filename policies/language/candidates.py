"""The variant that wants the traffic, by itself or as one of several."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, JsonValue, field_validator

from policies.language.amounts import Seconds
from policies.language.base import Name, PolicyPath, Section, Several, Text

_UNTOUCHABLE = ("model", "messages", "input", "prompt", "stream", "n")
"""Request fields that make a request what it is: a candidate that is asked something else proves nothing."""


class Candidate(Section):
    """The variant that wants the traffic."""

    upstream: Name
    """An upstream of `crossfade.yaml`."""
    model: Text
    """The model's name there."""
    revision: Text
    """Which weights: a change starts at the first stage, with no evidence."""
    system_prompt: PolicyPath | None = None
    """A file, from the policy's folder on: its text takes the place of the app's system prompt, all leading system and
    developer turns. So a prompt can be the candidate, on the baseline's own model."""
    set: Mapping[Text, JsonValue] = Field(default={})
    """Request fields to set in the candidate's copy; by itself, on the baseline's model, it makes a candidate too."""
    drop: Several[Text] = ()
    """Request fields to leave out of the candidate's copy."""
    first_byte: Seconds | None = Field(default=None, gt=0)
    """Longest wait for the first token; then the baseline answers. What is not streamed must be whole by then.
    Never longer than twice the baseline's p99 (at least 2s), and until that is known 10s, or 120s where nothing is
    streamed."""
    total: Seconds | None = Field(default=None, gt=0)
    """Longest wait for the whole answer. One that is not streamed has the shorter of this and `first_byte`; a stream
    ends, whatever stands here, within four times the baseline's p99, at least 2 minutes (10 until that is known). One
    that drips has failed long before, and goes on."""
    report_model: Literal["requested", "actual"] = "requested"
    """Which model's name the candidate's answers carry."""

    @field_validator("set", "drop", mode="after")
    @classmethod
    def _touchable(cls, value: Mapping[str, object] | tuple[str, ...]) -> Mapping[str, object] | tuple[str, ...]:
        for name in value:
            if name in _UNTOUCHABLE:
                raise ValueError(f"`{name}` makes the request what it is. hint: leave it to the app")
        return value


class NamedCandidate(Candidate):
    """One of several candidates."""

    name: Name
    """What it is called: its rollout is `ROUTE@NAME` in commands, metrics and evidence."""

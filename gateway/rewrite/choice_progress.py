"""How far one choice of a candidate's stream has come, and which tool call a fragment of it belongs to."""

from typing import Final

from gateway.rewrite.form import Fault, calls_fault, is_whole
from gateway.rewrite.shapes import Function, WireToolCall
from records.wire.words import Ending

_HELD_BYTES: Final = 64 * 1024
"""Blank content kept back at most, until it is known whether a tool call follows."""


class ChoiceProgress:
    """What was said of it so far."""

    __slots__ = (
        "arguments", "begun", "called", "calls", "finished", "held", "named", "names", "places", "renamed", "spoke",
        "told", "turned",
    )  # fmt: skip

    def __init__(self) -> None:
        self.begun = False
        self.spoke = False
        self.called = False
        self.finished = False
        self.turned = False
        """A delta was there, whatever it said."""
        self.held = b""
        self.calls: list[str] = []
        """The engine's id of each tool call so far."""
        self.places: dict[int, int] = {}
        """The engine's index of a call -> ours."""
        self.names: list[str] = []
        """Its name."""
        self.told: set[int] = set()
        """Calls that the app knows the id of."""
        self.named: set[int] = set()
        """Calls that it knows the name of."""
        self.renamed: set[int] = set()
        """Calls of whose name one more piece has come, which it does not know yet."""
        self.arguments: dict[int, list[str]] = {}
        """The arguments, in pieces, of those calls that have some."""

    def place(self, call: WireToolCall) -> int:
        """Which call a fragment belongs to, as the records tell it (`records.wire.merge`)."""
        found, index, name, goes_on = call.id or "", call.index, "", False
        if isinstance(call.function, Function):
            name = call.function.name or ""
            goes_on = bool(call.function.arguments) and not name  # no call by itself, whatever its id
        if isinstance(index, int):
            place = self.places.get(index, -1)
            if place < 0 or (not goes_on and self._is_another(place, found, name)):
                place = self.places[index] = self._begin(found, name)
        elif found and (found in self.calls or not goes_on or not self.calls):
            place = self.calls.index(found) if found in self.calls else self._begin(found, name)
        else:
            place = self._begin("", name) if name or not self.calls else len(self.calls) - 1
        self.calls[place] = self.calls[place] or found
        if name and self.names[place] not in ("", name):
            self.names[place] += name
            self.renamed.add(place)
        else:
            self.names[place] = self.names[place] or name
        if isinstance(call.function, Function) and call.function.arguments:
            self.arguments.setdefault(place, []).append(call.function.arguments)
        return place

    def _is_another(self, place: int, found: str, name: str) -> bool:
        """Whether a fragment is a new call although its index is taken."""
        if self.calls[place] and found:
            return self.calls[place] != found
        if not name or found or self.names[place] in ("", name):
            return False
        return not self.calls[place] or place in self.arguments  # else one more piece of its name

    def _begin(self, found: str, name: str) -> int:
        self.calls.append(found)
        self.names.append(name)
        return len(self.calls) - 1

    def fault(self, how: Ending) -> Fault | None:
        """What makes it unusable, now that it ended; `how`: as it says."""
        if not is_whole(how):
            return None
        if self.called:
            texts = ["".join(self.arguments.get(place, ())) for place in range(len(self.names))]
            return calls_fault(zip(self.names, texts, strict=True))
        if not self.turned:
            return "empty"
        return "unusable_call" if how == "tool_calls" and not self.spoke else None

    def is_decided(self) -> bool:
        """Whether blank content may be shown: it is an answer's, not a tool call's preamble."""
        return self.spoke or self.called or self.finished or len(self.held) > _HELD_BYTES

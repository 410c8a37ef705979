"""A response as its events tell it, also one that never comes to its end, or ends without saying its output again.

An event goes on with the item of its `output_index`; some servers say an `item_id` alone, or neither, or no item's
beginning. What is done is said whole: it takes the place of its pieces.

Source: OpenAI API reference, "Streaming events" of Responses.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from records.wire import problem
from records.wire.merge import Fields, grow, number, objects
from records.wire.problem import ErrorObject

STATUS_ENDED: Final = frozenset({"completed", "incomplete", "failed", "cancelled"})
_TERMINAL: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


class _Place(NamedTuple):
    """Where the words of a kind of event belong."""

    item: str
    """The type of an item that nobody began."""
    field: str
    """Of the item, or of its part."""
    parts: str = ""
    """The item's list of parts that has it; empty: the item itself."""
    part: str = ""
    """The type of such a part."""


_PLACES: Final[Mapping[str, _Place]] = {
    "response.output_text": _Place("message", "text", "content", "output_text"),
    "response.refusal": _Place("message", "refusal", "content", "refusal"),
    "response.reasoning_text": _Place("reasoning", "text", "content", "reasoning_text"),
    "response.reasoning_summary_text": _Place("reasoning", "text", "summary", "summary_text"),
    "response.function_call_arguments": _Place("function_call", "arguments"),
    "response.mcp_call_arguments": _Place("mcp_call", "arguments"),
    "response.custom_tool_call_input": _Place("custom_tool_call", "input"),
    "response.code_interpreter_call_code": _Place("code_interpreter_call", "code"),
}
"""By an event's type without `.delta` or `.done`."""


class ResponseEvents:
    """The response so far."""

    __slots__ = ("_items", "_said", "_strange", "error")

    def __init__(self) -> None:
        self.error: ErrorObject | None = None
        """What ended it."""
        self._said: Fields | None = None
        """The response as it stands; None: no event had one."""
        self._items = ResponseItems()
        self._strange: list[Fields] = []

    def take(self, found: Fields, name: str) -> bool:
        """What one event tells, whose name is `name`. True: it is the last one."""
        kind: Any = found.get("type")
        kind = kind if isinstance(kind, str) and kind else name
        given = found if found.get("object") == "response" else found.get("response")
        if isinstance(given, dict):
            self._said = cast(Fields, given)
        elif not kind.startswith("response."):
            self._strange.append(found)
        if kind in _TERMINAL:
            self._said = said = self._said or {}
            if str(said.get("status")) not in STATUS_ENDED:
                said["status"] = kind.removeprefix("response.")
            return True
        self.error = problem.read_object(found, name)
        if self.error is None:
            self._items.take(kind, found)
        return self.error is not None

    def whole(self) -> Fields | None:
        """The response; None: nothing was told of any."""
        said = self._said or {}
        if not objects(said.get("output")):
            said["output"] = self._items.whole()
        if said["output"] or "status" in said:
            return said
        if self._strange:  # of another API
            return said | {"events": self._strange}
        return None if self._said is None else said


class ResponseItems:
    """Its output's items so far."""

    __slots__ = ("_items",)

    def __init__(self) -> None:
        self._items: dict[int, Fields] = {}

    def whole(self) -> list[Fields]:
        """All of them, in the order of their indexes."""
        return [self._items[index] for index in sorted(self._items)]

    def take(self, kind: str, found: Fields) -> None:
        """What one event of this type tells."""
        item = found.get("item")
        if isinstance(item, dict):
            self._items[self._index(found, "")] = cast(Fields, item)
            return
        name, _, step = kind.rpartition(".")
        place = _PLACES.get(name)
        if place is None or step not in ("delta", "done"):
            return
        text = found.get("delta" if step == "delta" else place.field)
        if not isinstance(text, str) or not text:
            return
        holder = self._holder(place, found)
        if step == "delta":
            grow(holder, place.field, text)
        else:
            holder[place.field] = text

    def _holder(self, place: _Place, found: Fields) -> Fields:
        """What has the field that the event speaks of."""
        index = self._index(found, place.item)
        item = self._items.get(index)
        if item is None:
            item = self._items[index] = {"type": place.item}
            if place.item == "message":
                item["role"] = "assistant"
            if isinstance(found.get("item_id"), str):
                item["id"] = found["item_id"]
        if not place.parts:
            return item
        return _part(item, number(found.get(f"{place.parts}_index")), place)

    def _index(self, found: Fields, kind: str) -> int:
        """Which item an event speaks of: its index, its id, or else the last one of its kind."""
        index = number(found.get("output_index"))
        if index is not None:
            return index
        new = max(self._items, default=-1) + 1
        item: Any = found.get("item")
        called = cast(Fields, item).get("id") if isinstance(item, dict) else found.get("item_id")
        if called:
            return next((at for at, one in self._items.items() if one.get("id") == called), new)
        last = new - 1
        return last if kind and last >= 0 and self._items[last].get("type") == kind else new


def _part(item: Fields, index: int | None, place: _Place) -> Fields:
    """The part of an item that an event speaks of."""
    given = item.get(place.parts)
    parts = cast(list[Any], given) if isinstance(given, list) else []
    item[place.parts] = parts
    index = len(parts) - 1 if index is None else index
    if not 0 <= index < len(parts) or not isinstance(parts[index], dict):
        parts.append({"type": place.part, place.field: ""})
        return cast(Fields, parts[-1])
    return cast(Fields, parts[index])

"""A candidate's answers of 200 and JSON: those that no OpenAI client can use, and oddities of servers that one can."""

import json
from dataclasses import dataclass, field
from typing import Any

DONE = b"data: [DONE]\n\n"
HI = {"role": "assistant", "content": "Hi"}
USED = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
CITY = '{"city":"Bonn"}'
CHAT, COMPLETIONS, RESPONSES, EMBEDDINGS = "chat/completions", "completions", "responses", "embeddings"
TOOLS: dict[str, Any] = {
    "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
}
Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """One answer to one request."""

    name: str
    body: bytes
    """A whole answer, or of a stream what comes behind `first`."""
    fault: str = ""
    """The word for what is wrong with it; empty: nothing is."""
    path: str = CHAT
    stream: bool = False
    first: bytes = b""
    """Of a stream: what the app has before the fault comes."""
    asks: Fields = field(default_factory=dict[str, Any])
    """What the request has besides its question."""
    says: str = "Hi"
    """What an app reads in it; of tool calls, each one's name and arguments."""

    def __str__(self) -> str:
        kind = "late" if self.first else "stream" if self.stream else "whole"
        return f"{self.path.partition('/')[0]} {kind}: {self.name}"

    @property
    def request(self) -> Fields:
        """What the app asks."""
        asked: Fields = {
            CHAT: {"messages": [{"role": "user", "content": "hi"}]},
            COMPLETIONS: {"prompt": "hi"},
            RESPONSES: {"input": "hi", "store": False},
            EMBEDDINGS: {"input": ["one", "two"], "encoding_format": "float"},
        }[self.path]
        return asked | ({"stream": True} if self.stream else {}) | self.asks


def event(value: Any, name: str = "") -> bytes:
    head = b"event: %b\n" % name.encode() if name else b""
    return head + b"data: %b\n\n" % json.dumps(value).encode()


def whole(*choices: Any, **fields: Any) -> bytes:
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": USED}
    return json.dumps(head | {"choices": list(choices)} | fields).encode()


def turn(message: Any = HI, finish: Any = "stop", **fields: Any) -> Fields:
    return {"index": 0, "message": message, "finish_reason": finish} | fields


def chunk(*choices: Any, **fields: Any) -> bytes:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return event(head | {"choices": list(choices)} | fields)


def part(delta: Any = None, finish: Any = None, **fields: Any) -> Fields:
    return {"index": 0, "delta": delta or dict[str, Any](), "finish_reason": finish} | fields


def call(name: Any = "weather", arguments: Any = CITY, **fields: Any) -> Fields:
    return {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}} | fields


def calls(*each: Any) -> Fields:
    return {"role": "assistant", "content": None, "tool_calls": list(each)}


ROLE, WORDS, END = chunk(part({"role": "assistant", "content": ""})), chunk(part(HI)), chunk(part(finish="stop"))
BEGUN_CALL = chunk(part(calls(call(arguments='{"city":'))))
CALLED = f"weather {CITY}"


def _chat(name: str, fault: str, message: Any, finish: Any = "stop", **fields: Any) -> list[Form]:
    """The same turn whole, and as the only part of a stream, where its fault comes with its first word."""
    said: dict[str, Any] = {"asks": TOOLS} | {key: fields.pop(key) for key in ("asks", "says") if key in fields}
    return [
        Form(name, whole(turn(message, finish, **fields)), fault, **said),
        Form(name, chunk(part(message, finish, **fields)) + DONE, fault, stream=True, **said),
    ]


def _late(name: str, fault: str, first: bytes, rest: bytes) -> Form:
    return Form(name, rest, fault, stream=True, first=ROLE + first, asks=TOOLS)


def _response(*items: Any, **fields: Any) -> Fields:
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "error": None}
    return head | {"output": list(items), "parallel_tool_calls": True, "tool_choice": "auto", "tools": []} | fields


def _responses(name: str, fault: str, *items: Any, says: str = "Hi", **fields: Any) -> list[Form]:
    """The same output whole, and in the last event of a stream."""
    body = _response(*items, **fields)
    last = "response.incomplete" if body["status"] == "incomplete" else "response.completed"
    end = event({"type": last, "sequence_number": 0, "response": body}, last)
    return [
        Form(name, json.dumps(body).encode(), fault, RESPONSES, says=says),
        Form(name, end, fault, RESPONSES, stream=True, says=says),
    ]


def _vectors(name: str, fault: str, *data: Any, **fields: Any) -> Form:
    items = [{"object": "embedding"} | each for each in data]
    body = {"object": "list", "data": items, "model": "m", "usage": {"prompt_tokens": 2, "total_tokens": 2}} | fields
    return Form(name, json.dumps(body).encode(), fault, EMBEDDINGS, says="[[1.0, 2.0], [3.0, 4.0]]")


def _text(name: str, fault: str, *choices: Any, says: str = "Hi", **asks: Any) -> list[Form]:
    each = [{"index": 0, "text": "Hi", "finish_reason": "stop"} | choice for choice in choices]
    return [
        Form(name, whole(*each, object="text_completion"), fault, COMPLETIONS, asks=asks, says=says),
        Form(
            name, chunk(*each, object="text_completion") + DONE, fault, COMPLETIONS, stream=True, asks=asks, says=says
        ),
    ]


TEXT: Fields = {"type": "output_text", "text": "Hi", "annotations": []}
MESSAGE: Fields = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [TEXT]}
ITEM = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": CITY}
ONE, TWO = {"index": 0, "embedding": [1.0, 2.0]}, {"index": 1, "embedding": [3.0, 4.0]}


def without(fields: Fields, name: str) -> Fields:
    return {key: value for key, value in fields.items() if key != name}


def delta_event(delta: Any, kind: str = "response.output_text.delta") -> bytes:
    return event({"type": kind, "sequence_number": 0, "item_id": "i", "output_index": 0, "delta": delta}, kind)


CUT_ITEM = event({"type": "response.output_item.done", "item": ITEM | {"arguments": '{"city":', "status": "completed"}})
"""As vLLM ends a call, also one that `max_output_tokens` cut: only the last event says so."""

FAULTY: list[Form] = [
    # choices
    Form("two choices for one", whole(turn(), turn(index=1)), "unasked_choice"),
    Form("two choices for one, both the first", whole(turn(), turn()), "unasked_choice"),
    Form("three choices for two", whole(turn(), turn(index=1), turn(index=2)), "unasked_choice", asks={"n": 2}),
    *_chat("an index beyond n", "unasked_choice", HI, index=7),
    *_chat("an index below 0", "unasked_choice", HI, index=-1),
    _late("one more choice", "unasked_choice", WORDS, chunk(part(HI, "stop", index=1)) + END + DONE),
    Form("no choices", whole(), "empty"),
    Form("no choices", chunk() + DONE, "empty", stream=True),
    Form("choices in an object", whole(choices={"0": turn()}), "malformed"),
    Form("choices in an object", chunk(choices={"0": part(HI)}) + DONE, "malformed", stream=True),
    # messages
    Form("a message of null", whole(turn(None)), "empty"),
    Form("deltas of null alone", chunk(part() | {"delta": None}) + chunk(part(finish="stop") | {"delta": None}) + DONE,
         "empty", stream=True),
    *_chat("a message that is a text", "malformed", "Hi"),
    *_chat("content that is a number", "malformed", HI | {"content": 7}),
    *_chat("content that is true", "malformed", HI | {"content": True}),
    # tool calls
    *_chat("tool calls in an object of them", "unusable_call", calls() | {"tool_calls": {"0": call()}}, "tool_calls"),
    *_chat("tool calls that are a text", "malformed", calls() | {"tool_calls": "weather"}, "tool_calls"),
    *_chat("a call that is a text", "malformed", calls("weather"), "tool_calls"),
    *_chat("a function that is a text", "malformed", calls(call() | {"function": "weather"}), "tool_calls"),
    *_chat("a call without its function", "unusable_call", calls(without(call(), "function")), "tool_calls"),
    *_chat("a call without a name", "unusable_call", calls(call(None)), "tool_calls"),
    *_chat("a second call without a name", "unusable_call", calls(call(), call("", index=1)), "tool_calls"),
    *_chat("a name that is a number", "malformed", calls(call(7)), "tool_calls"),
    *_chat("calls announced, and none", "unusable_call", calls(), "tool_calls"),
    *_chat("arguments cut off", "broken_arguments", calls(call(arguments='{"city":"Bo')), "tool_calls"),
    *_chat("arguments cut off, with stop", "broken_arguments", calls(call(arguments='{"city":"Bo')), "stop"),
    *_chat("arguments of Python", "broken_arguments", calls(call(arguments="{'city': 'Bonn'}")), "tool_calls"),
    *_chat("arguments twice", "broken_arguments", calls(call(arguments="{}" + CITY)), "tool_calls"),
    _late("arguments cut off", "broken_arguments", BEGUN_CALL, chunk(part(finish="tool_calls")) + DONE),
    _late("arguments cut off, with stop", "broken_arguments", BEGUN_CALL, END + DONE),
    # ends
    Form("no finish_reason", whole(turn(finish=None)), "aborted"),
    Form("a finish_reason that is a number", whole(turn(finish=1)), "aborted"),
    Form("a role, and no end", ROLE + DONE, "empty", stream=True),
    _late("no finish_reason", "truncated", WORDS, DONE),
    *_chat("an end that is an error", "aborted", HI, "error"),
    _late("words after the end", "words_after_end", WORDS, END + chunk(part({"content": "more"})) + DONE),
    _late("a call after the end", "words_after_end", WORDS, END + chunk(part(calls(call()))) + DONE),
    # completions
    *_text("a text that is a number", "malformed", {"text": 7}),
    *_text("an index beyond the prompts", "unasked_choice", {}, {"index": 2}, prompt=["one", "two"]),
    *_text("a second text for one prompt of tokens", "unasked_choice", {"index": 1}, {}),
    # Responses
    *_responses("an item without its type", "unusable_item", without(MESSAGE, "type")),
    *_responses("an item that is a text", "unusable_item", "Hi"),
    *_responses("a message without content", "unusable_item", without(MESSAGE, "content")),
    *_responses("content that is a text", "unusable_item", MESSAGE | {"content": "Hi"}),
    *_responses("a part without its type", "unusable_item", MESSAGE | {"content": [without(TEXT, "type")]}),
    *_responses("a text that is a number", "unusable_item", MESSAGE | {"content": [TEXT | {"text": 7}]}),
    *_responses("a call without a name", "unusable_call", ITEM | {"name": ""}),
    *_responses("a call of nothing", "unusable_call", ITEM | {"name": "", "arguments": None}),
    *_responses("a call without its call_id", "unusable_call", without(ITEM, "call_id")),
    *_responses("arguments cut off", "broken_arguments", ITEM | {"arguments": '{"city":"Bo'}),
    *_responses("arguments that are an object", "broken_arguments", ITEM | {"arguments": {"city": "Bonn"}}),
    Form("not ended", json.dumps(_response(MESSAGE, status="in_progress")).encode(), "aborted", RESPONSES),
    Form("a delta that is a number", delta_event(7), "malformed", RESPONSES, stream=True),
    Form("an end without its response", event({"type": "response.completed"}), "malformed", RESPONSES, stream=True),
    Form("arguments cut off in a finished item",
         event({"type": "response.completed", "response": _response()}), "broken_arguments", RESPONSES, stream=True,
         first=CUT_ITEM),
    Form("an item without its type at the end", event({"type": "response.completed", "response": _response({})}),
         "unusable_item", RESPONSES, stream=True, first=delta_event("Hi")),
    Form("no end", event({"type": "keepalive"}), "truncated", RESPONSES, stream=True, first=delta_event("Hi")),
    # embeddings
    _vectors("too few vectors", "unasked_vectors", ONE),
    _vectors("too many vectors", "unasked_vectors", ONE, TWO, TWO),
    _vectors("no vectors", "empty"),
    _vectors("an index beyond the texts", "unasked_vectors", ONE, TWO | {"index": 5}),
    _vectors("one index twice", "unasked_vectors", ONE | {"index": 1}, TWO),
    _vectors("vectors of two lengths", "unasked_vectors", ONE, TWO | {"embedding": [3.0]}),
    _vectors("an index that is a text", "malformed", ONE, TWO | {"index": "b"}),
    _vectors("a vector with a hole", "malformed", ONE, TWO | {"embedding": [3.0, None]}),
]  # fmt: skip
"""What no client can use."""

FILTERED = {"content_filter_results": {"hate": {"filtered": False}}, "content_filter_offsets": {"start": 0}}
ODD: list[Form] = [
    # whole turns, and the same as one part of a stream
    *_chat("as OpenAI has it", "", HI),
    *_chat("no index", "", HI, index=None),
    *_chat("no role", "", {"content": "Hi"}),
    *_chat("TGI: one call, in no list", "", calls() | {"tool_calls": call()}, "tool_calls", says=CALLED),
    *_chat("an empty object for no calls", "", HI | {"tool_calls": {}}),
    *_chat("null for no calls", "", HI | {"tool_calls": None}),
    *_chat("Ollama: arguments that are an object", "", calls(call(arguments={"city": "Bonn"})), "stop", says=CALLED),
    *_chat("Anthropic, vLLM: no arguments", "", calls(call(arguments="")), "tool_calls", says="weather {}"),
    *_chat("arguments of null", "", calls(call(arguments=None)), "tool_calls", says="weather {}"),
    *_chat("arguments with a line end in a text", "", calls(call(arguments='{"city":"Bo\nnn"}')), "tool_calls",
           says='weather {"city":"Bo\nnn"}'),
    *_chat("a call by another word", "", calls(call()), "tool_use", says=CALLED),
    *_chat("words beside the end of calls", "", HI, "tool_calls"),
    *_chat("a call cut off by its length", "", calls(call(arguments='{"city":"Bo')), "length",
           says='weather {"city":"Bo'),
    *_chat("a call cut off by a filter", "", calls(call(arguments='{"city":"Bo')), "content_filter",
           says='weather {"city":"Bo'),
    *_chat("Gemini: cut before a word", "", {"role": "assistant"}, "length", says=""),
    *_chat("nothing to say", "", HI | {"content": ""}, says=""),
    Form("two for two, both the first", whole(turn(), turn()), asks={"n": 2}),
    Form("two for two", chunk(part(HI, "stop")) + chunk(part(HI, "stop", index=1)) + DONE, stream=True, asks={"n": 2}),
    Form("usage of another type", whole(turn(), usage={"prompt_tokens": "many"})),
    Form("created as a text", whole(turn(), created="now")),
    # streams
    Form("vLLM: a usage at the end", ROLE + WORDS + END + chunk(usage=USED) + DONE, stream=True),
    Form("Azure: no choice at first, a choice of filters alone",
         chunk(prompt_filter_results=[]) + WORDS + chunk({"index": 0, "finish_reason": None} | FILTERED) + END + DONE,
         stream=True),
    Form("SGLang: an end of nothing", chunk(part(HI, "")) + END + DONE, stream=True),
    Form("Gemini: an end in each", chunk(part({"content": "H"}, "stop")) + chunk(part({"content": "i"}, "stop")) + DONE,
         stream=True),
    Form("Gemini: an end alone, cut before a word", chunk({"index": 0, "finish_reason": "length"}) + DONE, stream=True,
         says=""),
    Form("OpenRouter: an empty delta behind the end",
         WORDS + END + chunk(part({"role": "assistant", "content": ""}), usage=USED) + DONE, stream=True),
    Form("blanks behind the end", WORDS + END + chunk(part({"content": "\n"})) + DONE, stream=True, says="Hi\n"),
    Form("Ollama: two ends", chunk(part(calls(call()), "tool_calls")) + END + DONE, stream=True, asks=TOOLS,
         says=CALLED),
    Form("the same end twice", WORDS + END + END + DONE, stream=True),
    Form("deltas of null between",
         WORDS + chunk(part() | {"delta": None}) + chunk(part(finish="stop") | {"delta": None}) + DONE, stream=True),
    Form("no end but the stream's", WORDS + END, stream=True),
    Form("a call in pieces",
         BEGUN_CALL + chunk(part({"tool_calls": [{"index": 0, "function": {"arguments": '"Bonn"}'}}]}))
         + chunk(part(finish="tool_calls")) + DONE, stream=True, asks=TOOLS, says=CALLED),
    Form("SGLang, vLLM: its last piece with the end",
         BEGUN_CALL + chunk(part({"tool_calls": [{"index": 0, "function": {"arguments": '"Bonn"}'}}]}, "tool_calls"))
         + DONE, stream=True, asks=TOOLS, says=CALLED),
    Form("a piece of a call that says nothing",
         chunk(part(calls(call()))) + chunk(part({"tool_calls": [{"index": 1, "function": {"arguments": ""}}]}))
         + chunk(part(finish="tool_calls")) + DONE, stream=True, asks=TOOLS, says=f"{CALLED}, None {{}}"),
    # completions
    *_text("two prompts", "", {}, {"index": 1}, prompt=["one", "two"]),
    *_text("two prompts, two each", "", *({"index": place} for place in range(4)), prompt=["one", "two"], n=2),
    # Responses
    *_responses("as OpenAI has it", "", MESSAGE),
    *_responses("a call", "", ITEM, says=CALLED),
    *_responses("a call without arguments", "", ITEM | {"arguments": ""}, says="weather {}"),
    *_responses("a call cut off", "", ITEM | {"arguments": '{"city":"Bo'}, status="incomplete",
                says='weather {"city":"Bo'),
    *_responses("an unfinished call", "", ITEM | {"arguments": '{"city":"Bo', "status": "incomplete"},
                says='weather {"city":"Bo'),
    Form("vLLM: a call cut off, as a finished item",
         event({"type": "response.completed", "sequence_number": 0, "response": _response(
             ITEM | {"arguments": '{"city":'}, status="incomplete")}, "response.completed"),
         "", RESPONSES, stream=True, first=CUT_ITEM, says='weather {"city":'),
    *_responses("items of other kinds", "", {"type": "reasoning", "id": "r", "summary": []}, {"type": "new"}, MESSAGE),
    *_responses("no item", "", says=""),
    *_responses("a refusal", "", MESSAGE | {"content": [{"type": "refusal", "refusal": "No"}]}, says=""),
    # embeddings
    _vectors("as OpenAI has it", "", ONE, TWO),
    _vectors("in another order", "", TWO, ONE),
    _vectors("Gemini: an index of 0 left out", "", without(ONE, "index"), TWO),
    _vectors("no index", "", without(ONE, "index"), without(TWO, "index")),
    _vectors("an index of 0 in each", "", ONE, TWO | {"index": 0}),
]  # fmt: skip
"""What servers send, and every client can use."""

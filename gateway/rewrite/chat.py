"""Chat completions and legacy completions in the frontier's shape, whole or in chunks.

The shapes are the allow-list: a field that OpenAI does not have is not decoded, and so is gone.
Longer than a file should be: the same fields are read of an answer, judged and brought into shape in one pass.
Source: wire.md B5 in words; OpenAI's published answers; vLLM 0.32 and 0.33 as observed.
"""

from typing import Final, TypeGuard

import msgspec
from msgspec import UNSET, UnsetType

from gateway import errors
from gateway.rewrite.call_ids import made, signed
from gateway.rewrite.choice_progress import ChoiceProgress
from gateway.rewrite.form import Fault, calls_fault, is_whole
from gateway.rewrite.lax_reader import LaxReader
from gateway.rewrite.problem import CandidateFailure, classify_event
from gateway.rewrite.shapes import AnswerShape, ChatAnswer, Choice, Function, WireMessage, WireToolCall, WireUsage
from gateway.rewrite.surface import UNREADABLE, is_empty
from policies.routing import Variant
from records.wire.json_reader import is_text
from records.wire.words import DONE, Ending, ending, is_done, is_heartbeat

BROKEN: Final = "The model's answer broke off before its end. What came so far is not complete: send the request again."
_NO_ANNOTATIONS: Final = msgspec.Raw(b"[]")
_NO_PROMPT_DETAILS: Final = msgspec.Raw(b'{"cached_tokens":0,"audio_tokens":0}')
_NO_COMPLETION_DETAILS: Final = msgspec.Raw(
    b'{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}'
)
_NO_WORDS: Final = (b'"content":null', b'"content":""')
_CALLS: Final = b'"tool_calls":['
"""Of a whole answer that we wrote: an empty list was left out. Within a text the quotes would have a backslash."""
_ANSWER: Final = msgspec.json.Decoder(ChatAnswer)
_encode: Final = msgspec.json.Encoder().encode


class ChatStream:
    """The chunks of one answer. `take` is given one event's data at a time, and gives the events for the app."""

    def __init__(self, asked: AnswerShape, variant: Variant) -> None:
        self.begun = False
        """The first real token has come."""
        self.done = False
        """The answer has ended as it should."""
        self.failure: CandidateFailure | None = None
        self.usage: WireUsage | None = None
        self.said_bytes = 0
        """Of words, thoughts and calls so far, in UTF-8, about."""
        self.is_said = False
        """All of the answer is there: only the usage and [DONE] are still to come. Never so of completions: one request
        may have many."""
        self._asked = asked
        self._model = asked.model if variant.report_model == "requested" else None
        self._choices: dict[int, ChoiceProgress] = {}
        self._goes_on = False
        """It says an end in many events: none of these says that it is the last."""
        self._last: ChatAnswer | None = None
        self._lax = LaxReader()

    @property
    def is_empty(self) -> bool:
        """There were neither words nor calls."""
        return self._asked.surface == "chat" and not any(
            progress.spoke or progress.called for progress in self._choices.values()
        )

    def take(self, data: bytes) -> bytes:
        """The app's events for one event's `data`. Sets `failure` instead where the engine broke."""
        if is_heartbeat(data):
            return b""
        if data.startswith(DONE) or is_done(data):
            return self._end()
        answer = _read(data, self._lax)
        if answer is None:
            self.failure = CandidateFailure("failure", "malformed")
            return b""
        if not _is_empty(answer.error):
            self.failure = classify_event(data) or CandidateFailure("failure", "error_event")
            return b""
        answer.error = UNSET
        if _is_counted(answer.usage):
            self.usage = answer.usage
        answer.usage = None if self._asked.include_usage else UNSET
        _dress(answer, self._asked, self._model)
        self._last = answer
        if not answer.choices:
            return b""
        return self._advance(answer)

    def cut(self) -> bytes:
        """The upstream's body has ended: what is still to be said, or a `failure` if that was too early."""
        if self.done or self.failure:
            return b""
        return self._end()

    def broken(self) -> bytes:
        """The event that says that the answer broke off: without [DONE], and with nothing after it."""
        return b"data: %b\n\n" % errors.body("upstream_broken", message=BROKEN)

    def _advance(self, answer: ChatAnswer) -> bytes:
        """The chunk as the app gets it, or nothing where it says nothing, or not yet."""
        shown = [choice for choice in answer.choices if self._shows(choice, answer)]
        if self.failure or not shown:
            return b""
        return b"".join([self._told(choice, answer) for choice in shown])

    def _told(self, choice: Choice, answer: ChatAnswer) -> bytes:
        """The event of one choice, as OpenAI has it: what is kept back of one is no other's."""
        answer.choices = [choice]
        event = b"data: %b\n\n" % _encode(answer)
        progress = self._choices[choice.index]
        if self._asked.tools and _is_blank(choice) and not progress.is_decided():
            progress.held += event
            return b""
        held, progress.held = progress.held, b""
        return held + event

    def _shows(self, choice: Choice, answer: ChatAnswer) -> bool:
        """Bring one choice's part into shape; False: nothing in it is for the app."""
        how = ending(choice.finish_reason)
        progress = self._follow(choice, how)
        if progress is None:
            return False
        if not how:
            choice.finish_reason = None
        says = choice.finish_reason is not None
        turn = choice.delta
        if isinstance(turn, WireMessage):
            self.begun = self.begun or bool(turn.reasoning or turn.reasoning_content)
            self.said_bytes += _said_bytes(turn)
            for call in turn.tool_calls or ():
                call.index = progress.place(call)
            _trim(turn)
            for call in turn.tool_calls or ():
                _introduce_call(call, progress, answer, choice.index)
            # A role alone is not shown where a tool call may follow: beside one, OpenAI's content is null, not "".
            says = self._hears(turn, progress) or says or not (progress.begun or self._asked.tools)
            if says:
                _introduce(turn, progress)
        elif choice.text:
            self.begun = progress.spoke = says = True
            self.said_bytes += len(choice.text) if choice.text.isascii() else 3 * len(choice.text)
        if choice.finish_reason is not None:
            return self._finishes(choice, progress, how)
        return says

    def _follow(self, choice: Choice, how: Ending) -> ChoiceProgress | None:
        """How far the choice has come of which this is a part, with its fields fitted; None: it cannot go on so."""
        progress = self._choices.get(choice.index)
        if progress is None:
            if not 0 <= choice.index < self._asked.n:
                self._fails("unasked_choice")
                return None
            progress = self._choices[choice.index] = ChoiceProgress()
        if how == "error":
            self._fails("aborted")
            return None
        if choice.delta is not UNSET or choice.message is not UNSET:
            progress.turned = True
        _fit(choice, self._asked, is_new=not progress.begun)
        if progress.finished and _is_spoken(choice):
            if not how:
                self._fails("words_after_end")
                return None
            self._goes_on = True
        return progress

    def _finishes(self, choice: Choice, progress: ChoiceProgress, how: Ending) -> bool:
        """Bring one choice's end into shape; False: it is none."""
        is_chat = self._asked.surface == "chat"
        fault = progress.fault(how) if is_chat else None
        if fault is not None:
            self._fails(fault)
            return False
        self.begun = progress.finished = True
        self.is_said = is_chat and self._is_finished() and not self._goes_on
        choice.finish_reason = _finish(choice.finish_reason or "", self._asked, called=progress.called)
        return True

    def _fails(self, fault: Fault) -> None:
        self.failure = CandidateFailure("failure", fault)

    def _hears(self, turn: WireMessage, progress: ChoiceProgress) -> bool:
        """Whether a delta says anything."""
        says = False
        if turn.tool_calls:
            progress.called = self.begun = says = True
            if progress.held:
                progress.held = b""
                progress.begun = False  # what was kept back was this choice's first
        if isinstance(turn.content, str) and turn.content:
            blank = not turn.content.strip()
            if blank and progress.called:
                turn.content = UNSET
            else:
                says = True
                progress.spoke = progress.spoke or not blank
                self.begun = self.begun or not blank or not self._asked.tools
        if turn.refusal or turn.audio is not UNSET or turn.function_call is not UNSET:
            self.begun = progress.spoke = says = True
            self.said_bytes += sum(len(bytes(raw)) for raw in (turn.audio, turn.function_call) if raw is not UNSET)
            self.said_bytes += len(turn.refusal or "")
        return says

    def _is_finished(self) -> bool:
        """Whether every answer that was asked for has its end."""
        ends = [progress.finished for progress in self._choices.values()]
        return len(ends) >= self._asked.n and all(ends)

    def _end(self) -> bytes:
        """The usage if it was asked for, and the one [DONE]; a failure if a choice has no end."""
        if self._last is None or not self._is_finished():
            self.failure = CandidateFailure("failure", "truncated" if self.begun else "empty")
            return b""
        self.done = True
        tail = b"data: [DONE]\n\n"
        if self._asked.include_usage and self.usage is not None:
            self._last.choices = []
            self._last.usage = _fill(self.usage, self._asked)
            tail = b"data: %b\n\n%b" % (_encode(self._last), tail)
        return tail


def adapt_whole(body: bytes, asked: AnswerShape, variant: Variant) -> bytes | CandidateFailure:
    """One whole answer in the frontier's shape, or why it is none."""
    answer = _read(body, LaxReader())
    if answer is None:
        return CandidateFailure("failure", "malformed")
    if not _is_empty(answer.error):
        return classify_event(body) or CandidateFailure("failure", "error_event")
    answer.error = UNSET
    if answer.choices and len(answer.choices) < asked.n:  # some engines know no `n`
        return CandidateFailure("capability", "truncated")
    fault = _choices_fault(answer, asked)
    if fault is not None:
        return CandidateFailure("failure", fault)
    _dress(answer, asked, asked.model if variant.report_model == "requested" else None)
    if answer.usage:
        answer.usage = _fill(answer.usage, asked) if _is_counted(answer.usage) else None
    return _encode(answer)


def is_mute(out: bytes) -> bool:
    """Whether a whole chat answer in the frontier's shape has neither words nor calls."""
    if _CALLS in out or not any(mark in out for mark in _NO_WORDS):  # most have some: no second look
        return False
    turns = [choice.message for choice in _ANSWER.decode(out).choices]
    return not any(
        isinstance(turn, WireMessage)
        and (turn.content or turn.tool_calls or turn.refusal or turn.audio or turn.function_call)
        for turn in turns
    )


def _choices_fault(answer: ChatAnswer, asked: AnswerShape) -> Fault | None:
    """What makes a whole answer unusable. Brings its choices into shape on the way."""
    if not answer.choices:
        return "empty"
    if len(answer.choices) > asked.n:
        return "unasked_choice"
    for choice in answer.choices:
        how = ending(choice.finish_reason)
        if how in ("", "error"):
            return "aborted"
        if not 0 <= choice.index < asked.n:
            return "unasked_choice"
        if asked.surface == "chat" and choice.message is UNSET:
            choice.message, choice.delta = choice.delta, UNSET  # as a chunk has it
        if (choice.message if asked.surface == "chat" else choice.text) is UNSET:
            return "empty"
        _finish_choice(choice, asked, answer)
        fault = _turn_fault(choice.message, how)
        if fault is not None:
            return fault
    return None


def _turn_fault(turn: WireMessage | UnsetType, how: Ending) -> Fault | None:
    """What makes a whole turn, brought into shape, unusable; `how`: as it says that it ended."""
    if not isinstance(turn, WireMessage) or not is_whole(how):
        return None
    if turn.tool_calls:
        return calls_fault([_called(call) for call in turn.tool_calls])
    is_mute = not (turn.content or turn.refusal) and turn.function_call is UNSET
    return "unusable_call" if is_mute and how == "tool_calls" else None


def _called(call: WireToolCall) -> tuple[str, str]:
    function = call.function
    if not isinstance(function, Function):
        return "", ""
    return function.name or "", function.arguments or ""


def _is_spoken(choice: Choice) -> bool:
    """Whether a part of a stream has words that are not blank, or a tool call's."""
    turn = choice.delta
    if not isinstance(turn, WireMessage):
        return isinstance(choice.text, str) and bool(choice.text.strip())
    words = turn.content if isinstance(turn.content, str) else ""
    return bool(words.strip() or turn.refusal) or any(any(_called(call)) for call in turn.tool_calls or ())


def _is_counted(used: WireUsage | UnsetType | None) -> TypeGuard[WireUsage]:
    """Whether a usage tells something: before they know, some engines say 0 of all."""
    return isinstance(used, WireUsage) and used.prompt_tokens > 0


def _fit(choice: Choice, asked: AnswerShape, *, is_new: bool) -> None:
    """Give a part of a stream what SDKs read of each: `delta`, or `text`.

    A whole `message` beside a delta says again what deltas said; it is their place only where there were none.
    """
    if asked.surface != "chat":
        if choice.text is UNSET and choice.finish_reason is not None:
            choice.text = ""
        return
    if choice.message is not UNSET:
        if choice.delta is UNSET or (is_new and _is_silent(choice.delta)):
            choice.delta = choice.message
        choice.message = UNSET
    if choice.delta is UNSET and choice.finish_reason is not None:
        choice.delta = WireMessage()


def _read(data: bytes, lax: LaxReader) -> ChatAnswer | None:
    """The answer, or a part of it, in its strict shape, or else as lax readers have it; None: nobody can read it."""
    try:
        # A field that is passed on as it came is not looked into: its bytes have to be text.
        if not lax.waits and (data.isascii() or is_text(data)):
            return _ANSWER.decode(data)
    except UNREADABLE:
        pass  # it is odd, or none
    try:
        return lax.read(data)
    except UNREADABLE:
        return None


def _said_bytes(turn: WireMessage) -> int:
    """How much a delta says, thoughts that the app is not shown included: a measure of how fast, not of what."""
    text = turn.content or turn.reasoning_content or turn.reasoning
    said = len(text) if isinstance(text, str) else 0
    if said and isinstance(text, str) and not text.isascii():
        said *= 3
    if turn.tool_calls:
        for call in turn.tool_calls:
            if isinstance(call.function, Function) and call.function.arguments:
                said += len(call.function.arguments)
    return said


def _finish_choice(choice: Choice, asked: AnswerShape, answer: ChatAnswer) -> None:
    """Bring one whole choice into shape."""
    message = choice.message
    called = False
    if isinstance(message, WireMessage):
        _trim(message)
        message.role = "assistant"
        if message.annotations is UNSET:
            message.annotations = _NO_ANNOTATIONS
        message.refusal = message.refusal or None
        called = bool(message.tool_calls)
        if called and not (isinstance(message.content, str) and message.content.strip()):
            message.content = None
        for place, call in enumerate(message.tool_calls or ()):
            call.index = UNSET
            call.type = call.type or "function"
            if call.id is UNSET:
                call.id = made(_name_of(answer), choice.index, place)
    choice.finish_reason = _finish(choice.finish_reason or "", asked, called=called)


def _name_of(answer: ChatAnswer) -> str:
    """What tells this answer from others, as far as its engine says."""
    return f"{answer.id} {answer.created}"


def _introduce(turn: WireMessage, progress: ChoiceProgress) -> None:
    """Give a choice's first delta its role and content, and later ones none they do not need."""
    if progress.begun:
        turn.role = UNSET
        turn.content = UNSET if turn.content is None else turn.content
        return
    progress.begun = True
    turn.role = "assistant"
    turn.refusal = turn.refusal or None
    if not (isinstance(turn.content, str) and (turn.content or not progress.called)):
        turn.content = None if progress.called else ""


def _introduce_call(call: WireToolCall, progress: ChoiceProgress, answer: ChatAnswer, choice: int) -> None:
    """Say a call's id, type and name once: SDKs add up what fragments say, and a name said twice is another name.

    A call that begins without an id gets one; an id that comes later is no second name for it.
    """
    place = call.index if isinstance(call.index, int) else 0
    if place in progress.told:
        call.id = call.type = UNSET
    else:
        progress.told.add(place)
        call.type = call.type or "function"
        if call.id is UNSET:
            call.id = made(_name_of(answer), choice, place)
    if isinstance(call.function, Function) and call.function.name:
        if place in progress.named and place not in progress.renamed:
            call.function.name = UNSET
        progress.named.add(place)
        progress.renamed.discard(place)


def _trim(turn: WireMessage) -> None:
    """Take out what OpenAI would not say, and sign the tool calls."""
    turn.reasoning = turn.reasoning_content = UNSET
    if _is_null(turn.annotations):
        turn.annotations = UNSET
    if _is_empty(turn.audio):
        turn.audio = UNSET
    if _is_empty(turn.function_call):
        turn.function_call = UNSET
    if not turn.tool_calls:
        turn.tool_calls = UNSET
        return
    for call in turn.tool_calls:
        name = call.function.name if isinstance(call.function, Function) else ""
        call.id = signed(call.id, name or "") if call.id else UNSET
        call.type = call.type or UNSET
        if call.function:
            call.function.name = call.function.name or UNSET
            if call.function.name and not call.function.arguments:
                call.function.arguments = ""  # vLLM's first fragment has none


def _dress(answer: ChatAnswer, asked: AnswerShape, model: str | None) -> None:
    """The outermost fields, the same in an answer and in each of its chunks."""
    if model is not None:
        answer.model = model
    prefix = "chatcmpl-" if asked.surface == "chat" else "cmpl-"
    if not answer.id.startswith(prefix):
        answer.id = prefix + answer.id
    if asked.surface == "chat":
        answer.object = "chat.completion.chunk" if asked.stream else "chat.completion"
    else:
        answer.object = "text_completion"
    answer.service_tier = "default" if asked.service_tier else UNSET
    if not (answer.system_fingerprint or "").startswith("fp_"):
        answer.system_fingerprint = None


def _finish(reason: str, asked: AnswerShape, *, called: bool) -> str:
    known = ending(reason)
    reason = reason if known == "other" else known
    if called and reason in {"stop", "tool_calls"}:
        return "stop" if asked.named_tool else "tool_calls"
    return reason


def _fill(usage: WireUsage, asked: AnswerShape) -> WireUsage:
    """The usage with the details that a chat answer of OpenAI always has."""
    if asked.surface == "chat":
        if _is_null(usage.prompt_tokens_details):
            usage.prompt_tokens_details = _NO_PROMPT_DETAILS
        if _is_null(usage.completion_tokens_details):
            usage.completion_tokens_details = _NO_COMPLETION_DETAILS
    return usage


def _is_blank(choice: Choice) -> bool:
    turn = choice.delta
    return (
        isinstance(turn, WireMessage)
        and isinstance(turn.content, str)
        and bool(turn.content)
        and not turn.content.strip()
    )


def _is_silent(turn: WireMessage | UnsetType) -> bool:
    return isinstance(turn, WireMessage) and not (turn.content or turn.tool_calls or turn.refusal)


def _is_empty(raw: msgspec.Raw | UnsetType) -> bool:
    return _is_null(raw) or (isinstance(raw, msgspec.Raw) and is_empty(raw))


def _is_null(raw: msgspec.Raw | UnsetType) -> bool:
    return raw is UNSET or bytes(raw) == b"null"

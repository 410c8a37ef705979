"""OpenAI's files: fine-tuning rows, preferences, and logs of requests with their answers.

A line is one of
    {"messages": […], "tools": …}                     fine-tuning: one exchange for each answer that is trained on
    {"input": {…}, "preferred_output": […], "non_preferred_output": […]}    the other was said, the one corrects it
    {"request": {…}, "response": {…}}                 a log; `body` for `request` too, as the Batch API has it
    {"messages": […], "choices": […]}                 a stored completion with what it was asked
Source: OpenAI API reference, "Fine-tuning: chat format" and "preference", "Batch", "Chat completions: stored".
"""

from collections.abc import Iterator

from records.importers.imported import (
    CHAT,
    PATHS,
    Fields,
    ImportedExchange,
    PassedOverError,
    UnfitRowError,
    completion,
    conversations,
    fields_of,
    moment,
    number,
    objects_of,
    text,
)


def exchanges(row: Fields) -> Iterator[ImportedExchange]:
    """The exchanges of a line."""
    if "preferred_output" in row:
        yield _preference(row)
    elif fields_of(row.get("response")) or "request" in row:
        yield _logged(row)
    elif "choices" in row:
        yield _stored(row)
    elif "messages" in row:
        yield from conversations(row)
    else:
        raise UnfitRowError("neither messages, nor a request with its response, nor a preference")


def _preference(row: Fields) -> ImportedExchange:
    asked = fields_of(row.get("input"))
    better, worse = (objects_of(row.get(name)) for name in ("preferred_output", "non_preferred_output"))
    if not objects_of(asked.get("messages")) or not better or not worse:
        raise UnfitRowError("input.messages, preferred_output and non_preferred_output: lists of messages")
    return ImportedExchange(request=asked, response=completion(worse[-1]), corrected=better[-1])


def _logged(row: Fields) -> ImportedExchange:
    asked = fields_of(row.get("request")) or fields_of(row.get("body"))
    asked = fields_of(asked.get("body")) or asked
    if not asked:
        raise UnfitRowError("a response without its request: put the line of the batch's input beside it, as `request`")
    answer, status = fields_of(row.get("response")), 200
    if "status_code" in answer:
        code = number(answer["status_code"]) or 0.0
        status, answer = int(code) if 100 <= code < 600 else 0, fields_of(answer.get("body"))
    path = text(row.get("url")) or text(fields_of(row.get("request")).get("url")) or _path(asked)
    if path not in PATHS:
        raise PassedOverError(f"asked of {path[:64]}")
    return ImportedExchange(
        request=asked,
        response=answer or None,
        source_id=text(answer.get("id")),
        path=path,
        at=moment(answer.get("created") or answer.get("created_at")),
        model=text(asked.get("model")),
        status=status,
    )


def _stored(row: Fields) -> ImportedExchange:
    turns = objects_of(row.get("messages"))
    if not turns:
        raise UnfitRowError("a stored completion without its messages: ask for them at …/chat/completions/ID/messages")
    given = ("model", "tools", "tool_choice", "response_format", "temperature", "top_p", "metadata")
    asked = {name: row[name] for name in given if row.get(name) is not None}
    answer = {name: value for name, value in row.items() if name not in ("messages", *given)} | {
        "model": row.get("model")
    }
    return ImportedExchange(
        request=asked | {"messages": turns},
        response=answer,
        source_id=text(row.get("id")),
        at=moment(row.get("created")),
        model=text(row.get("model")),
    )


def _path(asked: Fields) -> str:
    return CHAT if "messages" in asked else "/v1/responses" if "input" in asked else "/v1/completions"

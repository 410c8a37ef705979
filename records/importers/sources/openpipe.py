"""OpenPipe: request logs (`input`, `output`, `tags`), and datasets, which are OpenAI's fine-tuning rows.

A dataset's `rejected_message` is what was said, and the row's own answer its correction.
Source: docs.openpipe.ai, "Exporting logs" and "Exporting data".
"""

from collections.abc import Iterator

import msgspec

from records.importers.imported import (
    Fields,
    ImportedExchange,
    UnfitRowError,
    completion,
    conversations,
    fields_of,
    moment,
    objects_of,
    said,
    text,
)


def exchanges(row: Fields) -> Iterator[ImportedExchange]:
    """The exchanges of a row."""
    if "input" not in row and "messages" in row:
        yield from _trained(row)
        return
    asked, answer = fields_of(row.get("input")), fields_of(row.get("output"))
    if not objects_of(asked.get("messages")):
        raise UnfitRowError("input.messages: no list of messages")
    is_answer = objects_of(answer.get("choices")) is not None
    yield ImportedExchange(
        request=asked,
        response=answer if is_answer else None,
        source_id=text(answer.get("id")),
        at=moment(said(row, "requestedAt", "requested_at") or answer.get("created")),
        model=text(asked.get("model")),
        status=200 if is_answer else 500,
    )


def _trained(row: Fields) -> Iterator[ImportedExchange]:
    rejected = fields_of(row.get("rejected_message"))
    found = list(conversations(row))
    if rejected and found[-1].response is not None:
        better = found[-1].response["choices"][0]["message"]
        found[-1] = msgspec.structs.replace(found[-1], response=completion(rejected), corrected=better)
    yield from found

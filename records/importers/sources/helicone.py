"""Helicone: what `npx @helicone/export --include-body` writes, as JSON, JSONL or CSV, and `/v1/request/query` answers.

Of streams the collected answer is taken; the raw events are read where they are all there is. A thumb is a vote.
Source: docs.helicone.ai, "Export data"; Helicone's HeliconeRequest.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from records.importers.imported import (
    CHAT,
    PATHS,
    Fields,
    ImportedExchange,
    PassedOverError,
    UnfitRowError,
    fields_of,
    moment,
    number,
    said,
    text,
)
from records.wire.assemble import read_stream, surface_of
from records.wire.json_reader import read_fields


def exchanges(row: Fields) -> Iterator[ImportedExchange]:
    """The exchange of a row."""
    if not text(row.get("request_id")) or "request_created_at" not in row:
        raise UnfitRowError("no export of Helicone: request_id and request_created_at are not there")
    path = _path(text(row.get("request_path")))
    if path not in PATHS:
        raise PassedOverError(f"asked of {path[:64]}")
    asked = fields_of(row.get("request_body"))
    status = int(number(row.get("response_status")) or 0)
    first_ms, total_ms = number(row.get("time_to_first_token")), number(row.get("delay_ms"))
    thumb = row.get("feedback_rating")
    counted = {name: number(row.get(name)) for name in ("prompt_tokens", "completion_tokens")}
    yield ImportedExchange(
        request=asked or None,
        response=_answer(row, path) or None,
        source_id=row["request_id"],
        path=path,
        at=moment(row.get("request_created_at")),
        model=text(asked.get("model")) or text(said(row, "request_model", "model")),
        key=text(said(row, "user_api_key_hash", "auth_hash")),
        user=text(said(row, "request_user_id", "user_id")),
        conversation=text(fields_of(said(row, "request_properties", "properties")).get("Helicone-Session-Id")),
        status=status if 100 <= status < 600 else 0,
        first_byte_s=first_ms / 1000 if first_ms else None,
        total_s=total_ms / 1000 if total_ms else None,
        usage=counted if None not in counted.values() else None,
        cost_usd=number(said(row, "costUSD", "cost_usd", "cost")),
        score=None if thumb in (None, "") else 1.0 if thumb in (True, "true", "True") else -1.0,
    )


def _path(url: str) -> str:
    """Where it was asked; many rows have the whole address, and proxies other beginnings."""
    path = urlsplit(url).path.rstrip("/")
    if not path:
        return CHAT
    surface = surface_of(path)
    return next((known for known in PATHS if surface_of(known) == surface), path)


def _answer(row: Fields, path: str) -> Fields:
    answer = fields_of(row.get("response_body"))
    events = answer.get("streamed_data")
    if isinstance(events, str) and not (answer.get("choices") or answer.get("output")):
        return read_fields(read_stream(surface_of(path), events.encode()).body) or {}
    return {name: value for name, value in answer.items() if name != "streamed_data"}

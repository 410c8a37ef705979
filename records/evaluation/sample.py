"""Recorded exchanges as evaluation rows for a person to label: drawn by conversation, one question of each.

What a user corrected has its label already. What the model answered stands beside the question, never as its label:
that the baseline said it makes nothing right.
"""

from collections.abc import Iterator
from typing import Any, cast

import msgspec

from records.store import Store

_SAMPLE = """
SELECT id, path, request_json, response_json, corrected_output_json, prompt_hash
FROM joined
WHERE route = ?1 AND epoch(arrived_at) >= ?2 AND complete AND consent = 'train' AND variant = 'baseline'
      AND endpoint IN ('chat', 'responses', 'completions') AND request_json IS NOT NULL AND prompt_hash <> ''
QUALIFY row_number() OVER (PARTITION BY prompt_hash ORDER BY corrected_output_json IS NULL, id) = 1
        AND row_number() OVER (PARTITION BY conversation_id ORDER BY corrected_output_json IS NULL, id) = 1
ORDER BY md5(?3 || conversation_id), id LIMIT ?4
"""


def sample(store: Store, route: str, *, since: float, rows: int, salt: str) -> Iterator[dict[str, Any]]:
    """Lines for `files.read_file`, each with `answer`, what the model said. `since`: Unix seconds.

    Raises:
        duckdb.Error, OSError: the records cannot be read.
    """
    found = store.read(lambda views: views.execute(_SAMPLE, [route, since, salt, rows]).fetchall())
    for exchange_id, path, request, response, correction, prompt_hash in found:
        yield {
            "request": msgspec.json.decode(request),
            "expected": None if correction is None else _said(msgspec.json.decode(correction)),
            "answer": None if response is None else msgspec.json.decode(response),
            "path": path,
            "source": exchange_id,
            "prompt_hash": prompt_hash,
        }


def _said(correction: Any) -> Any:
    """What a correction says: of a message its text, else the text or JSON itself."""
    fields = cast("dict[str, Any]", correction) if isinstance(correction, dict) else {}
    return fields.get("content", correction)

"""Whether each answer satisfies its JSON Schema: feeds the validity gate."""

from collections.abc import Callable, Mapping

from records.wire.json_reader import read_fields
from shadow.compare import json_schema, json_text
from shadow.compare import request as asked
from shadow.compare.pair import Comparator, Fields, ModelAnswer, Pair, Score

_MOST_BYTES = 1024 * 1024


def make(options: Mapping[str, object], files: Callable[[str], bytes]) -> Comparator:
    """The comparator, for the policy's `schema` options.

    Raises:
        ValueError: the file holds no JSON Schema that can be used.
        OSError: there is no such file.
    """
    name = options.get("file")
    own = _read(name, files) if isinstance(name, str) else None

    def compare(pair: Pair) -> Score:
        form = asked.form(pair.asked)
        schema = own or form.schema
        if schema is None and not form.is_json:
            return Score()
        return Score(
            valid_baseline=_is_valid(pair.baseline, schema, is_json=form.is_json),
            valid_candidate=_is_valid(pair.candidate, schema, is_json=form.is_json),
        )

    return compare


def _read(name: str, files: Callable[[str], bytes]) -> Fields:
    text = files(name)
    found = read_fields(text) if len(text) <= _MOST_BYTES else None
    if found is None or not json_schema.is_usable(found):
        raise ValueError(
            f"{name}: no JSON Schema that can be used. hint: a JSON file, references within it only (#/…), "
            "patterns without look-around or back-references"
        )
    return found


def _is_valid(answer: ModelAnswer, schema: Fields | None, *, is_json: bool) -> bool | None:
    """Whether an answer is valid. A tool call needs no text; code fences are allowed if JSON was not requested."""
    if answer.calls and not answer.text.strip():
        return None
    value = json_text.decode(answer.text, fenced=not is_json)
    if value is json_text.NO_JSON:
        return None if len(answer.text) > json_text.MAX_CHARS else False
    return json_schema.holds(schema, value) if schema is not None else isinstance(value, dict)

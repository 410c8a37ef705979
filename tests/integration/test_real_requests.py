"""Real SDK requests and real tool calls, through the records into a dataset."""

import base64
import gzip
import hashlib
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from records.dataset.build import Wanted, build
from records.parquet import EXCHANGES
from records.pricing import PriceBook
from records.record_maker import RecordMaker, RoutePrices
from records.redact import Redactor
from records.store import Store
from tests.fakes.exchanges import chat_answer, chat_request, exchange, head

DATA = Path(__file__).parents[3] / "shared" / "data"
MODEL = "gpt-4o-2024-05-13-FC"
MAKER = RecordMaker(
    b"p" * 32, Redactor(), PriceBook({"openai": "https://api.openai.com/v1"}), {"": RoutePrices("openai")}
)

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="real data is not at hand: ../shared/data")


def lines(name: str) -> list[dict[str, Any]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@needs_data
@pytest.mark.slow
def test_every_real_request_makes_a_row():
    """Each request that the SDK's own tests send makes a row: its hash is that of the bytes sent, its JSON is JSON."""
    for number, sent in enumerate(lines("openai_requests.jsonl.gz")):
        body = base64.b64decode(sent.get("b") or sent.get("body") or "")
        kept = head(*((str(name), str(value)) for name, value in headers_of(sent["h"])))
        row = MAKER.record(exchange(number, body, b"{}", method=sent["m"], target=sent["p"], request_head=kept))

        assert row.request_sha256 == hashlib.sha256(body).hexdigest()
        assert row.request_json is None or json.loads(row.request_json) is not Ellipsis
        assert (row.request_json is None) == (not body or not is_text(body)), (sent["p"], body[:80])


def parsed(arguments: str) -> Any:
    """None: a real model wrote something that is no JSON."""
    try:
        return json.loads(arguments)
    except ValueError:
        return None


def calls_of(row: dict[str, Any]) -> list[Any]:
    return [call["function"]["arguments"] for call in row["completion"][-1]["tool_calls"]]


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.12g}") if isinstance(value, float) else value


def headers_of(found: Any) -> list[tuple[str, str]]:
    return list(found.items()) if isinstance(found, dict) else [(name, value) for name, value in found]


def is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


@needs_data
@pytest.mark.slow
def test_real_tool_calls_survive_the_way_to_a_trainer(tmp_path):
    """What a real model called, with arguments of a thousand shapes, is what a trainer reads, call by call."""
    store, expected, rows, broken = Store(tmp_path / "records"), list[list[Any]](), [], 0
    for number, case in enumerate(lines("bfcl_tool_calls.jsonl.gz")):
        result = case["answers"].get(MODEL, {}).get("result")
        if not isinstance(result, list) or not result:
            continue
        calls = [
            {"id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for at, one in enumerate(result)
            for name, arguments in one.items()
        ]
        question = f"{number}: {case['question'][0][-1]['content']}"
        tools = [{"type": "function", "function": function} for function in case["functions"]]
        answer = chat_answer(None, "tool_calls", tool_calls=calls)
        rows.append(MAKER.record(exchange(number, chat_request(question, tools=tools), answer)))
        said = json.loads(rows[-1].response_json or "")["choices"][0]["message"]["tool_calls"]
        arguments = [parsed(call["function"]["arguments"]) for call in said]
        broken += None in arguments
        if None not in arguments:
            expected.append(arguments)
    store.publish(store.stage(EXCHANGES, rows, "a"))

    folder, made = build(store, Wanted("support", "trl-sft", validation_ppm=0), tmp_path / "out")
    datasets = importlib.import_module("datasets")  # which takes three seconds, and every process collects this file
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))["train"]

    assert len(rows) > 500
    assert made.left_out == {"unreadable": broken}
    written = [json.loads(line) for line in (folder / "train.jsonl").read_text("utf-8").splitlines()]
    assert [[json.loads(arguments) for arguments in calls_of(row)] for row in written] == expected
    # `datasets` reads decimals with a parser that may change the last digit; the card says so.
    assert rounded([calls_of(row) for row in loaded]) == rounded(expected)

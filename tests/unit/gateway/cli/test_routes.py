"""`crossfade routes`: traffic nobody has a policy for."""

import json

import pytest

from gateway.cli.main import main
from gateway.node.datadir import DataDir
from records.parquet import EXCHANGES
from records.pricing import PriceBook
from records.record_maker import RecordMaker, RoutePrices
from records.redact import Redactor
from records.store import Store
from tests.fakes.exchanges import chat_request, exchange


def test_traffic_without_a_policy(data: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """Requests that no route has are grouped by what they ask, the dearest first, and shown in words."""
    assert main(["routes"]) == 0
    assert "Nothing is recorded" in capsys.readouterr().out
    maker = RecordMaker(
        b"p" * 32, Redactor(), PriceBook({"openai": "https://api.openai.com/v1"}), {"": RoutePrices("openai")}
    )
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    rows = [maker.record(exchange(number, chat_request(f"question {number}"), route="")) for number in range(3)]
    rows += [maker.record(exchange(number, chat_request("x", tools=tools), route="")) for number in (3, 4)]
    rows += [maker.record(exchange(number, chat_request("x"), route="triage")) for number in range(5, 9)]
    store = Store(data.records)
    store.publish(store.stage(EXCHANGES, rows, "a"))
    assert main(["routes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["requests"], each["system"], each["tools"]) for each in found] == [
        (3, "You triage.", []),
        (2, "You triage.", ["look_up"]),
    ]
    assert main(["routes"]) == 0
    assert "You triage.; tools: look_up" in capsys.readouterr().out
    assert main(["routes", "--all", "-n", "1", "--json"]) == 0
    assert [each["route"] for each in json.loads(capsys.readouterr().out)] == ["triage"]

from pathlib import Path

from records.parquet import EXCHANGES
from records.pricing import PriceBook
from records.record_maker import RecordMaker, RoutePrices
from records.redact import Redactor
from records.request_kinds import kind_of, kinds_query
from records.store import Store
from tests.fakes.exchanges import chat_request, exchange


def test_requests_alike_are_one_kind_and_the_dearest_comes_first(tmp_path: Path) -> None:
    """Model, system prompt, tools and schema make a kind; what was asked does not; the last one kept speaks for it."""
    prices = PriceBook({"openai": "https://api.openai.com/v1"})
    maker = RecordMaker(b"p" * 32, Redactor(), prices, {"": RoutePrices("openai")})
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    asked = [chat_request(f"question {n}") for n in range(3)] + [chat_request("x", tools=tools)]
    rows = [maker.record(exchange(number, request, route="")) for number, request in enumerate(asked)]
    rows.append(maker.record(exchange(9, chat_request("x"), route="triage")))
    store = Store(tmp_path)
    store.publish(store.stage(EXCHANGES, rows, "a"))
    with store.open_views() as connection:
        kinds = [kind_of(row) for row in connection.execute(kinds_query("route = ?"), ["", 9]).fetchall()]
        (dearest,) = connection.execute(kinds_query("route = ?"), ["", 1]).fetchall()

    assert [(kind.requests, bool(kind.tools_hash), kind.route) for kind in kinds] == [(3, False, ""), (1, True, "")]
    assert kinds[0].cost_usd is not None and kinds[1].cost_usd is not None and kinds[0].cost_usd > kinds[1].cost_usd
    assert kinds[0].request_json is not None and "question 2" in kinds[0].request_json
    assert kind_of(dearest) == kinds[0]

"""Records and votes as the recorder keeps them."""

from typing import Any

from records.parquet import EXCHANGES
from records.pricing import PriceBook
from records.record import Record, Vote
from records.record_maker import RecordMaker, RoutePrices
from records.redact import Redactor
from records.store import Store
from tests.fakes.exchanges import AT, chat_request, exchange

PEPPER = b"p" * 32
DAY_S = 86_400.0


def record(number: int, *, at: float = AT, user: str = "", request: bytes | None = None, **meta: Any) -> Record:
    maker = RecordMaker(
        PEPPER, Redactor(), PriceBook({"openai": "https://api.openai.com/v1"}), {"": RoutePrices("openai")}
    )
    request = request or chat_request(f"question {number}", **({"user": user} if user else {}))
    return maker.record(exchange(number, request, arrived_at=at, **meta))


def vote(exchange_id_: str, score: float, at: float = AT) -> Vote:
    return Vote(
        exchange_id=exchange_id_,
        said_us=int(at * 1e6),
        key_id="k",
        score=score,
        label=None,
        comment=None,
        corrected_output_json=None,
    )


def keep(store: Store, name: str, *rows: Record) -> None:
    store.publish(store.stage(EXCHANGES, rows, name))

"""`crossfade records tail` and `stats`: which exchanges they are about, and that they fit a terminal."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from gateway import clock
from gateway.cli.main import main
from gateway.control.state.sqlite import SqliteState
from gateway.node.datadir import DataDir
from policies.routing import Lease, Route, Table, Upstream, Variant, encode
from records.parquet import EXCHANGES
from records.pricing import PriceBook
from records.record_maker import RecordMaker, RoutePrices
from records.redact import Redactor
from records.store import Store
from tests.fakes.exchanges import chat_request, exchange
from tests.rooms.looks import look
from tests.rooms.rollouts import UNSURE

ROUTE = "support-triage-of-tickets-in-all-languages"


@pytest.fixture
def kept(data: DataDir, state: SqliteState) -> DataDir:
    """Three exchanges of a route with a long name: one good, one that failed, one of a user."""
    pepper = b"p" * 32
    (data.root / "pepper").write_text(pepper.hex())
    maker = RecordMaker(
        pepper, Redactor(), PriceBook({"openai": "https://api.openai.com/v1"}), {ROUTE: RoutePrices("openai")}
    )
    asked = [chat_request("one"), chat_request("two"), chat_request("three", user="bob", model="gpt-4o-mini")]
    models = ("gpt-4o", "gpt-4o", "gpt-4o-mini")
    made = [
        maker.record(exchange(number, body, route=ROUTE, model=model))
        for number, (body, model) in enumerate(zip(asked, models, strict=True))
    ]
    made[1] = msgspec.structs.replace(made[1], status=503)
    store = Store(data.records)
    store.publish(store.stage(EXCHANGES, made, "a"))
    return data


def tail(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["records", "tail", "--json", *words]) == 0
    return [json.loads(line)["model_requested"] for line in capsys.readouterr().out.splitlines()]


def test_the_last_exchanges_are_narrowed(kept: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """By model, status, time, user, failure, and in the console's own words."""
    assert len(tail(capsys)) == 3
    assert tail(capsys, "--model", "gpt-4o-mini") == ["gpt-4o-mini"]
    assert tail(capsys, "--user", "bob", "--data", str(kept.root)) == ["gpt-4o-mini"]
    assert len(tail(capsys, "--status", "5xx")) == len(tail(capsys, "--failed")) == 1
    assert len(tail(capsys, "--route", ROUTE, "--where", "variant:baseline")) == 3
    assert tail(capsys, "--route", "other") == []
    assert main(["records", "tail", "--where", "mode:x"]) == 1
    assert "did you mean model?" in capsys.readouterr().err
    assert main(["records", "stats", "--status", "5xx", "--json"]) == 0
    assert [row["exchanges"] for row in json.loads(capsys.readouterr().out)] == [1]


def test_an_exchange_is_found_by_the_end_of_its_id(kept: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """What a narrow table shows of an id is enough to show the exchange."""
    assert main(["records", "tail", "-n", "1", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)["id"]
    assert main(["records", "show", whole[-8:], "--json"]) in (0, 1)
    found = capsys.readouterr()
    assert whole in found.out or "Several exchanges end in" in found.err


def test_an_exchange_is_forgotten_by_the_end_of_its_id(kept: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """The same end is forgotten as is shown; what nobody can tell is refused, and not said to be gone."""
    assert main(["records", "tail", "--json"]) == 0
    ids = [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()]
    alone = next(each for each in ids if sum(other.endswith(each[-30:]) for other in ids) == 1)
    assert main(["records", "forget", "--id", alone[-30:], "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["value"], done["removed"]) == (alone, 1)
    assert main(["records", "show", alone]) == 1
    for word in ("zzz", alone[-30:]):
        capsys.readouterr()
        assert main(["records", "forget", "--id", word]) == 1
        assert f"No exchange {word} is recorded. hint: `crossfade records tail`" in capsys.readouterr().err
    to_come = "01a22cd6-2ce8-7000-a29a-bb9dc5435e71"
    assert main(["records", "forget", "--id", to_come, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["value"] == to_come


def test_nobody_is_forgotten_where_no_gateway_ran(capsys: pytest.CaptureFixture[str]) -> None:
    """In another folder nothing would heed it: it is refused, and leaves nothing that looks like a data directory."""
    for who in ("--user anna", "--key k", "--conversation c", "--id 01a22cd6-2ce8-7000-a29a-bb9dc5435e71"):
        assert main(["records", "forget", *who.split()]) == 1
        assert "no gateway has run from here. hint: " in capsys.readouterr().err
    assert not Path("crossfade-data").exists()


def test_what_people_read_fits_eighty_columns(
    kept: DataDir, state: SqliteState, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Records, sums, kinds of requests and where routes stand: no line is wider, and none is empty."""
    route = Route(ROUTE, Variant("openai"), candidate=Variant("vllm", "triage-7b-with-a-long-name", "2026-11-18"))
    upstreams = (Upstream("openai", "http://h"), Upstream("vllm", "http://h"))
    kept.routing.write_bytes(encode(Table(7, Lease(clock.wall()), upstreams, "openai", routes=(route,))))
    look(state, replace(UNSURE, units=40))
    monkeypatch.setenv("COLUMNS", "80")
    for words in (["status"], ["records", "tail"], ["records", "stats"], ["routes", "--all"]):
        main(words)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) > 1, words
        assert [line for line in lines if len(line) > 80] == [], words

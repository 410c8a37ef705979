"""Hours that are paid, busy or idle: in the rows, in `/metrics` and in the records they come to the same cents."""

import json
import re
from pathlib import Path

import pytest

from gateway.control.recorder.process import GPU_S, Recorder
from policies.routing import Lease, Route, Table, Upstream, Variant, encode
from records.comparison import Comparison
from records.exchange import Note
from records.gpu_hours import HOUR_S, HourlyPrice
from tests.fakes.exchanges import exchange_id
from tests.rooms.recording import Place, Worker
from tests.rooms.shadowing import note

OURS = {"variant": "candidate", "upstream": "vllm"}
PRICE = HourlyPrice("vllm", 3.6, 2)
"""0.2 cents a second."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    upstreams = (Upstream("openai", "https://api.openai.com/v1"), Upstream("vllm", "http://127.0.0.1:9/v1"))
    route = Route("support", Variant("openai"), candidate=Variant("vllm", "tuned"))
    (tmp_path / "routing.json").write_bytes(encode(Table(1, Lease(place.now), upstreams, "openai", routes=(route,))))
    return place


def total(place: Place, table: str, column: str, where: str = "true") -> float:
    rows = place.rows(f"coalesce(sum({column}) FILTER (WHERE {where}), 0.0)", table)
    return float(str(rows[0][0]))


def charged(place: Place) -> float:
    """What all rows bear of the hours."""
    return total(place, "exchanges", "cost_usd", "price_version = 'gpu-hours'") + total(
        place, "comparisons", "cost_usd"
    )


def metric(place: Place, name: str) -> float:
    lines = (place.root / "recorder.prom").read_text().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"crossfade_{name}[{{ ]", line))


def paid(place: Place) -> float:
    return total(place, "gpu_hours", "paid_usd")


def settled(place: Place, recorder: Recorder) -> None:
    for _ in range(3):
        place.step(recorder)


def test_every_hour_is_charged_to_the_cent(place: Place) -> None:
    """Idle hours, many answers at once, a stop of the gateway and an hour behind it: paid is charged plus unborne."""
    begun = place.now
    worker, recorder = place.worker(), place.recorder(hourly=(PRICE,), gpu=str(place.root / "gpu.json"))
    place.step(recorder, HOUR_S)
    for _ in range(3):
        worker.whole(**OURS)
    worker.whole()
    settled(place, recorder)
    ours = [usd for upstream, usd in place.rows("upstream, cost_usd") if upstream == "vllm"]
    assert ours == [pytest.approx((HOUR_S + 1) * 0.002 / 3, abs=0.001)] * 3
    recorder.finish(place.now)
    recorder.close()
    place.now += HOUR_S
    again = place.recorder(hourly=(PRICE,), gpu=str(place.root / "gpu.json"))
    worker.whole(**OURS)
    settled(place, again)
    place.step(again, HOUR_S)
    again.finish(place.now)

    usd = (place.now - begun) * 0.002
    assert paid(place) == pytest.approx(usd, abs=1e-6)
    assert charged(place) + metric(place, "gpu_uncharged_usd") == pytest.approx(usd, abs=1e-6)
    assert metric(place, "gpu_uncharged_usd") == pytest.approx(HOUR_S * 0.002, rel=0.01)
    assert metric(place, "gpu_cost_usd_total") == pytest.approx(usd, abs=1e-6)
    assert metric(place, "gpu_answers_total") == 4
    assert metric(place, "gpu_seconds_total") == pytest.approx(2 * (place.now - begun), abs=1e-3)
    again.close()
    worker.die()


def test_background_calls_bear_their_part(place: Place) -> None:
    """A mirrored call's answer is charged like an app's; one that failed, or was the baseline's, is not."""
    worker, recorder = place.worker(), place.recorder(hourly=(PRICE,), gpu=str(place.root / "gpu.json"))
    place.step(recorder, 100.0)
    said(worker, place, "answered", cost_usd=123.0)
    said(worker, place, "failed")
    said(worker, place, "answered", asked="baseline", cost_usd=0.5)
    worker.whole(**OURS)
    worker.whole(**OURS, status=500)
    settled(place, recorder)
    assert metric(place, "shadow_cost_usd_total") == pytest.approx(0.5 + 0.101, abs=0.002)
    assert metric(place, "gpu_answers_total") == 2
    recorder.close()
    worker.die()


def said(worker: Worker, place: Place, came: str, **fields: object) -> None:
    row = Comparison(
        **{
            "exchange_id": exchange_id(1), "asked": "candidate", "route": "support", "unit": "u", "candidate_key": "k",
            "compared_us": int(place.now * 1e6), "p_mirror": 1.0, "came": came, "total_ms": 500.0,
        }
        | fields
    )  # fmt: skip
    found = note(row)
    assert isinstance(found, Note)
    assert worker.writer.note(found)
    assert worker.writer.commit()


def test_a_crash_charges_nothing_twice(place: Place) -> None:
    """A recorder that dies between two commits goes on from the last one: the same total."""
    begun = place.now
    worker = place.worker()
    first = place.recorder(hourly=(PRICE,), gpu=str(place.root / "gpu.json"))
    worker.whole(**OURS)
    settled(place, first)
    worker.whole(**OURS)
    first.step(place.now)  # found, charged, and not written
    first.close()
    second = place.recorder(hourly=(PRICE,), gpu=str(place.root / "gpu.json"))
    settled(place, second)
    second.finish(place.now)
    assert charged(place) + metric(place, "gpu_uncharged_usd") == pytest.approx((place.now - begun) * 0.002, abs=1e-6)
    assert paid(place) == pytest.approx((place.now - begun) * 0.002, abs=1e-6)
    second.close()
    worker.die()


def test_a_new_price_holds_from_its_start_on(place: Place) -> None:
    """What was paid before is at the old price, and what is no longer stated is paid no longer."""
    first = place.recorder(hourly=(PRICE,), gpu=str(place.root / "gpu.json"))
    place.step(first, 1000.0)
    first.finish(place.now)
    first.close()
    second = place.recorder(hourly=(HourlyPrice("vllm", 36.0),), gpu=str(place.root / "gpu.json"))
    place.step(second, 1000.0)
    second.finish(place.now)
    second.close()
    third = place.recorder()
    place.step(third, 1000.0)
    third.finish(place.now)
    assert paid(place) == pytest.approx(2.0 + 10.0, abs=1e-6)
    third.close()


def test_it_tells_what_an_answer_costs_of_late(place: Place) -> None:
    """The shadow is told, minutes late at most; before enough is known it is told that it is not."""
    worker, recorder = place.worker(), place.recorder(hourly=(PRICE,), gpu=str(place.root / "gpu.json"))
    place.step(recorder, 1.0)
    assert json.loads((place.root / "gpu.json").read_bytes()) == {"vllm": None}
    place.step(recorder, HOUR_S)
    worker.whole(**OURS)
    worker.whole(**OURS)
    place.step(recorder, GPU_S)
    place.step(recorder, GPU_S)
    told = json.loads((place.root / "gpu.json").read_bytes())["vllm"]
    assert told == pytest.approx((HOUR_S + 1 + 2 * GPU_S) * 0.002 / 2, rel=0.01)
    recorder.close()
    worker.die()

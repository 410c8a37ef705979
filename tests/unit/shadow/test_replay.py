"""Recorded traffic, compared as live traffic would be."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import msgspec

from policies.matching import ROUTABLE
from policies.routing import PPM, Variant
from records.comparison import Comparison
from records.pricing import PriceBook
from records.record_maker import RecordMaker
from records.redact import Redactor
from shadow import replay
from shadow.compare import answer
from shadow.compare.pair import Pair
from shadow.lanes import Drawn
from shadow.mirror import pair_of, probability, row_of
from shadow.plan import ShadowRoute
from shadow.replay import Replay, ReplayRow
from tests.fakes.exchanges import chat_answer, chat_request

ROUTE = ShadowRoute(
    "support", "key", ROUTABLE, Variant("openai", "gpt-4o"), Variant("vllm", "tuned"),
    sample_ppm=1000, reverse_ppm=0, noise_ppm=0, max_in_flight=2, queue=8, budget_usd_per_day=1.0, engine_waiting=4,
    compare=({"exact": {"normalize": True}},), metric="exact", folder=".",
)  # fmt: skip


def recorded(number: int = 0, **fields: Any) -> ReplayRow:
    row = ReplayRow(
        f"id-{number}", 1000.0 + number, "/v1/chat/completions", f"u{number}", "openai", "gpt-4o", 200, "complete",
        chat_request().decode(), chat_answer("yes").decode(), 0.25, 1.5,
    )  # fmt: skip
    return type(row)(**({name: getattr(row, name) for name in row.__slots__} | fields))


def drawn(number: int = 0, **fields: Any) -> Drawn:
    return replay.drawn(replay.exchange_of(recorded(number, **fields), "support"), ROUTE)


def paired(one: Drawn) -> Pair | None:
    maker = RecordMaker(b"p" * 32, Redactor(), PriceBook({}), {})
    return pair_of(one, maker.read(one.exchange), answer.read("/v1/chat/completions", chat_answer("no")))


def test_a_row_is_an_exchange_again():
    """Asked of the baseline, answered by it, at the time and in the conversation it was; all of it is drawn."""
    one = drawn(3)
    meta = one.exchange.meta
    assert (meta.id, meta.arrived_at, meta.unit, meta.route) == ("id-3", 1003.0, "u3", "support")
    assert (meta.variant, meta.why, meta.first_byte_s, meta.total_s) == ("baseline", "assigned", 0.25, 1.5)
    assert (one.asked, one.route.candidate, probability(one)) == ("candidate", ROUTE.candidate, 1.0)
    assert one.route.sample_ppm == PPM
    pair = paired(one)
    assert pair
    assert (pair.baseline.text, pair.candidate.text, pair.id) == ("yes", "no", "id-3")


def test_an_answer_that_was_not_kept_is_none():
    """The candidate can be asked, and there is nothing to put it beside."""
    assert paired(drawn(response_json=None)) is None


async def run(source: Iterator[Drawn], hindered_after: int = 1000, in_flight: int = 3) -> tuple[Replay, list[str], int]:
    """Asks all; returns what was told and shed, and how many calls there were at once."""
    told: list[str] = []
    now = most = 0

    async def compare(one: Drawn) -> Comparison:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return row_of(one, "answered", "", at=0.0)

    work = Replay(
        source,
        compare,
        lambda: "out of time" if len(told) >= hindered_after else "",
        lambda one, row: told.append(row.exchange_id),
        lambda one, reason: told.append(f"{one.exchange.meta.id} {reason}"),
    )
    await work.run(in_flight)
    return work, told, most


async def test_everything_is_asked_once_and_so_many_at_a_time():
    """Each task takes the next; the bound holds."""
    work, told, most = await run(drawn(number) for number in range(10))
    assert (sorted(told), most, work.stopped) == (sorted(f"id-{number}" for number in range(10)), 3, "")


async def test_what_nobody_may_be_asked_is_shed():
    """Media that would have to be fetched, and endpoints that cannot be mirrored."""
    image = [{"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}]
    asked = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": image}]})
    source = [drawn(0, request_json=asked), drawn(1, path="/v1/moderations"), drawn(2)]
    _, told, _ = await run(iter(source))
    assert sorted(told) == ["id-0 media_url", "id-1 path", "id-2"]


async def test_a_hindrance_ends_it_and_says_why():
    """What is under way goes on; nothing more is begun."""
    work, told, _ = await run((drawn(number) for number in range(100)), hindered_after=4, in_flight=2)
    assert work.stopped == "out of time"
    assert 4 <= len(told) <= 6


def test_a_replays_rows_are_the_shadows():
    """They fit the records' table, as any comparison does."""
    row = row_of(drawn(), "answered", "", at=12.5, q=0.5)
    assert msgspec.json.decode(msgspec.json.encode(row), type=Comparison) == row
    assert (row.p_mirror, row.candidate_key, row.compared_us) == (1.0, "key", 12_500_000)

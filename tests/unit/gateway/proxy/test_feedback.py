"""POST /v1/feedback: taken, looked at, kept, answered."""

import json
from pathlib import Path

import msgspec
import pytest

from gateway.proxy.counters import INDEX
from gateway.proxy.feedback import MOST_BYTES
from gateway.transport.limits import Limits
from tests.rooms.house import a_house, post, send, table
from tests.rooms.wires import Wire

NOWHERE = table("http://127.0.0.1:9/v1")


def say(body: bytes) -> bytes:
    return post(body, target=b"/v1/feedback")


def error_of(wire: Wire) -> tuple[int, str]:
    """Status and code of the answer."""
    head, _, body = bytes(wire.out).partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), json.loads(body)["error"]["code"]


@pytest.mark.parametrize(
    "said",
    [
        b'"score":0.5', b'"score":-1', b'"score":0', b'"label":"good"', b'"comment":"nice"',
        b'"corrected_output":{"a":[1]}', b'"corrected_output":"text","unknown":1',
    ],
)  # fmt: skip
async def test_what_is_said_of_an_answer_is_kept_unread(tmp_path: Path, said: bytes) -> None:
    """Any of the four is enough; the bytes go into the journal with the caller's HMAC, and the answer is 202."""
    async with a_house(tmp_path, NOWHERE) as house:
        _, identity = house.worker._ids.new(house.wall)
        body = b'{"request_id":"%b",%b}' % (identity.encode(), said)
        wire = house.ask(say(body))
        assert wire.out.startswith(b"HTTP/1.1 202 Accepted\r\n")
        (kept,) = house.feedback()
        assert (kept.request_id, kept.at, kept.body, len(kept.key_id)) == (identity, house.wall, body, 16)
        assert not wire.gone
        send(wire, say(body))
        assert len(house.feedback()) == 2


@pytest.mark.parametrize(
    "rest",
    [b"", b',"score":2', b',"score":"x"', b',"label":7', b',"score":null', b',"label":"' + b"x" * 300 + b'"'],
)
async def test_what_says_nothing_or_nonsense_is_400(tmp_path: Path, rest: bytes) -> None:
    """Nothing said, or said in another shape, is told to the app in words and kept nowhere."""
    async with a_house(tmp_path, NOWHERE) as house:
        _, identity = house.worker._ids.new(house.wall)
        wire = house.ask(say(b'{"request_id":"%b"%b}' % (identity.encode(), rest)))
        assert error_of(wire) == (400, "bad_feedback")
        assert house.feedback() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"score":1}', b'{"request_id":"\xff"}'])
async def test_what_is_no_feedback_is_400(tmp_path: Path, body: bytes) -> None:
    """A body of another shape is a mistake of the app's."""
    async with a_house(tmp_path, NOWHERE) as house:
        assert error_of(house.ask(say(body))) == (400, "bad_feedback")


@pytest.mark.parametrize("identity", ["", "x", "018f0000-0000-7000-8000-000000000000"])
async def test_only_our_own_answers_can_be_spoken_of(tmp_path: Path, identity: str) -> None:
    """A made-up id is 404: nobody can vote on what they did not get."""
    async with a_house(tmp_path, NOWHERE) as house:
        wire = house.ask(say(b'{"request_id":"%b","score":1}' % identity.encode()))
        assert error_of(wire) == (404, "unknown_request")
        assert house.feedback() == []


async def test_a_long_one_is_413(tmp_path: Path) -> None:
    """Feedback over the bound is refused while it is being sent."""
    async with a_house(tmp_path, NOWHERE) as house:
        wire = house.ask(say(b"x" * (MOST_BYTES + 1)))
        assert error_of(wire) == (413, "body_too_large")


async def test_a_hang_up_leaves_nothing(tmp_path: Path) -> None:
    """Half of it is none, and nothing counts as under way afterwards."""
    async with a_house(tmp_path, NOWHERE) as house:
        wire = house.ask(say(b'{"request_id":"x","score":1}')[:-5])
        assert house.worker.live[INDEX["in_flight"]] == 1
        wire.lose()
        assert house.worker.live[INDEX["in_flight"]] == 0
        assert house.feedback() == []


async def test_a_full_journal_says_try_again(tmp_path: Path) -> None:
    """Feedback that could not be kept is not thanked for."""
    async with a_house(tmp_path, NOWHERE) as house:
        house.worker.journal.frames = False
        _, identity = house.worker._ids.new(house.wall)
        wire = house.ask(say(b'{"request_id":"%b","score":1}' % identity.encode()))
        assert error_of(wire) == (503, "overloaded")
        assert b"retry-after-ms: 1000" in wire.out


def many(house, number: int, size: int) -> list[int]:
    """The statuses of so many votes on one answer, each of about `size` bytes."""
    _, identity = house.worker._ids.new(house.wall)
    body = b'{"request_id":"%b","score":1,"comment":"%b"}' % (identity.encode(), b"x" * size)
    return [int(bytes(house.ask(say(body)).out).split(b" ", 2)[1]) for _ in range(number)]


async def test_a_flood_of_feedback_takes_no_room_of_exchanges(tmp_path: Path) -> None:
    """Five seconds of as much as goes: what gets into the journal is bounded, and a caller may go on a little later."""
    async with a_house(tmp_path, NOWHERE) as house:
        statuses: list[int] = []
        for _ in range(50):
            statuses += many(house, 10, 180_000)
            house.pass_time(0.1)
        kept = sum(len(frame.body) for frame in house.feedback())
        assert set(statuses) == {202, 429}
        assert kept <= 2 * 1024 * 1024
        assert house.worker.journal.losses.bodies == house.worker.journal.losses.exchanges == 0

        house.pass_time(10)
        assert many(house, 1, 180_000) == [202]


async def test_a_key_is_needed_where_keys_are_ours(tmp_path: Path) -> None:
    """An id alone, which any refusal tells, is no leave to write into the journal."""
    virtual = msgspec.structs.replace(NOWHERE, keys_mode="virtual")
    async with a_house(tmp_path, virtual) as house:
        _, identity = house.worker._ids.new(house.wall)
        wire = house.ask(say(b'{"request_id":"%b","score":1}' % identity.encode()))
        assert error_of(wire) == (401, "invalid_key")
        assert house.feedback() == []
        assert house.worker.live[INDEX["in_flight"]] == 0


async def test_feedback_is_a_request_under_way_as_any_other(tmp_path: Path) -> None:
    """Above the limit of requests under way it is shed at once."""
    async with a_house(tmp_path, NOWHERE, Limits(in_flight=1)) as house:
        _, identity = house.worker._ids.new(house.wall)
        body = b'{"request_id":"%b","score":1}' % identity.encode()
        house.ask(say(body)[:-5])
        assert error_of(house.ask(say(body))) == (503, "overloaded")

"""Background calls against a fake upstream that answers, fails and hangs as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.control.shadow.model import (
    ANSWER_BYTES,
    AT_ONCE_BYTES,
    BYTES_PER_S,
    Background,
    Pace,
)
from gateway.transport.client import Client
from policies.routing import Upstream, Variant
from shadow.ports import NOT_READY, UNFIT, ModelCall
from tests.fakes.faults import Fault
from tests.fakes.openai_answers import Speaker
from tests.fakes.raw_upstream import WHOLE, answer
from tests.fakes.tls_upstream import TlsUpstream
from tests.fakes.upstream import FakeUpstream
from tests.rooms.certificates import Authority
from tests.rooms.waiting import PATIENCE_S

CHAT = "/v1/chat/completions"
SOON_S = 0.2
"""A deadline that the upstream is meant to miss."""
VARIANT = Variant("model", "tuned")
TOO_LARGE = '{"choices": "' + "x" * ANSWER_BYTES + '"}'


@asynccontextmanager
async def asking(
    *faults: Fault,
    keys: dict[str, str] | None = None,
    kind: Any = "openai",
    pace: tuple[int, int] = (AT_ONCE_BYTES, BYTES_PER_S),
    **how: Any,
) -> AsyncIterator[tuple[Background, FakeUpstream]]:
    async with FakeUpstream(Speaker("tuned", **how), require_key=False) as upstream, asyncio.TaskGroup() as tasks:
        upstream.plan(*faults)
        client = Client(now=clock.monotonic, tasks=tasks)
        background = Background(client, clock.monotonic, at_once_bytes=pace[0], bytes_per_s=pace[1])
        assert background.adopt([Upstream("model", upstream.base_url, kind=kind)], keys or {}) == []
        yield background, upstream
        client.close()


def ask(*, path: str = CHAT, deadline_s: float = 10.0, variant: Variant | None = VARIANT, **fields: Any) -> ModelCall:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Where is my card?"}]} | fields
    return ModelCall("model", path, json.dumps(body).encode(), deadline_s, variant)


async def test_asks_as_the_variant():
    """A variant's model is asked with the gateway's own key, and its answer is what an app would have got."""
    async with asking(keys={"model": "sk-ours"}) as (background, upstream):
        heard = await background.ask(ask())

    assert heard.is_good
    answer = json.loads(heard.body)
    assert answer["model"] == "gpt-4o"
    assert answer["choices"][0]["message"]["content"].startswith("tuned")
    assert heard.usage is not None
    assert (heard.usage.completion_tokens, heard.first_byte_s) == (8, None)
    asked = upstream.ledger[0]
    assert asked.json["model"] == "tuned"
    assert asked.request.get(b"authorization") == b"Bearer sk-ours"


async def test_a_repeat_asks_past_every_cache():
    """What is asked a second time says so to whoever keeps answers on the way; nothing else does."""
    headers = (b"cache-control", b"x-portkey-cache-force-refresh", b"cf-aig-skip-cache")
    async with asking() as (background, upstream):
        for again in (False, True):
            await background.ask(replace(ask(), past_caches=again))

    first, second = ([entry.request.get(name) for name in headers] for entry in upstream.ledger)
    assert not any(first)
    assert second == [b"no-cache", b"true", b"true"]


async def test_stream_is_put_together_and_timed():
    """A stream becomes one answer, timed to its first token and to its end, with the tokens that its app never saw."""
    async with asking(Fault(gap_s=0.002)) as (background, upstream):
        heard = await background.ask(ask(stream=True))

    assert heard.is_good
    answer = json.loads(heard.body)
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"].count("tuned") == 8
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert heard.first_byte_s is not None
    assert 0.0 < heard.first_byte_s < heard.total_s
    assert heard.usage is not None
    assert heard.usage.completion_tokens == 8
    assert upstream.ledger[0].json["stream_options"] == {"include_usage": True}


async def test_responses_are_asked_and_not_kept():
    """A Responses request is mirrored, and nothing of it is stored at the upstream."""
    async with asking() as (background, upstream):
        whole = await background.ask(ask(path="/v1/responses", input="Where is my card?", messages=None))
        streamed = await background.ask(ask(path="/v1/responses", input="Where is my card?", stream=True))

    assert json.loads(whole.body)["status"] == "completed"
    assert json.loads(streamed.body)["status"] == "completed"
    assert streamed.usage is not None
    assert [entry.json["store"] for entry in upstream.ledger] == [False, False]


async def test_completions_are_asked():
    """A completion is mirrored as well, streamed or not."""
    async with asking() as (background, _):
        whole = await background.ask(ask(path="/v1/completions", prompt="Where is"))
        streamed = await background.ask(ask(path="/v1/completions", prompt="Where is", stream=True))

    assert json.loads(whole.body)["choices"][0]["text"] == json.loads(streamed.body)["choices"][0]["text"]


async def test_nobody_is_named():
    """Neither who asked nor what should be kept reaches an upstream in the background."""
    private = {"user": "anna", "safety_identifier": "u-7", "metadata": {"case": "9"}, "store": True}
    async with asking() as (background, upstream):
        await background.ask(ask(**private, prompt_cache_key="k", temperature=0))

    assert not {*private, "prompt_cache_key"} & upstream.ledger[0].json.keys()
    assert upstream.ledger[0].json["temperature"] == 0


async def test_engine_is_asked_as_the_data_plane_would():
    """An engine gets what it knows: OpenAI's defaults, and `system` for `developer`."""
    turns = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    async with asking(kind="vllm", vllm=True) as (background, upstream):
        heard = await background.ask(ask(messages=turns))

    assert heard.is_good
    assert upstream.ledger[0].json["messages"][0]["role"] == "system"
    assert upstream.ledger[0].json["temperature"] == 1


async def test_own_request_goes_as_it_is():
    """A judge's request is sent and answered as it is: no variant, nothing adapted."""
    async with asking() as (background, upstream):
        heard = await background.ask(ask(variant=None, user="judge"))

    assert json.loads(heard.body)["model"] == "gpt-4o"
    assert upstream.ledger[0].json["user"] == "judge"


@pytest.mark.parametrize(
    ("fault", "streamed", "error"),
    [
        (Fault(status=500), False, "server_error"),
        (Fault(status=429), True, "overloaded"),
        (Fault(status=404), False, "no_path"),
        (Fault(status=405), True, "no_path"),
        (Fault(status=404, body='{"error": {"message": "The model `m` does not exist."}}'), False, "not_found"),
        (Fault(status=400, body='{"error": {"message": "maximum context length"}}'), False, "context_length"),
        (Fault(status=401), False, "key_refused"),
        (Fault(before="reset"), False, "no_answer"),
        (Fault(before="close"), True, "no_answer"),
        (Fault(before="garbage"), True, "malformed"),
        (Fault(body="<html>", content_type="text/html"), False, "malformed"),
        (Fault(body="null"), True, "empty"),
        (Fault(cut="reset", after=3), True, "broken"),
        (Fault(cut="close", after=30), False, "broken"),
        (Fault(cut="no_done", after=3), True, "truncated"),
        (Fault(cut="error_event", after=3), True, "server_error"),
        (Fault(framing="bad_chunk", after=3), True, "malformed"),
        (Fault(status=500, body="x" * 100_000), False, "server_error"),
        (Fault(body=TOO_LARGE), False, "too_large"),
        (Fault(body=TOO_LARGE, framing="close"), False, "too_large"),
    ],
)
async def test_failures_are_words(fault: Fault, streamed: bool, error: str):  # noqa: FBT001 -- a column of the table
    """Whatever an upstream does instead of answering is one word of a closed list, and no answer."""
    async with asking(fault, pace=(2 * ANSWER_BYTES, ANSWER_BYTES)) as (background, _):
        heard = await background.ask(ask(stream=streamed))

    assert (heard.error, heard.body, heard.is_good) == (error, b"", False)


async def test_vectors_that_are_too_long_to_be_read_are_not_a_failed_answer():
    """The app got as many: it is we who read no more."""
    embed = ModelCall("model", "/v1/embeddings", b'{"model":"e","input":"hi"}', PATIENCE_S)
    async with asking(Fault(body=TOO_LARGE), pace=(2 * ANSWER_BYTES, ANSWER_BYTES)) as (background, _):
        assert (await background.ask(embed)).error == "long_answer"


async def test_a_refusal_names_the_field_it_blames():
    """So that whoever asked can leave it out; what names none blames none."""
    refusal = {"error": {"message": "does not support 0", "param": "temperature", "code": "unsupported_value"}}
    for body, blamed in ((json.dumps(refusal), "temperature"), ('{"error": {"message": "no"}}', ""), ("no", "")):
        async with asking(Fault(status=400, body=body)) as (background, _):
            heard = await background.ask(ask())

        assert (heard.status, heard.blamed) == (400, blamed)


@pytest.mark.parametrize(
    ("fault", "streamed"),
    [
        (Fault(before="hang"), False),
        (Fault(before="hang"), True),
        (Fault(cut="hang", after=2), True),
        (Fault(endless=True, gap_s=0.001), True),
        (Fault(piece_bytes=1, gap_s=0.01), False),
    ],
)
async def test_one_deadline_for_all(fault: Fault, streamed: bool):  # noqa: FBT001 -- a column of the table
    """Silence, trickle and endless talk all end with the deadline, and the upstream is hung up on."""
    async with asking(fault) as (background, upstream):
        heard = await background.ask(ask(stream=streamed, deadline_s=SOON_S))
        async with asyncio.timeout(PATIENCE_S):
            while upstream.ledger[0].cancelled_at is None:  # noqa: ASYNC110 -- the upstream's own task sees it
                await asyncio.sleep(0.001)

    assert heard.error == "total_timeout"
    assert heard.total_s >= SOON_S


async def test_of_one_upstream_no_more_is_read_than_its_pace():
    """An answer that comes faster than an upstream is read is whole all the same, later, and its times mean nothing."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x" * (1 << 21)}}
    answer = json.dumps({"choices": [choice]})
    async with asking(Fault(body=answer), pace=(1 << 16, 1 << 22)) as (background, _):
        heard = await background.ask(ask())

    assert heard.is_good
    assert heard.timing_void
    assert heard.total_s > 0.2  # half a second's worth, less what one read may bring


async def test_who_flooded_is_asked_later():
    """After an answer that was too large to be read, its upstream has a rest, as long as to read it would have been."""
    async with asking(Fault(body=TOO_LARGE), pace=(1, 4 * ANSWER_BYTES)) as (background, upstream):
        assert (await background.ask(ask())).error == "too_large"
        assert (await background.ask(ask())).is_good

    first, second = (entry.at for entry in upstream.ledger)
    assert second - first > 0.2  # a quarter of a second's worth


async def test_a_page_waits_for_no_flood():
    """While an upstream has a rest, what its own page says is known as ever."""
    async with asking(Fault(body=TOO_LARGE), Fault(body="waiting 3\n"), pace=(1, 1)) as (background, _):
        assert (await background.ask(ask())).error == "too_large"
        async with asyncio.timeout(PATIENCE_S):
            assert await background.page("model", b"/metrics", 60.0) == b"waiting 3\n"


async def test_a_flood_ends_with_its_deadline():
    """What was not read of a flood when its time was up is never read, and its connection is closed."""
    async with asking(Fault(endless=True), pace=(1 << 10, 1 << 10)) as (background, upstream):
        heard = await background.ask(ask(stream=True, deadline_s=SOON_S))
        async with asyncio.timeout(PATIENCE_S):
            while upstream.ledger[0].cancelled_at is None:  # noqa: ASYNC110 -- the upstream's own task sees it
                await asyncio.sleep(0.001)

    assert (heard.error, heard.timing_void) == ("total_timeout", True)


async def test_variant_has_deadlines_of_its_own():
    """A first token that comes later than the variant may take is a failure in the shadow as in the canary."""
    hasty = Variant("model", "tuned", first_byte_s=SOON_S / 4)
    brief = Variant("model", "tuned", total_s=SOON_S / 4)
    hang = Fault(before="hang")
    async with asking(hang, hang, hang, Fault(gap_s=0.001)) as (background, _):
        assert (await background.ask(ask(stream=True, variant=hasty))).error == "first_byte_timeout"
        assert (await background.ask(ask(variant=hasty))).error == "first_byte_timeout"  # in one piece: all of it
        assert (await background.ask(ask(variant=brief))).error == "total_timeout"
        assert (await background.ask(ask(stream=True, variant=Variant("model", "tuned", first_byte_s=5.0)))).is_good


async def test_a_loop_that_stood_still_fails_nobody_it_was_to_connect_to():
    """A deadline that passed while nothing of ours ran says nothing of the upstream, so it is asked again."""
    async with asking() as (background, upstream):
        background.adopt([Upstream("model", upstream.base_url, connect_s=SOON_S / 2)], {})
        stand_still(SOON_S, steps=3)
        heard = await background.ask(ask())

    assert heard.is_good
    assert heard.timing_void


async def test_a_loop_that_stood_still_has_its_answer_time_afterwards():
    """Nor does the time of a whole answer run on meanwhile."""
    async with asking() as (background, _):
        assert (await background.ask(ask())).is_good  # the connection is there
        stand_still(SOON_S, steps=1)
        heard = await background.ask(ask(deadline_s=SOON_S / 2))

    assert heard.is_good


def stand_still(for_s: float, *, steps: int) -> None:
    """Let the loop hear of nothing for so long, in each of its next steps."""
    until_s = clock.monotonic() + for_s

    def stand() -> None:
        while clock.monotonic() < until_s:
            pass
        if steps > 1:
            stand_still(for_s, steps=steps - 1)

    asyncio.get_running_loop().call_soon(stand)


async def test_nobody_there():
    """An upstream that refuses connections, one that nobody named and one without its certificates are errors."""
    async with asking() as (background, upstream):
        gone = Upstream("gone", "http://127.0.0.1:9/v1")
        sealed = Upstream("sealed", "https://127.0.0.1:9/v1", ca_file="/nowhere/ca.pem")
        problems = background.adopt([gone, sealed, Upstream("model", upstream.base_url)], {})
        assert (await background.ask(ModelCall("gone", CHAT, b"{}", 5.0))).error == "unreachable"
        assert (await background.ask(ModelCall("sealed", CHAT, b"{}", 5.0))).error == NOT_READY
        assert (await background.ask(ModelCall("other", CHAT, b"{}", 5.0))).error == NOT_READY
        assert (await background.ask(ask())).is_good

    assert len(problems) == 1
    assert "ca_file" in problems[0]


async def test_a_certificate_authority_that_was_renewed_is_followed(tmp_path: Path):
    """A CA file that was replaced is read again; half of one is told, and the one before holds until it is whole."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    ca_file = tmp_path / "ca.pem"
    old.trusted_by(ca_file)
    async with asking() as (background, _):
        with TlsUpstream(new.server("127.0.0.1"), lambda peer: peer.send(answer(WHOLE))) as upstream:
            upstreams = [Upstream("model", upstream.base_url, ca_file=str(ca_file))]
            assert background.adopt(upstreams, {}) == []
            assert (await background.ask(ask())).error == "tls"
            new.trusted_by(ca_file)
            assert background.adopt(upstreams, {}) == []
            assert (await background.ask(ask())).is_good
            ca_file.write_bytes(new.ca_file.read_bytes()[:99])
            (problem,) = background.adopt(upstreams, {})
            assert "ca_file" in problem
            assert (await background.ask(ask())).is_good


async def test_what_a_variant_must_not_be_asked():
    """A request that no engine can read is not sent, and it is said why."""
    broken = [
        {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{"}}]},
        {"role": "user", "content": "Hi"},
    ]
    async with asking(kind="vllm") as (background, upstream):
        heard = await background.ask(ask(messages=broken))

    assert heard.error == UNFIT
    assert upstream.ledger == []


async def test_connections_are_kept():
    """Calls one after the other share connections, also those of streams that were left at their end; so after a
    reload. Two at most: what was left may still be about to end when the next call comes.
    """
    async with asking() as (background, upstream):
        for number in range(8):
            assert (await background.ask(ask(stream=bool(number % 2)))).is_good
            background.adopt([Upstream("model", upstream.base_url)], {})

    assert upstream.connections <= 2


async def test_page_beside_the_api():
    """A page of the server is not below its API's base: one that is not there is empty, one that hangs is unknown."""
    async with asking(Fault(body="vllm:num_requests_waiting 3\n")) as (background, upstream):
        page = await background.page("model", b"/metrics", 5.0)
        upstream.plan(Fault(status=404), Fault(before="hang"))
        assert await background.page("model", b"/metrics", 5.0) == b""
        assert await background.page("model", b"/metrics", SOON_S) is None
        assert await background.page("other", b"/metrics", 5.0) is None

    assert page == b"vllm:num_requests_waiting 3\n"
    assert upstream.ledger[0].request.start == b"GET /metrics HTTP/1.1"


def test_so_much_is_read_at_once():
    """What comes within the first allowance is not waited for."""
    pace = Pace(1000, 100)
    assert [pace.after(400, 5.0), pace.after(600, 5.0)] == [0.0, 0.0]


def test_the_rest_is_read_at_the_pace():
    """Whatever is beyond the allowance takes its time, whoever reads it, and the debt is worked off."""
    pace = Pace(1000, 100)
    assert pace.after(1200, 5.0) == 2.0
    assert pace.after(100, 5.0) == 3.0
    assert pace.after(100, 7.0) == 2.0
    assert pace.after(100, 10.0) == 0.0


def test_what_is_still_to_be_worked_off():
    """Until all that was read would have been read at the pace."""
    pace = Pace(1000, 100)
    assert pace.rest_s(5.0) == 0.0
    pace.after(1200, 5.0)
    assert [pace.rest_s(5.0), pace.rest_s(6.5), pace.rest_s(8.0)] == [2.0, 0.5, 0.0]


def test_what_was_not_read_is_not_saved_up():
    """After a long silence no more may come at once than at the start."""
    pace = Pace(1000, 100)
    pace.after(1000, 0.0)
    assert pace.after(1100, 1e6) == 1.0

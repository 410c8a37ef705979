"""The shadow beside real journals and a fake candidate: everything drawn gets one row, whatever happens."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway import clock
from gateway.control.journals.cursors import needed_from
from gateway.control.shadow.runner import RunnerClock
from policies.routing import Variant
from records.gpu_hours import HourlyPrice
from shadow.patience import LATEST_ASK_S
from tests.fakes import openai_answers
from tests.fakes.exchanges import chat_answer, chat_request, chat_stream, head
from tests.fakes.faults import NONE, Fault
from tests.fakes.openai_answers import Speaker
from tests.fakes.upstream import FakeUpstream
from tests.rooms.shadowing import Stage, route
from tests.rooms.waiting import PATIENCE_S, until

TOOL_CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


def candidate(*faults: Fault, **how: Any) -> FakeUpstream:
    upstream = FakeUpstream(Speaker("tuned", vllm=True), require_key=False, **how)
    upstream.plan(*faults)
    return upstream


async def test_what_is_drawn_is_asked_and_compared(tmp_path: Path):
    """An exchange that an app had becomes a row: the candidate's answer beside it, priced, timed and redacted."""
    async with candidate() as upstream:
        stage = Stage(tmp_path, upstream.base_url)
        worker = stage.worker()
        stage.plan(route())
        body = chat_request("I am anna@example.com, where is my card?", user="u-1")
        async with stage.shadow():
            first = worker.whole(unit="u1")
            made = worker.next(unit="u2", request_bytes=len(body))
            worker.writer.whole(made.meta, body, chat_answer("Hello anna@example.com"))
            worker.writer.commit()
            rows = await stage.until_written(2)
        worker.die()

    assert [row.exchange_id for row in rows] == [first, made.meta.id]
    assert {(row.asked, row.came, row.route, row.candidate_key, row.p_mirror) for row in rows} == {
        ("candidate", "answered", "support", "key-1", 1.0)
    }
    assert (rows[0].metric, rows[0].q, rows[0].agree) == ("exact", -1.0, 0.0)
    assert rows[0].unit == "u1"
    assert (rows[0].prompt_tokens or 0) > 0
    assert rows[0].completion_tokens == 8
    assert (rows[0].total_ms or 0) > 0
    assert json.loads(rows[0].answer_json or "")["choices"][0]["message"]["content"].startswith("tuned")
    asked = upstream.ledger[1].json
    assert asked["messages"][1]["content"] == "I am anna@example.com, where is my card?"
    assert "user" not in asked
    assert upstream.ledger[0].request.get(b"authorization") == b"Bearer sk-vllm"
    assert "anna@example.com" not in (rows[1].answer_json or "")


async def test_every_endpoint_is_mirrored(tmp_path: Path):
    """Streams are asked as streams and timed; completions, Responses and turns of a tool loop are mirrored too."""
    turns = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Rain."},
    ]
    asked = [
        ("/v1/chat/completions", {"stream": True, "messages": turns[:1]}, chat_stream("It is ", "on its way.")),
        ("/v1/chat/completions", {"messages": turns}, chat_answer()),
        ("/v1/completions", {"prompt": "Weather?"}, b'{"choices": [{"text": "Rain.", "finish_reason": "stop"}]}'),
        ("/v1/responses", {"input": "Weather?", "store": False}, b'{"status": "completed", "output": []}'),
    ]
    async with candidate() as upstream:
        stage = Stage(tmp_path, upstream.base_url)
        worker = stage.worker()
        stage.plan(route())
        async with stage.shadow():
            for target, fields, response in asked:
                request = json.dumps({"model": "gpt-4o", **fields}).encode()
                kind = "text/event-stream" if fields.get("stream") else "application/json"
                told = {"target": target, "response_head": head(("content-type", kind)), "why": "tool_loop"}
                made = worker.next(request_bytes=len(request), **told)
                worker.writer.whole(made.meta, request, response)
                worker.writer.commit()
            rows = await stage.until_written(4)
        worker.die()

    assert {(row.came, row.metric) for row in rows} == {("answered", "exact")}
    timed = [row for row in rows if row.first_byte_ms is not None]
    assert [row.exchange_id for row in timed] == worker.ids[:1]
    paths = [entry.request.start.split()[1].decode() for entry in upstream.ledger]
    assert sorted(path for path in paths if path != "/metrics") == sorted(target for target, _, _ in asked)


async def test_embeddings_are_mirrored(tmp_path: Path):
    """The candidate's vectors are held against the baseline's: those of the same model fit, another's are a loss."""
    vector = openai_answers.embeddings({"model": "e", "input": "a text"}, Speaker("x"))["data"][0]["embedding"]
    async with candidate() as upstream:
        stage = Stage(tmp_path, upstream.base_url)
        worker = stage.worker()
        vectors = ({"vectors": {"least_cosine": 0.999}},)
        stage.plan(route(path=("/v1/embeddings",), compare=vectors, metric="vectors"))
        async with stage.shadow():
            for each in (vector, vector[::-1]):
                request = json.dumps({"model": "gpt-4o", "input": "a text"}).encode()
                response = json.dumps({"object": "list", "data": [{"index": 0, "embedding": each}]}).encode()
                told = {"target": "/v1/embeddings", "response_head": head(("content-type", "application/json"))}
                made = worker.next(request_bytes=len(request), **told)
                worker.writer.whole(made.meta, request, response)
                worker.writer.commit()
            rows = await stage.until_written(2)
        worker.die()

    assert [(row.came, row.metric, row.q, row.valid_candidate) for row in rows] == [
        ("answered", "vectors", 0.0, True), ("answered", "vectors", -1.0, True),
    ]  # fmt: skip
    assert json.loads(rows[0].scores_json)["vectors"]["vectors"] == 1


async def test_the_baseline_is_asked_with_its_own_key(tmp_path: Path):
    """Reverse shadow and noise floor ask the baseline with the background key, and only where there is one."""
    async with candidate() as tuned, FakeUpstream(Speaker("frontier")) as frontier:
        stage = Stage(tmp_path, tuned.base_url, frontier.base_url)
        worker = stage.worker()
        stage.plan(route(reverse_ppm=1_000_000, noise_ppm=1_000_000))
        async with stage.shadow():
            worker.whole()
            worker.whole(variant="candidate", upstream="vllm")
            rows = await stage.until_written(3)
        async with stage.shadow(background=()):
            worker.whole(variant="candidate", upstream="vllm")
            unasked = (await stage.until_written(4))[3]
        worker.die()

    assert sorted((row.asked, row.came) for row in rows) == [
        ("baseline", "answered"),
        ("baseline_again", "answered"),
        ("candidate", "answered"),
    ]
    assert [entry.request.get(b"authorization") for entry in frontier.ledger] == [b"Bearer sk-background"] * 2
    assert (unasked.asked, unasked.came, unasked.reason) == ("baseline", "skipped", "no_background_key")


async def test_a_candidate_that_refuses_our_key_is_told_and_no_harm(tmp_path: Path):
    """Each call is skipped, and the shadow's metrics say how many in a row; an answer ends it."""
    async with candidate(*[Fault(status=401)] * 2) as upstream:
        stage = Stage(tmp_path, upstream.base_url)
        worker, shown = stage.worker(), tmp_path / "shadow.prom"
        stage.plan(route())
        async with stage.shadow():
            for told in (2, 0):
                for _ in range(max(1, told)):
                    worker.whole()
                line = f'crossfade_shadow_key_refused{{route="support"}} {told}'
                await until(lambda line=line: shown.exists() and line in shown.read_text())
            rows = await stage.until_written(3)
        worker.die()

    assert [(row.came, row.reason) for row in rows] == [("skipped", "no_background_key")] * 2 + [("answered", "")]


async def test_what_says_nothing_of_the_candidate_is_skipped(tmp_path: Path):
    """Kill file, spent budget, an engine with a queue, and what may not be asked: each is one row that says so."""
    async with candidate() as upstream:
        stage = Stage(tmp_path, upstream.base_url)
        worker = stage.worker()
        stage.plan(route())
        async with stage.shadow():
            (tmp_path / "KILL").touch()
            worker.whole()
            await stage.until_written(1)
            (tmp_path / "KILL").unlink()
            stage.plan(route(budget_usd_per_day=0.0))
            await stage.look()
            worker.whole()
            await stage.until_written(2)
            stage.plan(route(path=("/v1/completions",)))
            await stage.look()
            worker.whole()
            rows = await stage.until_written(3)
        worker.die()

    assert [(row.came, row.reason) for row in rows] == [
        ("skipped", "killed"),
        ("skipped", "budget"),
        ("skipped", "path"),
    ]
    assert not [entry for entry in upstream.ledger if entry.request.start.startswith(b"POST")]


async def test_hours_that_are_paid_anyway_spend_no_budget(tmp_path: Path):
    """A mirrored call to a server that is paid by the hour has its cost, and the next one is asked all the same."""
    async with candidate() as upstream:
        stage = Stage(tmp_path, upstream.base_url)
        worker = stage.worker()
        stage.plan(route(budget_usd_per_day=1.0))
        (tmp_path / "gpu.json").write_bytes(b'{"vllm": 50.0}')
        async with stage.shadow(hourly=(HourlyPrice("vllm", 3.95),), gpu=str(tmp_path / "gpu.json")):
            worker.whole()
            await stage.until_written(1)
            worker.whole()
            rows = await stage.until_written(2)
        worker.die()

    assert [(row.came, row.cost_usd) for row in rows] == [("answered", 50.0), ("answered", 50.0)]


async def test_an_engine_with_a_queue_is_spared(tmp_path: Path):
    """Mirroring pauses while more requests wait in the engine than the policy allows, and goes on after."""
    async with candidate() as upstream:
        stage = Stage(tmp_path, upstream.base_url)
        worker = stage.worker()
        stage.plan(route(engine_waiting=4))
        busy = Fault(body='vllm:num_requests_waiting{model_name="tuned"} 5.0\n', content_type="text/plain")
        upstream.fault = busy
        async with stage.shadow():
            await stage.until(lambda: len(upstream.ledger) >= 2)
            worker.whole()
            await stage.until_written(1)
            upstream.fault = NONE
            seen = len(upstream.ledger)
            await stage.until(lambda: len(upstream.ledger) >= seen + 2)
            worker.whole()
            rows = await stage.until_written(2)
        worker.die()

    assert [(row.came, row.reason) for row in rows] == [("skipped", "paused"), ("answered", "")]


async def test_what_is_too_old_is_dropped(tmp_path: Path):
    """Beside an exchange that ended three minutes ago nobody is asked, and nothing paid: it would count nowhere."""
    async with candidate() as upstream:
        stage = Stage(tmp_path, upstream.base_url)
        worker = stage.worker()
        stage.plan(route())
        made = worker.next(total_s=0.0)
        old = msgspec.structs.replace(made.meta, arrived_at=clock.wall() - LATEST_ASK_S - 1.0)
        worker.writer.whole(old, made.request_body, made.response_body)
        worker.writer.commit()
        worker.whole()
        async with stage.shadow():
            rows = await stage.until_written(2)
        worker.die()

    assert sorted((row.came, row.reason) for row in rows) == [("answered", ""), ("dropped", "behind")]
    assert len([entry for entry in upstream.ledger if entry.request.start.startswith(b"POST")]) == 1


async def test_what_grew_too_old_while_it_waited_is_dropped(tmp_path: Path):
    """Behind a candidate that hangs a call grows too old in its lane: it is not asked any more, and that counts."""
    passed = [0.0]
    async with candidate() as upstream:
        upstream.fault = Fault(before="hang")
        stage = Stage(tmp_path, upstream.base_url, kind="openai")
        worker = stage.worker()
        stage.plan(route(max_in_flight=1, candidate=Variant("vllm", "tuned", total_s=0.5)))
        async with stage.shadow(RunnerClock(clock.monotonic, lambda: clock.wall() + passed[0])):
            worker.whole()
            worker.whole()
            await stage.until(lambda: len(upstream.ledger) >= 1)
            passed[0] = LATEST_ASK_S + 1.0
            rows = await stage.until_written(2)
        worker.die()

    assert [(row.came, row.reason) for row in rows] == [("timed_out", "total_timeout"), ("dropped", "too_old")]


async def test_a_backlog_is_worked_off(tmp_path: Path):
    """More than a queue can hold is asked all the same: the journal is read as there is room."""
    number = 700
    async with candidate() as upstream:
        stage = Stage(tmp_path, upstream.base_url)
        worker = stage.worker(segment_bytes=1 << 20)
        for _ in range(number):
            worker.whole()
        stage.plan(route(queue=1, max_in_flight=2))
        async with stage.shadow():
            rows = await stage.until_written(number)
        worker.die()

    assert {(row.came, row.reason) for row in rows} == {("answered", "")}
    assert sorted(row.exchange_id for row in rows) == worker.ids


async def test_a_candidate_that_hangs_sheds(tmp_path: Path):
    """Behind a candidate that answers nobody the queue fills, and what is drawn then is dropped, and counted."""
    times = [0.0]

    def monotonic() -> float:
        return clock.monotonic() + times[0]

    async with candidate() as upstream:
        upstream.fault = Fault(before="hang")
        stage = Stage(tmp_path, upstream.base_url, kind="openai")
        worker = stage.worker()
        stage.plan(route(queue=3, max_in_flight=2))
        async with stage.shadow(RunnerClock(monotonic, clock.wall)):
            await stage.until((tmp_path / "readers" / "shadow.json").exists)
            await stage.look()
            times[0] = 3600.0
            for _ in range(9):
                worker.whole()
            rows = await stage.until_written(4)
            await stage.until(lambda: 'shadow_queue{route="support"} 3' in (tmp_path / "shadow.prom").read_text())
            assert 'shadow_in_flight{route="support"} 2' in (tmp_path / "shadow.prom").read_text()
            await stage.until(lambda: len(stage.kept()["owed"]) == 5)
        worker.die()

    assert [(row.came, row.reason) for row in rows] == [("dropped", "queue_full")] * 4
    assert [row.exchange_id for row in rows] == worker.ids[5:]


async def test_nothing_to_do_holds_nothing(tmp_path: Path):
    """Without routes no journal is held; with one that was unknown, reading begins."""
    async with candidate() as upstream:
        stage = Stage(tmp_path, upstream.base_url)
        worker = stage.worker()
        stage.plan()
        async with stage.shadow():
            await stage.until(lambda: stage.kept().get("ignores") == [""])
            assert needed_from(tmp_path / "readers")("w1") is None
            stage.plan(route())
            worker.whole()
            await stage.until_written(1)
            await stage.until(lambda: needed_from(tmp_path / "readers")("w1") == 1)
        worker.die()


async def test_until_the_controller_speaks_nothing_is_lost(tmp_path: Path):
    """A shadow that comes up before the controller waits, and holds what it had."""
    async with candidate() as upstream:
        stage = Stage(tmp_path, upstream.base_url)
        worker = stage.worker()
        worker.whole()
        async with stage.shadow():
            await stage.until((tmp_path / "readers" / "shadow.json").exists)
            assert needed_from(tmp_path / "readers")("w1") == 0
            stage.plan(route())
            await stage.until_written(1)
        worker.die()


async def test_what_was_under_way_is_asked_again(tmp_path: Path):
    """A shadow that ends in the middle leaves what it owes to the next one: one row each, and none twice."""
    async with candidate() as upstream:
        upstream.fault = Fault(before="hang")
        stage = Stage(tmp_path, upstream.base_url, kind="openai")
        worker = stage.worker()
        stage.plan(route(candidate=Variant("vllm", "tuned", total_s=60.0)))
        process = stage.start()
        for _ in range(12):
            worker.whole()
        await stage.until(lambda: len(stage.kept()["owed"]) == 12)
        process.kill()
        process.wait()
        assert stage.rows() == []

        upstream.fault = NONE
        async with stage.shadow():
            rows = await stage.until_written(12)
        worker.die()

    assert {row.came for row in rows} == {"answered"}
    assert sorted(row.exchange_id for row in rows) == worker.ids


async def test_what_is_not_found_again_is_lost_and_counted(tmp_path: Path):
    """If the journal of what was owed is gone, or its route, a row says so."""
    async with candidate() as upstream:
        upstream.fault = Fault(before="hang")
        stage = Stage(tmp_path, upstream.base_url, kind="openai")
        gone, here = stage.worker("w1"), stage.worker("w2")
        stage.plan(route())
        process = stage.start()
        gone.whole()
        here.whole()
        await stage.until(lambda: len(stage.kept()["owed"]) == 2)
        process.kill()
        process.wait()
        gone.die()
        shutil.rmtree(tmp_path / "journal" / "w1")
        stage.plan(route(route="other"))
        async with stage.shadow():
            rows = await stage.until_written(2)
        here.die()

    assert sorted((row.exchange_id, row.came, row.reason) for row in rows) == [
        (gone.ids[0], "dropped", "restarted"),
        (here.ids[0], "skipped", "no_route"),
    ]
    assert {(row.route, row.unit, row.candidate_key, row.p_mirror) for row in rows} == {("support", "u1", "key-1", 1.0)}


@pytest.mark.slow
async def test_killed_again_and_again(tmp_path: Path):
    """A shadow that is killed at any moment under load writes one row of each exchange, and never two."""
    async with candidate() as upstream:
        upstream.fault = Fault(delay_s=0.02)
        stage = Stage(tmp_path, upstream.base_url, kind="openai")
        worker = stage.worker(segment_bytes=64 * 1024)
        stage.plan(route(max_in_flight=4))
        for number in range(5):
            process = stage.start()
            for _ in range(60):
                worker.whole()
            await stage.until(lambda so_far=40 * number: len(stage.rows()) > so_far)
            await asyncio.sleep(0.13 * number)
            process.kill()
            process.wait()
        process = stage.start()
        rows = await stage.until_written(300)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        worker.die()

    assert {row.came for row in rows} == {"answered"}
    assert sorted(row.exchange_id for row in rows) == worker.ids


async def test_several_candidates_are_asked_the_same_and_the_baseline_once(tmp_path: Path):
    """Each of a route's candidates answers every drawn exchange; the baseline's second answer is asked for once, and
    each candidate's answer is held beside it.
    """
    async with candidate() as tuned, FakeUpstream(Speaker("frontier")) as frontier:
        stage = Stage(tmp_path, tuned.base_url, frontier.base_url)
        worker = stage.worker()
        names = ("support@small", "support@large", "support@short")
        stage.plan(
            *(
                route(
                    route=name, candidate_key=f"key-{name}", candidate=Variant("vllm", name), noise_ppm=1_000_000,
                    budget_usd_per_day=1000.0,
                )
                for name in names
            )
        )  # fmt: skip
        async with stage.shadow():
            for _ in range(5):
                worker.whole()
            rows = await stage.until_written(30)
        worker.die()

    assert len(rows) == 30
    asked = {(row.exchange_id, row.asked, row.route) for row in rows}
    assert asked == {
        (one, who, name) for one in worker.ids for who in ("candidate", "baseline_again") for name in names
    }
    assert {row.came for row in rows} == {"answered"}
    assert len(frontier.ledger) == 5
    calls = [entry.json["model"] for entry in tuned.ledger if b"/metrics" not in entry.request.start]
    assert sorted(calls) == sorted(names * 5)
    repeats = [row for row in rows if row.asked == "baseline_again"]
    assert sum((row.cost_usd or 0.0) > 0 for row in repeats) <= 5
    for one in worker.ids:
        for name in names:
            told = [row.agree_other for row in rows if (row.exchange_id, row.route) == (one, name)]
            assert [each is not None for each in sorted(told, key=lambda each: each is not None)] == [False, True]


async def test_a_restart_asks_for_each_candidate_what_was_owed(tmp_path: Path):
    """What was drawn for one of several and is not written yet is asked again for that one, and nothing twice."""
    async with candidate(*[Fault(before="hang")] * 2) as tuned:
        stage = Stage(tmp_path, tuned.base_url)
        worker = stage.worker()
        names = ("support@small", "support@large")
        stage.plan(*(route(route=name, candidate_key=name, candidate=Variant("vllm", name)) for name in names))
        async with stage.shadow():
            worker.whole()
            await stage.until(lambda: len(stage.kept()["owed"]) == 2)
        async with stage.shadow():
            rows = await stage.until_written(2)
        worker.die()

    assert sorted(row.route for row in rows) == sorted(names)

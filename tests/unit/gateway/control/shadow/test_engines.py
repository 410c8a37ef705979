"""Queues of engines, as their metrics pages tell them."""

import asyncio

import pytest

from gateway import clock
from gateway.control.shadow.engines import Engines, waiting
from gateway.control.shadow.model import Background
from gateway.transport.client import Client
from policies.routing import Upstream
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream

VLLM = b"""# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="tuned"} 3.0
vllm:num_requests_waiting{engine="1",model_name="tuned"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="tuned",reason="capacity"} 9.0
"""


SGLANG = b"""# HELP sglang:num_queue_reqs The number of requests in the waiting queue.
# TYPE sglang:num_queue_reqs gauge
sglang:num_queue_reqs{engine_type="unified",model_name="m",pp_rank="0",priority="",tp_rank="0"} 7.0
sglang:num_queue_reqs{engine_type="unified",model_name="m",pp_rank="0",priority="0",tp_rank="0"} 4.0
sglang:num_queue_reqs{engine_type="unified",model_name="m",pp_rank="0",priority="10",tp_rank="0"} 3.0
"""
"""With `--enable-priority-scheduling`."""
TRITON = b"""# HELP nv_inference_pending_request_count Instantaneous number of pending requests per-model.
# TYPE nv_inference_pending_request_count gauge
nv_inference_pending_request_count{model="tuned",version="1"} 1
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{model="tuned",version="1"} 6
"""
"""With the vLLM backend, which takes every request at once and has them wait itself."""


@pytest.mark.parametrize(
    ("kind", "page", "expected"),
    [
        ("vllm", VLLM, 5.0),
        ("sglang", SGLANG, 7.0),
        ("triton", TRITON, 7.0),
        ("sglang", b'sglang:num_queue_reqs{model_name="m"} 7\n', 7.0),
        ("triton", b'nv_inference_pending_request_count{model="m",version="1"} 1.2e+01\n', 12.0),
        ("vllm", b"vllm:num_requests_waiting 0\n", 0.0),
        ("vllm", b"vllm:num_requests_waiting e\n", None),
        ("vllm", b"<html>", None),
        ("openai", VLLM, None),
    ],
)
def test_what_waits(kind: str, page: bytes, expected: float | None):
    """Each engine's own gauge is read, over all of its models; a page that does not say is no number."""
    assert waiting(kind, page) == expected


async def test_engines_are_asked():
    """Those that are wanted are looked at; one that cannot be asked any more is forgotten."""
    page = Fault(body=VLLM.decode(), content_type="text/plain")
    async with FakeUpstream(fault=page) as upstream, asyncio.TaskGroup() as tasks:
        client = Client(now=clock.monotonic, tasks=tasks)
        background = Background(client, clock.monotonic)
        background.adopt([Upstream("vllm", upstream.base_url, kind="vllm")], {})
        told: list[tuple[str, str]] = []
        engines = Engines(background, lambda *what: told.append(what), {"vllm": "vllm", "openai": "openai"})
        await engines.look()
        assert engines.waiting == {}
        engines.wanted = frozenset({"vllm", "openai"})
        await engines.look()
        assert engines.waiting == {"vllm": 5.0}
        upstream.plan(Fault(status=500))
        await engines.look()
        assert engines.waiting == {}
        assert told == []
        assert engines.unseen == {"vllm"}  # the alert is on this: whatever the reason, nothing is paused meanwhile
        await engines.look()
        assert engines.unseen == set()
        client.close()


@pytest.mark.parametrize("without", [Fault(body="# metrics are off\n", content_type="text/plain"), Fault(status=404)])
async def test_an_engine_that_shows_no_queue_is_told_once(without: Fault):
    """`pause_when` would do nothing there without a word: whoever looks after it hears so, and again if it recurs."""
    shows = Fault(body=VLLM.decode(), content_type="text/plain")
    async with FakeUpstream(fault=without) as upstream, asyncio.TaskGroup() as tasks:
        client = Client(now=clock.monotonic, tasks=tasks)
        background = Background(client, clock.monotonic)
        background.adopt([Upstream("own", upstream.base_url, kind="vllm")], {})
        told: list[tuple[str, str]] = []
        engines = Engines(background, lambda *what: told.append(what), {"own": "vllm"}, frozenset({"own"}))
        await engines.look()
        await engines.look()
        assert told == [("own", "vllm:num_requests_waiting")]
        assert engines.waiting == {}
        upstream.plan(shows, without)
        await engines.look()
        assert engines.waiting == {"own": 5.0}
        await engines.look()
        assert len(told) == 2
        client.close()

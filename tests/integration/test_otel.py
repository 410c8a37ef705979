"""`crossfade serve` with a collector of traces: what the official SDK asked is a tree in the app's own trace."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest

from tests.fakes.openai_answers import Speaker
from tests.fakes.otlp import FakeCollector, TakenSpan
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.serving import REAL, Serving, free_port
from tests.rooms.waiting import PATIENCE_S, await_true

pytestmark = pytest.mark.slow

POLICY = """\
route: support
match: {model: gpt-4o}
baseline: {upstream: openai, deterministic: true}
candidate: {upstream: vllm, model: tuned, revision: "1"}
assign: {by: [request]}
shadow: {sample: 100%}
compare: [exact]
stages: [shadow, 1%, 100%]
"""
ASKED, ANSWERED = "the heron stands in the shallows", "kingfisher"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@dataclass
class Traced:
    """A gateway, its upstreams, and where its traces go."""

    serving: Serving
    frontier: FakeUpstream
    app: openai.OpenAI

    def ask(self, trace_id: str, *, stream: bool = False) -> None:
        """One question in a trace of the app's."""
        answer = self.app.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": ASKED}],
            stream=stream,
            extra_headers={"traceparent": f"00-{trace_id}-{SPAN}-01"},
        )
        if stream:
            assert list(answer)


@contextmanager
def traced(directory: Path, port: int) -> Iterator[Traced]:
    (directory / "crossfade-policies").mkdir()
    (directory / "crossfade-policies" / "support.yaml").write_text(POLICY)
    with (
        in_thread(FakeUpstream(Speaker(ANSWERED), require_key=False)) as frontier,
        in_thread(FakeUpstream(Speaker(ANSWERED, vllm=True), require_key=False)) as tuned,
    ):
        openai_, vllm = f"{{base_url: '{frontier.base_url}'}}", f"{{kind: vllm, base_url: '{tuned.base_url}'}}"
        otel = f"{{endpoint: 'http://127.0.0.1:{port}/v1/traces', conventions: [gen_ai, openinference]}}"
        settings = f"upstreams: {{openai: {openai_}, vllm: {vllm}}}\notel: {otel}"
        with Serving(directory, settings, worker=REAL) as serving:
            serving.await_ready()
            serving.await_control()
            await_true(lambda: "support" in (serving.data / "routing.json").read_text(), "the route")
            plan = serving.data / "run" / "shadow.json"  # the first one is empty
            await_true(lambda: plan.exists() and "support" in plan.read_text(), "the shadow is told what to do")
            base_url = f"http://127.0.0.1:{serving.port}/v1"
            with openai.OpenAI(base_url=base_url, api_key="sk-planted", timeout=PATIENCE_S, max_retries=0) as app:
                yield Traced(serving, frontier, app)


def of_trace(spans: list[TakenSpan], trace_id: str) -> dict[str, TakenSpan]:
    return {span.kind: span for span in spans if span.trace_id == trace_id}


def test_an_app_finds_its_requests_in_its_own_trace(tmp_path: Path) -> None:
    """The exchange is its span's child, the call the exchange's, the shadow's a trace beside it, all without words."""
    collector = FakeCollector(port=free_port())
    with collector.serving(), traced(tmp_path, collector.port) as room:
        room.ask(TRACE)
        room.ask("1" * 32, stream=True)
        assert room.app.embeddings.create(model="text-embedding-3-small", input=ASKED).data
        await_true(lambda: len(collector.spans) >= 8, "three exchanges, their calls, and two of the shadow's")

        spans = collector.spans
        server, call = of_trace(spans, TRACE)["server"], of_trace(spans, TRACE)["client"]
        assert (server.name, server.parent_id) == ("POST /v1/chat/completions", SPAN)
        assert (call.name, call.parent_id) == ("chat gpt-4o", server.span_id)
        told = call.attributes
        assert told["gen_ai.usage.input_tokens"] == told["llm.token_count.prompt"] > 0
        assert (told["gen_ai.provider.name"], told["server.address"]) == ("openai", "127.0.0.1")
        assert (told["openinference.span.kind"], server.attributes["openinference.span.kind"]) == ("LLM", "CHAIN")
        assert (server.attributes["crossfade.route"], server.attributes["crossfade.variant"]) == ("support", "baseline")
        streamed = of_trace(spans, "1" * 32)["client"].attributes
        assert (streamed["gen_ai.request.stream"], "gen_ai.response.time_to_first_chunk" in streamed) == (True, True)

        shadows = [span for span in spans if span.attributes.get("crossfade.shadow")]
        assert {span.wire.links[0].trace_id.hex() for span in shadows} == {TRACE, "1" * 32}
        assert server.span_id in {span.wire.links[0].span_id.hex() for span in shadows}
        assert not {span.trace_id for span in shadows} & {TRACE, "1" * 32}
        assert [span.wire.events[0].name for span in shadows] == ["gen_ai.evaluation.result"] * 2
        assert {span.attributes["gen_ai.request.model"] for span in shadows} == {"tuned"}

        (embedded,) = (span for span in spans if span.name == "embeddings text-embedding-3-small")
        assert embedded.trace_id not in {TRACE, "1" * 32}
        for words in (ASKED, ANSWERED, "sk-planted"):
            assert not any(words.encode() in post for post in collector.posts)
        assert b"traceparent: 00-" + TRACE.encode() in room.frontier.ledger[0].request.raw.lower()

        room.serving.settings = room.serving.settings.partition("\notel:")[0]
        room.serving.write_settings()
        room.serving.process.send_signal(signal.SIGHUP)
        reader = room.serving.data / "readers" / "exporter.json"
        await_true(lambda: not reader.exists(), "an exporter that is not wanted any more holds no journal")
        await_true(lambda: "otel_exported_total" not in room.serving.admin("/metrics").text, "nor has it a metric")


def test_a_collector_that_is_away_loses_nothing(tmp_path: Path) -> None:
    """Apps are answered and recorded meanwhile; when it is back it is told of each once, through a SIGKILL."""
    collector = FakeCollector(port=free_port())
    traces = [f"{number:032x}" for number in range(1, 7)]
    with traced(tmp_path, collector.port) as room:
        for trace in traces[:3]:
            room.ask(trace)
        await_true(lambda: room.serving.events("exporter.not_taken"), "it is said that nobody takes them")
        await_true(lambda: recorded(room.serving) == 3, "the records do not wait")
        pid = room.serving.pid_of("exporter")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        for trace in traces[3:]:
            room.ask(trace)
        with collector.serving():
            await_true(lambda: len({span.span_id for span in collector.spans}) >= 18, "all is told")
            room.serving.await_metric("crossfade_otel_exported_total 18")
    spans = collector.spans
    assert Counter(span.trace_id for span in spans if span.kind == "server") == dict.fromkeys(traces, 1)
    assert len({span.span_id for span in spans}) == len(spans) == 18
    lines = [json.loads(line) for line in room.serving.log_path.read_text().splitlines() if line.startswith("{")]
    assert sum(line["event"] == "exporter.not_taken" for line in lines) <= 2, "once each process"


def recorded(serving: Serving) -> int:
    """Exchanges that the recorder has told of."""
    lines = serving.admin("/metrics").text.splitlines()
    return round(sum(float(line.split()[-1]) for line in lines if line.startswith("crossfade_requests_total{")))

"""Metrics pages of engines, shaped as theirs: families, labels and suffixes; what they count rises with each look.

Source: vLLM 0.33, SGLang 0.5.23 (`--enable-metrics --enable-priority-scheduling`), Triton 25.10 with its vLLM backend.
"""

import http.server
import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.fakes.quiet_server import QuietServer

_EDGES = ("0.1", "0.5", "1.0", "2.5", "+Inf")
_VLLM = 'engine="0",model_name="tuned"'
_SGLANG = 'engine_type="unified",model_name="tuned",pp_rank="0",priority="",tp_rank="0"'
_SGLANG_FIRST = 'engine_type="unified",model_name="tuned",pp_rank="0",priority="10",tp_rank="0"'
_TRITON = 'model="tuned",version="1"'


def _gauge(name: str, *rows: tuple[str, float]) -> str:
    said = "".join(f"{name}{{{labels}}} {value}\n" for labels, value in rows)
    return f"# HELP {name} As the engine says.\n# TYPE {name} gauge\n{said}"


def _counter(name: str, labels: str, value: float) -> str:
    return f"# HELP {name} As the engine says.\n# TYPE {name} counter\n{name}{{{labels}}} {value}\n"


def _histogram(name: str, labels: str, count: int) -> str:
    """Half of what was seen is below the second edge, all of it below the third."""
    seen = zip(_EDGES, (0, count // 2, count, count, count), strict=True)
    buckets = "".join(f'{name}_bucket{{{labels},le="{edge}"}} {number}\n' for edge, number in seen)
    sums = f"{name}_sum{{{labels}}} {0.4 * count}\n{name}_count{{{labels}}} {count}\n"
    return f"# HELP {name} As the engine says.\n# TYPE {name} histogram\n{buckets}{sums}"


def vllm(n: int = 1) -> str:
    """VLLM's page at its n-th look."""
    return (
        _gauge("vllm:num_requests_running", (_VLLM, 6.0))
        + _gauge("vllm:num_requests_waiting", (_VLLM, 2.0))
        + _gauge("vllm:num_requests_waiting_by_reason", (f'{_VLLM},reason="capacity"', 2.0))
        + _gauge("vllm:kv_cache_usage_perc", (_VLLM, 0.41))
        + _counter("vllm:prompt_tokens_total", _VLLM, 900.0 * n)
        + _counter("vllm:generation_tokens_total", _VLLM, 300.0 * n)
        + _counter("vllm:num_preemptions_total", _VLLM, 1.0 * n)
        + _histogram("vllm:time_to_first_token_seconds", _VLLM, 10 * n)
        + _histogram("vllm:inter_token_latency_seconds", _VLLM, 300 * n)
    )


def sglang(n: int = 1) -> str:
    """SGLang's page at its n-th look."""
    return (
        _gauge("sglang:num_running_reqs", (_SGLANG, 5.0), (_SGLANG_FIRST, 5.0))
        + _gauge("sglang:num_queue_reqs", (_SGLANG, 3.0), (_SGLANG_FIRST, 3.0))
        + _gauge("sglang:token_usage", (_SGLANG, 0.33))
        + _gauge("sglang:cache_hit_rate", (_SGLANG, 0.72))
        + _counter("sglang:prompt_tokens_total", _SGLANG, 900.0 * n)
        + _counter("sglang:generation_tokens_total", _SGLANG, 300.0 * n)
        + _counter("sglang:num_aborted_requests_total", _SGLANG, 1.0 * n)
        + _histogram("sglang:time_to_first_token_seconds", _SGLANG, 10 * n)
        + _histogram("sglang:inter_token_latency_seconds", _SGLANG, 300 * n)
    )


def triton(n: int = 1) -> str:
    """Triton's page at its n-th look."""
    return (
        _counter("nv_inference_request_success", _TRITON, 10.0 * n)
        + _counter("nv_inference_request_failure", f'{_TRITON},reason="BACKEND"', 1.0 * n)
        + _counter("nv_inference_queue_duration_us", _TRITON, 52_000.0 * n)
        + _gauge("nv_inference_pending_request_count", (_TRITON, 1.0))
        + _gauge("vllm:num_requests_waiting", (_TRITON, 6.0))
    )


PAGES = {"vllm": vllm, "sglang": sglang, "triton": triton}


@contextmanager
def showing() -> Iterator[Mapping[str, int]]:
    """Each page at a port of its own, as `GET /metrics`; by kind."""
    with _server("vllm") as one, _server("sglang") as two, _server("triton") as three:
        yield {"vllm": one, "sglang": two, "triton": three}


@contextmanager
def _server(kind: str) -> Iterator[int]:
    looks = itertools.count(1)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = PAGES[kind](next(looks)).encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is said on stderr."""

    server = QuietServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""What engines say of themselves, a row for each kind: names as vLLM 0.33, SGLang 0.5 and Triton write them.

A kind that nobody runs leaves its row empty. Triton's vLLM backend shows vLLM's own series, in vLLM's row.
"""

from tools.grafana import Panel, Query, Row, Variable
from tools.panels import RATE, STEPS, lines

ENGINE = 'instance=~"$engine"'
RUNNING = ("vllm:num_requests_running", "sglang:num_running_reqs", "nv_inference_request_success")
"""A series that every engine of a kind has."""
VARIABLE = Variable("engine", f'label_values({{__name__=~"{"|".join(RUNNING)}"}}, instance)')


def _sum(metric: str, labels: str = ENGINE) -> str:
    return f"sum by (instance) ({metric}{{{labels}}})"


def _rate(metric: str) -> str:
    return f"sum by (instance) (rate({metric}{{{ENGINE}}}[{RATE}]))"


def _p95(title: str, about: str, metric: str) -> Panel:
    expr = f"histogram_quantile(0.95, sum by (le, instance) (rate({metric}_bucket{{{ENGINE}}}[{RATE}])))"
    return lines(title, about, (Query(expr, "{{instance}}"),), (metric,), "s")


def _load(running: str, waiting: str, labels: str = ENGINE) -> Panel:
    queries = (Query(_sum(running, labels), "{{instance}} runs"), Query(_sum(waiting, labels), "{{instance}} waits"))
    about = "Under way, and in its queue: above `pause_when` the shadow gives way."
    return lines("Requests", about, queries, (running, waiting), "short", custom=STEPS)


def _full(title: str, about: str, metric: str) -> Panel:
    expr = f"max by (instance) ({metric}{{{ENGINE}}})"
    return lines(title, about, (Query(expr, "{{instance}}"),), (metric,), "percentunit", top=1.0)


def _tokens(prefix: str) -> Panel:
    read, written = f"{prefix}:prompt_tokens_total", f"{prefix}:generation_tokens_total"
    queries = (Query(_rate(read), "{{instance}} read"), Query(_rate(written), "{{instance}} written"))
    return lines("Tokens", "Per second.", queries, (read, written), "short")


def vllm() -> Row:
    """VLLM's own."""
    preempted = "vllm:num_preemptions_total"
    return Row(
        "vLLM, by itself",
        (
            _load("vllm:num_requests_running", "vllm:num_requests_waiting"),
            _full("KV cache", "Share that is taken; full, requests are preempted.", "vllm:kv_cache_usage_perc"),
            _p95("First token p95", "From the engine's own arrival.", "vllm:time_to_first_token_seconds"),
            _p95("Between tokens p95", "Of all its requests.", "vllm:inter_token_latency_seconds"),
            _tokens("vllm"),
            lines(
                "Preempted", "Requests that lost their place in the cache, per second.",
                (Query(_rate(preempted), "{{instance}}"),), (preempted,), "reqps",
            ),
        ),
    )  # fmt: skip


def sglang() -> Row:
    """SGLang's own, with `--enable-metrics`."""
    # With priorities it says how many wait of each and, under the empty one, in all.
    return Row(
        "SGLang, by itself",
        (
            _load("sglang:num_running_reqs", "sglang:num_queue_reqs", f'{ENGINE}, priority=""'),
            _full("Token pool", "Share that is taken.", "sglang:token_usage"),
            _full("Prefix cache hits", "Share of prompt tokens found there.", "sglang:cache_hit_rate"),
            _p95("First token p95", "From the engine's own arrival.", "sglang:time_to_first_token_seconds"),
            _p95("Between tokens p95", "Of all its requests.", "sglang:inter_token_latency_seconds"),
            _tokens("sglang"),
        ),
    )


def triton() -> Row:
    """Triton's own: of its scheduler, whatever backend answers."""
    pending, good, bad = (
        "nv_inference_pending_request_count",
        "nv_inference_request_success",
        "nv_inference_request_failure",
    )
    queued = "nv_inference_queue_duration_us"
    answers = (Query(_rate(good), "{{instance}} good"), Query(_rate(bad), "{{instance}} failed"))
    mean = f"{_rate(queued)} / ({_rate(good)} > 0) / 1e6"
    return Row(
        "Triton, by itself",
        (
            lines(
                "Pending", "Requests that its scheduler holds back.", (Query(_sum(pending), "{{instance}}"),),
                (pending,), "short", custom=STEPS,
            ),
            lines("Answers", "Per second.", answers, (good, bad), "reqps"),
            lines("In its queue", "Mean of a request.", (Query(mean, "{{instance}}"),), (queued, good), "s"),
        ),
    )  # fmt: skip

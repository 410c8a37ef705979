"""The queries of KEDA's example, answered by Prometheus: what wakes a candidate that has no pod, and what scales it."""

from pathlib import Path

import pytest
import yaml

from tests.acceptance import prometheus_server
from tests.acceptance.prometheus_server import promtool

EXAMPLE = Path(__file__).parents[2] / "deploy" / "helm" / "keda-candidate.yaml"
ROUTE = 'job="crossfade", route="support-triage"'

pytestmark = pytest.mark.skipif(not prometheus_server.is_installed(), reason="no promtool is here: make prometheus")


@pytest.mark.parametrize(
    ("trigger", "series", "value"),
    [
        pytest.param(0, {}, 0, id="nothing-is-asked"),
        pytest.param(0, {f'crossfade_requests_total{{{ROUTE}, variant="baseline"}}': 60}, 0, id="the-baseline-alone"),
        pytest.param(0, {f'crossfade_requests_total{{{ROUTE}, variant="candidate"}}': 60}, 1, id="it-answers"),
        pytest.param(
            0, {f'crossfade_fallbacks_total{{{ROUTE}, reason="refused"}}': 120}, 2, id="answered-in-its-stead"
        ),
        pytest.param(0, {f'crossfade_shadow_total{{{ROUTE}, asked="candidate"}}': 180}, 3, id="copies"),
        pytest.param(1, {}, 0, id="no-engine"),
        pytest.param(
            1,
            {f'vllm:num_requests_waiting{{model_name="triage-7b", engine="{engine}"}}': 3 for engine in (0, 1)},
            60,
            id="two-engines",
        ),
    ],
)
def test_what_a_trigger_says(trigger: int, series: dict[str, int], value: int, tmp_path: Path) -> None:
    """`series`: what grows by so many each minute. The engine's queues are read at the tenth minute, as they are."""
    query = yaml.safe_load(EXAMPLE.read_text("utf-8"))["spec"]["triggers"][trigger]["metadata"]["query"]
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": f"0+{step}x10"} for name, step in series.items()],
        "promql_expr_test": [{"expr": query, "eval_time": "10m", "exp_samples": [{"labels": "{}", "value": value}]}],
    }
    (tmp_path / "case.yml").write_text(yaml.safe_dump({"tests": [case]}), "utf-8")
    told = promtool("test", "rules", tmp_path / "case.yml")
    assert told.returncode == 0, (told.stdout + told.stderr).decode()

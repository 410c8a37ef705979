"""The rules of `crossfade policy slo`, read by promtool; when their alerts fire and when not."""

import json
from pathlib import Path

import pytest
import yaml

from gateway.cli.main import main
from gateway.cli.slo_rules import PACE
from tests.acceptance import prometheus_server
from tests.acceptance.prometheus_server import promtool

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not prometheus_server.is_installed(), reason="no promtool is here: make prometheus"),
]
EXAMPLES = Path(__file__).parents[2] / "policies" / "examples"
POLICY = """\
route: triage
match: {model: gpt-4o}
baseline: {upstream: openai}
candidate: {upstream: vllm, model: tuned, revision: "1"}
compare: [exact]
gates: {latency: {ttft_p95: 750ms}}
stages: [shadow, 100%]
"""
SETTINGS = """\
upstreams:
  openai: {base_url: "http://127.0.0.1:9/v1", background_key_env: K}
  openai-ours: {base_url: "http://127.0.0.1:9/v1", background_key_env: K}
  azure: {base_url: "http://127.0.0.1:9/v1", background_key_env: K}
  claude: {kind: litellm, model: anthropic/claude, background_key_env: K}
  vllm: {kind: vllm, base_url: "http://127.0.0.1:8000/v1"}
prices: {candidate: {vllm: {gpu_usd_per_hour: 3.95}}}
"""
WHOSE = 'job="crossfade", route="triage", variant="baseline"'
ERRORS, LATE = "CrossfadeErrorBudgetBurns", "CrossfadeLatencyBudgetBurns"


def rules(folder: Path, capsys: pytest.CaptureFixture[str], *policies: Path) -> Path:
    """The file that the command prints."""
    (folder / "crossfade.yaml").write_text(SETTINGS)
    words = ["policy", "slo", "--nearest", "--config", str(folder / "crossfade.yaml"), *map(str, policies)]
    assert main(words) == 0
    (folder / "slo.yml").write_text(capsys.readouterr().out)
    return folder / "slo.yml"


def test_promtool_takes_the_rules_of_every_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Each example policy's, in one file; the linter of Prometheus finds nothing."""
    told = promtool("check", "rules", "--lint-fatal", rules(tmp_path, capsys, EXAMPLES))
    assert told.returncode == 0, told.stdout + told.stderr


def alerts(at: str, name: str, summary: str = "", *severities: str) -> dict[str, object]:
    """What promtool is to find of an alert at a moment; without severities: that it is quiet."""
    slo = "triage-availability" if name == ERRORS else "triage-ttft-p95"
    labels = {"route": "triage", "sloth_service": "crossfade", "sloth_slo": slo, "sloth_id": f"crossfade-{slo}"}
    expected = [
        {
            "exp_labels": labels | {"severity": severity, "sloth_severity": severity},
            "exp_annotations": {
                "summary": f"triage: {summary}",
                "description": (
                    f"At this pace the allowance of 30 days is used up {PACE[severity]}. Baseline or candidate? "
                    "`crossfade explain triage` says how the candidate does; `crossfade rollback triage` takes it out."
                ),
            },
        }
        for severity in severities
    ]
    return {"eval_time": at, "alertname": name, "exp_alerts": expected}


def requests(status: str, values: str) -> dict[str, str]:
    """A series of answers, a minute each."""
    return {"series": f'crossfade_requests_total{{{WHOSE}, model="m", status_class="{status}"}}', "values": values}


def streams(edge: str, values: str) -> dict[str, str]:
    """A series of the histogram of first tokens."""
    name = "crossfade_time_to_first_token_seconds"
    series = f'{name}_bucket{{{WHOSE}, le="{edge}"}}' if edge else f"{name}_count{{{WHOSE}}}"
    return {"series": series, "values": values}


def test_alerts_fire_when_a_budget_burns_and_not_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Pages at 40 % failed or late, a ticket at 4 %; quiet at 1 %, without traffic, and no page once a blip is over."""
    (tmp_path / "triage.yaml").write_text(POLICY)
    fails = "of its answers fail; the policy allows 2%"
    late = "of its streams have their first token later than 0.75s; the policy allows 5%"
    remaining = 'slo:period_error_budget_remaining:ratio{sloth_slo="triage-availability"}'
    cases = [
        {
            "input_series": [requests("2xx", "0+60x120"), requests("5xx", "0+40x120")],
            "alert_rule_test": [alerts("100m", ERRORS, f"40% {fails}", "page", "ticket"), alerts("110m", LATE)],
        },
        {
            "input_series": [requests("2xx", "0+99x2880"), requests("5xx", "0+1x2880")],
            "alert_rule_test": [alerts("40h", ERRORS)],
            "promql_expr_test": [
                {"expr": "sum(slo:current_burn_rate:ratio)", "eval_time": "40h", "exp_samples": [{"value": 0.5}]}
            ],
        },
        {
            "input_series": [requests("2xx", "0+96x2880"), requests("none", "0+4x2880")],
            "alert_rule_test": [alerts("40h", ERRORS, f"4% {fails}", "ticket")],
        },
        {
            # Ten minutes of nothing but failures within two hours, and good answers since: a page is no use any more.
            "input_series": [requests("2xx", "0x10 0+100x120"), requests("5xx", "0+100x10 1000x120")],
            "alert_rule_test": [
                alerts("10m", ERRORS, f"100% {fails}", "page", "ticket"),
                alerts("100m", ERRORS, f"10.1% {fails}", "ticket"),
            ],
        },
        {
            "input_series": [requests("2xx", "0x120"), requests("5xx", "0x120")],
            "alert_rule_test": [alerts("100m", ERRORS)],
            "promql_expr_test": [{"expr": "slo:sli_error:ratio_rate5m", "eval_time": "100m", "exp_samples": []}],
        },
        {
            # No failure ever: there is no series of them, and the budget is whole.
            "input_series": [requests("2xx", "0+100x120")],
            "promql_expr_test": [{"expr": f"sum({remaining})", "eval_time": "100m", "exp_samples": [{"value": 1}]}],
        },
        {
            "input_series": [streams("0.75", "0+60x120"), streams("", "0+100x120")],
            "alert_rule_test": [alerts("100m", LATE, f"40% {late}", "page", "ticket"), alerts("110m", ERRORS)],
        },
    ]
    made = rules(tmp_path, capsys, tmp_path / "triage.yaml")
    told = {
        "rule_files": [made.name],
        "evaluation_interval": "10m",
        # promtool takes groups in any order that is not stated; so far apart, an earlier look is too old to go by.
        "group_eval_order": [group["name"] for group in yaml.safe_load(made.read_text())["groups"]],
        "tests": [{"interval": "1m", **case} for case in cases],
    }
    (tmp_path / "slo.test.yml").write_text(json.dumps(told))

    done = promtool("test", "rules", tmp_path / "slo.test.yml")

    assert done.returncode == 0, (done.stdout + done.stderr).decode()

"""`crossfade records import`: what others recorded, into the records of a gateway, and into none of its evidence."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.admin.figures import Figures
from gateway.admin.filters import wanted
from gateway.admin.queries import RecordQueries
from gateway.cli.main import main
from gateway.cli.policy_traffic import recorded
from gateway.cli.replay_rows import Rows
from gateway.config.settings_file import load
from gateway.config.surroundings import surroundings
from gateway.control.publish.policy_compiler import PolicyReader
from records.feedback import voters
from records.store import Store
from tests.rooms.policy_files import SHORT, policy

SETTINGS = """\
upstreams:
  openai: {base_url: "http://127.0.0.1:9/v1", background_key_env: K}
  vllm: {kind: vllm, base_url: "http://127.0.0.1:9/v1"}
prices: {models: {vllm: {"*": {prompt: 1, completion: 1}}}}
"""
FAST = SHORT + "gates: {latency: {total_p95: 2s}}\n"


def row(number: int, at: float, **fields: Any) -> dict[str, Any]:
    """A line of LiteLLM's spend log, of a request that the policy matches."""
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"question {number}"}]}
    message = {"role": "assistant", "content": f"answer {number}"}
    answer = {"id": f"c-{number}", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    times = {"startTime": at, "endTime": at + 0.5}
    return {
        "request_id": f"r-{number}", "call_type": "acompletion", "spend": 0.5, "prompt_tokens": 9,
        "completion_tokens": 2, "model": "gpt-4o", "proxy_server_request": asked, "response": answer, **times,
    } | fields  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings, a policy, and a log of twenty exchanges within the last days, one line of it broken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crossfade.yaml").write_text(SETTINGS)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "triage.yaml").write_text(FAST)
    now = clock.wall()
    lines = [json.dumps(row(number, now - 3600 * (number + 1))) for number in range(20)]
    (tmp_path / "log.jsonl").write_text("\n".join([*lines[:7], "{broken", *lines[7:]]))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_log_is_imported_with_the_route_its_policy_gives(place: Path, capsys: pytest.CaptureFixture[str]):
    """The broken line is told by file and line, all else is recorded; the same again adds nothing."""
    code, out, err = run(capsys, "records", "import", "--from", "litellm", "log.jsonl")
    assert (code, err) == (1, "log.jsonl:8: not JSON\n")
    assert out == "20 exchanges imported of 21 rows, 0 of them with feedback\nbroken: 1 row\n"

    code, out, _ = run(capsys, "records", "import", "--from", "litellm", "log.jsonl", "--json")
    said = json.loads(out)
    assert (code, said["imported"], said["known"], said["broken_rows"]) == (1, 0, 20, ["log.jsonl:8: not JSON"])

    _, out, _ = run(capsys, "records", "stats", "--json")
    (line,) = json.loads(out)
    assert (line["route"], line["variant"], line["exchanges"], line["cost_usd"]) == (
        "support-triage", "imported", 20, 10.0,
    )  # fmt: skip


def test_what_is_imported_is_evidence_for_nothing(place: Path, capsys: pytest.CaptureFixture[str]):
    """It is in no figure, plan, replay or count of votes; readiness and datasets have it."""
    run(capsys, "records", "import", "--from", "litellm", "log.jsonl")
    store = Store(Path("crossfade-data/records"))
    figures = Figures(RecordQueries(store))
    all_ = wanted("exchanges", {}, now=clock.wall())

    assert figures.arms(all_) == []
    assert figures.cost(all_, wanted("comparisons", {}, now=clock.wall())).cost_usd == 0
    assert figures.route("support-triage", all_).funnel.matched == 0
    assert recorded(store.root, policy(), clock.wall()) is None
    settings = load(Path("crossfade.yaml"), {}, {})
    route = PolicyReader(surroundings(settings), "policies").compile(FAST, "triage.yaml").route
    assert list(Rows(store.root, route, 0.0, 100)) == []
    assert voters(store, "support-triage", "", since_us=0) == {}

    _, out, _ = run(capsys, "readiness", "support-triage", "--json")
    (said,) = json.loads(out)
    assert said["requests"] == 20
    assert next(sign["value"] for sign in said["signals"] if sign["name"] == "speed") == pytest.approx(0.5)
    code, out, _ = run(capsys, "dataset", "build", "--route", "support-triage", "--format", "trl-sft", "--out", "d")
    assert (code, "20" in out) == (0, True)


def test_what_cannot_be_imported_is_refused_whole(place: Path, capsys: pytest.CaptureFixture[str]):
    """A file that is not there, an upstream nobody knows, a policy that does not load: nothing is written."""
    for words in (["gone.jsonl"], ["log.jsonl", "--upstream", "gone"]):
        code, _, err = run(capsys, "records", "import", "--from", "litellm", *words)
        assert (code, "gone" in err, "hint:" in err) == (1, True, True)
    code, _, err = run(capsys, "records", "import", "--from", "litellm", str(place))
    assert (code, "a folder, and no file" in err) == (1, True)
    (place / "policies" / "broken.yaml").write_text("rout: a")
    code, _, err = run(capsys, "records", "import", "--from", "litellm", "log.jsonl")
    assert (code, "broken.yaml:1:1" in err, "--route" in err) == (1, True, True)
    assert not Path("crossfade-data/records").exists()

    code, out, _ = run(capsys, "records", "import", "--from", "litellm", "log.jsonl", "--route", "other")
    assert (code, "20 exchanges imported" in out) == (1, True)


@pytest.mark.parametrize("content", ["a1,acompletion,2026-11-01\n", ""], ids=["no names", "empty"])
def test_an_export_without_rows_says_so(place: Path, capsys: pytest.CaptureFixture[str], content: str):
    """A CSV without its line of names loses its first row to them: that nothing was read is told, and is no success."""
    (place / "log.csv").write_text(content)

    code, out, err = run(capsys, "records", "import", "--from", "litellm", "log.csv")
    assert (code, out) == (1, "")
    assert err.startswith("No rows are in log.csv. hint: ")
    code, out, err = run(capsys, "records", "import", "--from", "litellm", "log.csv", "--json")
    assert (code, out, json.loads(err)["error"]["message"]) == (1, "", "No rows are in log.csv")

    (place / "whole.jsonl").write_text(json.dumps(row(1, clock.wall() - 60)))
    code, out, err = run(capsys, "records", "import", "--from", "litellm", "log.csv", "whole.jsonl")
    assert (code, out.splitlines()[0]) == (0, "1 exchanges imported of 1 rows, 0 of them with feedback")
    assert err.startswith("WARNING: no rows are in log.csv. hint: ")
    code, out, _ = run(capsys, "records", "import", "--from", "litellm", "log.csv", "whole.jsonl", "--json")
    assert (code, json.loads(out)["empty_files"]) == (0, ["log.csv"])


def test_a_duration_that_no_log_says_is_none(place: Path, capsys: pytest.CaptureFixture[str]):
    """Rows without times pull no percentile down, and their time is shown as unknown."""
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    (place / "rows.jsonl").write_text(
        "\n".join(json.dumps({"messages": [*turns, {"role": "user", "content": str(n)}, turns[1]]}) for n in range(9))
    )
    run(capsys, "records", "import", "--from", "openai", "rows.jsonl", "--route", "support-triage")
    run(capsys, "records", "import", "--from", "litellm", "log.jsonl")

    _, out, _ = run(capsys, "records", "stats", "--json")
    _, shown, _ = run(capsys, "records", "tail", "-n", "40")

    (line,) = json.loads(out)
    assert (line["exchanges"] > 20, line["total_ms_p50"], line["total_ms_p95"]) == (True, 500.0, 500.0)
    assert (" 0 ms" in shown, " 500 ms" in shown) == (False, True)


def test_an_export_of_another_system_is_told_as_that(place: Path, capsys: pytest.CaptureFixture[str]):
    """Where no row can be read, the first faults are shown and the likely mistake is named."""
    code, _, err = run(capsys, "records", "import", "--from", "helicone", "log.jsonl")

    assert code == 1
    assert err.splitlines()[0].startswith("log.jsonl:1: no export of Helicone")
    assert "is it an export of helicone?" in err
    assert "20" not in err.splitlines()[0]

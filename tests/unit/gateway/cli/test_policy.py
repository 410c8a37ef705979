"""`crossfade policy`: lint, plan, explain, simulate and schema, called as the command line calls them."""

import gzip
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace as replace_row

from gateway import clock
from gateway.cli.main import main
from gateway.cli.policy_traffic import recorded
from gateway.control.publish.policy_folder import keep_good
from gateway.control.state.port import Decided
from gateway.control.state.sqlite import SqliteState
from gateway.node.database import opened
from policies import explain
from policies.compile import decision_rules
from policies.events import PairEvent
from policies.evidence import Evidence, EvidenceKey
from policies.pairs import read
from policies.review import Conditions, review
from policies.rollout import start, step
from policies.schema import json_schema
from records.comparison import Observation
from records.parquet import EXCHANGES, OBSERVATIONS
from records.pricing import PriceBook
from records.record_maker import RecordMaker, RoutePrices
from records.redact import Redactor
from records.store import Store
from tests.fakes.exchanges import AT, chat_request, exchange
from tests.rooms.policy_files import READY, SHORT, policy, written

SETTINGS = """\
upstreams:
  openai: {base_url: https://api.openai.com/v1, background_key_env: K}
  vllm: {kind: vllm, base_url: http://127.0.0.1:8000/v1}
prices: {candidate: {vllm: {gpu_usd_per_hour: 3.95}}}
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with settings and one policy, and nothing that runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSFADE_CONFIG", raising=False)
    Path("crossfade.yaml").write_text(SETTINGS)
    Path("policies").mkdir()
    Path("policies/triage.yaml").write_text(SHORT)
    return tmp_path


def ran(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The exit code, data and talk of `crossfade policy …`."""
    code = main(["policy", *words])
    told = capsys.readouterr()
    return code, told.out, told.err


def pairs(count: int, *, q: float = 0.0, error: bool = False, **more: object) -> str:
    return "\n".join(
        json.dumps({"unit": f"u{n}", "q": q, "error_baseline": False, "error_candidate": error, **more})
        for n in range(count)
    )


def test_lint_of_a_good_folder(capsys: pytest.CaptureFixture[str]):
    """Nothing on stdout, the count on stderr, exit 0."""
    assert ran(capsys, "lint") == (0, "", "1 fine, 0 problems, 0 warnings\n")


def test_lint_shows_every_problem_of_every_file(capsys: pytest.CaptureFixture[str]):
    """Refusals, warnings, clashes between files and files that are not there; exit 1."""
    Path("policies/a.yaml").write_text(written("mode: observe"))
    Path("policies/b.yaml").write_text("route: [")
    judged = (
        "[exact, {judge: {upstream: openai, model: j, rubric: none.md}}, {python: {ref: 'x.py:f'}}, schema: {file: s}]"
    )
    Path("policies/c.yaml").write_text(written(compare=judged, route="other", match="{model: other}"))
    Path("policies/notes.txt").write_text("not a policy")

    code, out, err = ran(capsys, "lint")

    assert code == 1
    for line in ("b.yaml:1:", "warning: `observe` moves no traffic", "a.yaml has a route of that name too",
                 "none.md: no such file", "x.py: no such file", "s: no such file"):  # fmt: skip
        assert line in out
    assert err == "1 fine, 5 problems, 1 warnings\n"
    rows = json.loads(ran(capsys, "lint", "--json")[1])
    assert [row["refused"] for row in rows] == [True] * 5 + [False]


def test_lint_reads_what_comparators_are_told(capsys: pytest.CaptureFixture[str]):
    """Assertions that cannot be taken over and files that are no schema, with what to do; good ones are fine."""
    Path("policies/checks.yaml.txt").write_text("[{type: contains, value: a}]")
    Path("policies/bad.yaml.txt").write_text("[{type: javascript, value: x}]")
    Path("policies/bad.json").write_text("[]")
    compare = "[{promptfoo: {file: %s}}, {schema: {file: %s}}]"
    Path("policies/triage.yaml").write_text(written(compare=compare % ("bad.yaml.txt", "bad.json")))

    code, out, _ = ran(capsys, "lint")

    assert code == 1
    assert "bad.yaml.txt: assertion 1: javascript is not taken over" in out
    assert "hint: write it in Python" in out
    assert "bad.json: no JSON Schema that can be used" in out
    Path("policies/bad.json").write_text('{"type": "object"}')
    Path("policies/triage.yaml").write_text(written(compare=compare % ("checks.yaml.txt", "bad.json")))
    assert ran(capsys, "lint") == (0, "", "1 fine, 0 problems, 0 warnings\n")


def test_lint_says_what_cannot_be_read(capsys: pytest.CaptureFixture[str]):
    """A file that is not there, settings that are wrong: exit 1, the reason on stderr or among the problems."""
    assert "cannot be read" in ran(capsys, "lint", "none.yaml")[1]
    Path("crossfade.yaml").write_text("upstreams: 5")
    code, out, err = ran(capsys, "lint")
    assert (code, out) == (1, "")
    assert "crossfade.yaml:1" in err


def test_explain_tells_the_policy(capsys: pytest.CaptureFixture[str]):
    """As text for people, as JSON with every default for machines; a refused one is an error."""
    code, out, _ = ran(capsys, "explain")
    assert code == 0
    assert out.startswith("ROUTE support-triage\n")
    (row,) = json.loads(ran(capsys, "explain", "--json", "policies/triage.yaml")[1])
    assert (row["route"], row["policy"]["gates"]["alpha"], row["text"]) == ("support-triage", 0.05, out.rstrip("\n"))
    Path("policies/triage.yaml").write_text(written("zzz: 1"))
    code, out, err = ran(capsys, "explain")
    assert (code, out) == (1, "")
    assert "`zzz` is no key here" in err


def record(count: int) -> explain.DecisionRecord:
    """A decision on so many pairs of equal answers, as it is kept."""
    rules = decision_rules(policy(), READY)
    rollout = start(rules)
    evidence = Evidence(EvidenceKey(rules.route, rules.key.digest, 1, 0), rules)
    for line in pairs(count).splitlines():
        evidence.observe(read(line.encode())[0])
    evidence.close_all()
    seen = Conditions()
    decision = step(rollout, review(evidence, rollout, now=0.0, seen=seen), now=0.0)
    return explain.record(decision, evidence, seen, version="1")


def test_explain_replays_a_decision(place: Path, capsys: pytest.CaptureFixture[str]):
    """The same evidence, the same words; a record that was tampered with is another decision; garbage is refused."""
    kept = record(30)
    (place / "d.json").write_bytes(explain.encode(kept))

    code, out, err = ran(capsys, "explain", "--replay", "d.json")

    assert (code, err) == (0, "the same decision\n")
    assert out == explain.text(kept.decision) + "\n"
    assert json.loads(ran(capsys, "explain", "--replay", "d.json", "--json")[1])["text"] == explain.text(kept.decision)
    (place / "d.json").write_bytes(explain.encode(kept).replace(b'"reason":"', b'"reason":"not ', 1))
    assert ran(capsys, "explain", "--replay", "d.json")[0] == 1
    (place / "d.json").write_bytes(b"{}")
    code, _, err = ran(capsys, "explain", "--replay", "d.json")
    assert code == 1
    assert "not a decision record" in err
    assert "No such file" in ran(capsys, "explain", "--replay", "none.json")[2]


def test_plan_compares_with_what_is_in_force(place: Path, capsys: pytest.CaptureFixture[str]):
    """2 when something would change, 0 when nothing would; a file taken away is a change."""
    code, out, _ = ran(capsys, "plan", "--traffic", "5000")
    assert code == 2
    assert "change   route: none -> support-triage" in out
    data = place / "crossfade-data"
    data.mkdir()
    with opened(data / "state.db") as connection:
        keep_good(connection, {"triage.yaml": SHORT, "old.yaml": "route: ["}, 0.0)
    code, out, _ = ran(capsys, "plan", "--traffic", "5000")
    assert code == 0
    assert "  no change\n" in out
    assert "  shadow   about 8 hours, waits for errors\n" in out
    Path("policies/triage.yaml").write_text(written("priority: 3", route="renamed"))
    code, out, _ = ran(capsys, "plan", "--json")
    assert code == 2
    assert [(row["route"], row["days"]) for row in json.loads(out)] == [("renamed", None), ("support-triage", 0.0)]
    assert ran(capsys, "plan", "policies/triage.yaml")[1].count("ROUTE") == 1


def test_plan_goes_on_from_where_the_rollout_stands(place: Path, capsys: pytest.CaptureFixture[str]):
    """What a leader last found is taken off what each gate needs; a record that cannot be read is said, and left."""
    data = place / "crossfade-data"
    data.mkdir()
    with opened(data / "state.db") as connection:
        keep_good(connection, {"triage.yaml": SHORT}, 0.0)
    state = SqliteState(data / "state.db")
    look = Decided("1", 0.0, "support-triage", "hold", "HOLD", "", explain.encode(record(150)))
    state.keep_look(look)

    code, out, err = ran(capsys, "plan", "--traffic", "5000")

    assert (code, err) == (0, "")
    assert "  stands   on shadow with 150 units\n" in out
    assert "    errors    450 units, " in out
    state.keep_look(replace_row(look, record=b"{}"))
    code, out, err = ran(capsys, "plan", "--traffic", "5000")
    assert "stands" not in out
    assert err.startswith("planned from the foot, since where rollouts stand is not to be had: not a decision record")
    state.close()


def kept(place: Path, count: int, *, route: str, units: int) -> Path:
    """Records of `count` exchanges, one a minute, by so many units."""
    maker = RecordMaker(
        b"p" * 32, Redactor(), PriceBook({"openai": "https://api.openai.com/v1"}), {"": RoutePrices("openai")}
    )
    rows = [
        maker.record(
            exchange(
                n, chat_request(f"q{n}"), arrived_at=AT + 60 * n, route=route, why="assigned", unit=f"u{n % units}"
            )
        )
        for n in range(count)
    ]
    store = Store(place / "records")
    store.publish(store.stage(EXCHANGES, rows, "a"))
    return store.root


def test_traffic_is_read_off_the_records(place: Path):
    """Units a day since the first of them in the last week, and the busiest unit's share."""
    records = kept(place, 1440, route="support-triage", units=144)

    found = recorded(records, policy(), AT + 86_400)

    assert found is not None
    assert found.units_per_day == pytest.approx(144)
    assert found.requests_per_day == pytest.approx(1440)
    assert 0 < found.busiest_share < 10 / 1440
    assert recorded(records, policy(), AT + 30 * 86_400) is None
    assert recorded(place / "none", policy(), AT) is None


def test_a_new_routes_traffic_is_guessed_by_its_models(place: Path):
    """Before a policy is in force, what asks for its models is what it would get."""
    records = kept(place, 60, route="", units=60)

    found = recorded(records, policy(), AT + 3600)

    assert found is not None
    assert found.units_per_day == pytest.approx(1440)
    assert recorded(records, policy(match="{model: other}"), AT + 3600) is None


def test_lint_knows_a_unit_that_carries_the_route(place: Path, capsys: pytest.CaptureFixture[str]):
    """Such a route would never advance; the hint says what to name instead."""
    maker = RecordMaker(
        b"p" * 32, Redactor(), PriceBook({"openai": "https://api.openai.com/v1"}), {"": RoutePrices("openai")}
    )
    now = clock.wall()
    seen = {"route": "support-triage", "why": "assigned", "unit": "u"}
    rows = [maker.record(exchange(n, chat_request("q"), arrived_at=now, **seen)) for n in range(20)]
    store = Store(place / "crossfade-data" / "records")
    store.publish(store.stage(EXCHANGES, rows, "a"))

    code, out, _ = ran(capsys, "lint")

    assert code == 0
    assert "policies/triage.yaml:1:1: warning: one unit makes at least" in out
    assert "policies/triage.yaml:1:1: warning: at most about 0.056 of the candidate's requests in 10s" in out


def test_simulate_shows_each_move_and_the_end(place: Path, capsys: pytest.CaptureFixture[str]):
    """Moves with their evidence, then what came of it."""
    (place / "pairs.jsonl").write_text(pairs(800))

    code, out, err = ran(capsys, "simulate", "policies/triage.yaml", "--pairs", "pairs.jsonl")

    assert (code, err) == (0, "")
    assert "STAGE shadow -> 1%  DECISION PROMOTE" in out
    assert out.rstrip().splitlines()[-1].startswith("PROMOTE after ")


def test_simulate_ends_in_one_json_line(place: Path, capsys: pytest.CaptureFixture[str]):
    """The last line is the whole outcome; gzip is read as it is, and the units' order does not change this verdict."""
    (place / "pairs.gz").write_bytes(gzip.compress(pairs(120, q=-1.0).encode()))

    for extra in ([], ["--shuffle", "3"]):
        _, out, _ = ran(capsys, "simulate", "policies/triage.yaml", "--pairs", "pairs.gz", "--json", *extra)
        last = json.loads(out.splitlines()[-1])
        assert last["decision"] == "REJECTED"
        assert last["decided_at_unit"] == last["units"] < 120
        assert {gate["gate"] for gate in last["gates"]} >= {"quality", "errors"}
        assert {guard["guard"] for guard in last["guards"]} >= {"outputs", "length"}


def test_simulate_reads_standard_input_and_shows_evidence_on_the_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """`-` is standard input; `--every` shows the evidence in between; timed pairs are taken in their order."""
    lines = pairs(40) + "\n\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(lines.encode()))))

    _, out, _ = ran(capsys, "simulate", "policies/triage.yaml", "--pairs", "-", "--every", "20")

    assert [line for line in out.splitlines() if line.startswith("after ")] == ["after 20 units", "after 40 units"]
    timed = "\n".join(
        json.dumps({"unit": f"u{n}", "q": 0, "error_baseline": False, "error_candidate": False, "at": 5000.0 - n})
        for n in range(40)
    )
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(timed.encode()))))
    assert "HOLD, of 40 units seen" in ran(capsys, "simulate", "policies/triage.yaml", "--pairs", "-")[1]


def observed(place: Path, events: list[PairEvent], *, route: str = "support-triage", again: bool = False) -> None:
    """Records of what a leader counted in the last hour."""
    now = clock.wall()
    rows = [
        Observation(
            seq=seq, observed_us=int((now - 3600 + again) * 1e6), route=route, attempt=1, weight_ppm=0, epoch=0,
            candidate_key=decision_rules(policy(), READY).key.digest, watermark=now, held_json="{}",
            event_json=msgspec.json.encode(replace(event, at=now - 90_000 + seq)).decode(),
        )
        for seq, event in enumerate(events)
    ]  # fmt: skip
    rows.append(replace_row(rows[-1], seq=len(events), event_json=""))
    store = Store(place / "crossfade-data" / "records")
    store.publish(store.stage(OBSERVATIONS, rows, f"{route}-{again}"))


def test_simulate_goes_over_recorded_traffic(place: Path, capsys: pytest.CaptureFixture[str]):
    """What the leader counted of this candidate, each once, the last time it did; nothing else of the records."""
    read_pairs = [read(line.encode())[0] for line in pairs(800).splitlines()]
    observed(place, [replace(event, q=-1.0) for event in read_pairs])
    observed(place, read_pairs, again=True)
    observed(place, [replace(event, q=-1.0) for event in read_pairs], route="other")

    code, out, err = ran(capsys, "simulate", "policies/triage.yaml", "--json")

    assert (code, err) == (0, "")
    last = json.loads(out.splitlines()[-1])
    assert (last["decision"], last["units"], last["stage"]) == ("PROMOTE", 800, "1%")
    assert ran(capsys, "simulate", "policies/triage.yaml", "--since", "12h")[0] == 0


def test_simulate_says_where_it_looked_in_vain(place: Path, capsys: pytest.CaptureFixture[str]):
    """Without records, with those of another candidate, or older ones: exit 1 and what to do."""
    said = "nothing was observed of route support-triage and candidate vllm/triage-7b revision 2026-11-18"
    for again in (False, True):
        code, out, err = ran(capsys, "simulate", "policies/triage.yaml", "--since", "0.01h")
        assert (code, out) == (1, "")
        assert said in err
        assert "hint: let the route's shadow run, or give --pairs" in err
        observed(place, [PairEvent("u", 0.0)], again=again)
    Path("policies/triage.yaml").write_text(written(candidate="{upstream: vllm, model: m, revision: '2'}"))
    assert "candidate vllm/m revision 2" in ran(capsys, "simulate", "policies/triage.yaml")[2]
    Path("crossfade.yaml").write_text("upstreams: 5")
    assert "crossfade.yaml:1" in ran(capsys, "simulate", "policies/triage.yaml")[2]


def test_simulate_of_nothing_is_a_hold(place: Path, capsys: pytest.CaptureFixture[str]):
    """No data never promotes."""
    (place / "none").write_text("")

    _, out, _ = ran(capsys, "simulate", "policies/triage.yaml", "--pairs", "none", "--json")

    assert json.loads(out)["decision"] == "HOLD"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"unit": "a"}', "line 1: not a compared pair"),
        (pairs(1).encode() + b"\n" + pairs(1, q=2.0).encode(), "line 2: q is 2"),
        (gzip.compress(pairs(9).encode())[:-9], "hint: JSON lines, gzipped or not"),
        (b"\x1f\x8bnot gzip", "hint: JSON lines, gzipped or not"),
    ],
)
def test_simulate_refuses_what_are_no_pairs(place: Path, capsys: pytest.CaptureFixture[str], content: bytes, says: str):
    """With the line and what a pair looks like; exit 1."""
    (place / "bad").write_bytes(content)

    code, _, err = ran(capsys, "simulate", "policies/triage.yaml", "--pairs", "bad")

    assert code == 1
    assert says in err


def test_simulate_refuses_a_bad_policy_and_missing_pairs(capsys: pytest.CaptureFixture[str]):
    """Each with its reason; exit 1."""
    assert "cannot be read" in ran(capsys, "simulate", "none.yaml", "--pairs", "-")[2]
    assert "No such file" in ran(capsys, "simulate", "policies/triage.yaml", "--pairs", "none")[2]


def test_schema_prints_the_json_schema(capsys: pytest.CaptureFixture[str]):
    """What editors complete policies by."""
    assert ran(capsys, "schema") == (0, json_schema() + "\n", "")


def test_bad_usage_is_exit_2(capsys: pytest.CaptureFixture[str]):
    """A verb that there is not, and none at all."""
    for words in (["policy"], ["policy", "zzz"], ["policy", "simulate"], ["policy", "simulate", "x", "--since", "7"]):
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == 2


def test_help_loads_nothing_heavy():
    """`--help` is there within 0.3 s because what reads policies is loaded when it is asked for."""
    script = (
        "import sys, contextlib\nfrom gateway.cli.main import main\n"
        "with contextlib.suppress(SystemExit): main(['policy', 'lint', '--help'])\n"
        "sys.exit(' '.join({'numpy', 'pydantic', 'yaml', 'duckdb', 'msgspec'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.stderr.strip() == ""

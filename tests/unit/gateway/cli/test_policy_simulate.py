"""`crossfade policy simulate`: pairs of a file or of the records, through what decides."""

import gzip
import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace as replace_row

from gateway import clock
from policies.compile import decision_rules
from policies.events import PairEvent
from policies.pairs import read
from records.comparison import Observation
from records.parquet import OBSERVATIONS
from records.store import Store
from tests.rooms.cli_policies import pairs, ran
from tests.rooms.policy_files import READY, policy, written

pytestmark = pytest.mark.usefixtures("place")

OBSERVED, SCORED = "guards: {outputs: observed}", "[{python: {ref: 'scorer.py:score'}}]"
"""A policy whose verdicts are the pairs' own: a scorer's."""


@pytest.fixture
def scored(place: Path) -> Path:
    """The place, with such a policy."""
    (place / "policies/scorer.py").write_text("def score(*_):\n    return 0.0\n")
    (place / "policies/triage.yaml").write_text(
        written(OBSERVED, compare=SCORED, stages="[shadow: {days: 0}, 1%, 100%]")
    )
    return place


def test_simulate_shows_each_move_and_the_end(scored: Path, capsys: pytest.CaptureFixture[str]):
    """Moves with their evidence, then what came of it."""
    (scored / "pairs.jsonl").write_text(pairs(800))

    code, out, err = ran(capsys, "simulate", "policies/triage.yaml", "--pairs", "pairs.jsonl")

    assert (code, err) == (0, "")
    assert "STAGE shadow -> 1%  DECISION PROMOTE" in out
    assert out.rstrip().splitlines()[-1].startswith("PROMOTE after ")


def test_simulate_holds_likeness_against_the_baselines_own(place: Path, capsys: pytest.CaptureFixture[str]):
    """As alike as the baseline is to itself promotes, less ends undecided and convicts nobody; a score says nothing."""
    alike: dict[str, Any] = {"agree": 0.8, "agree_again": 0.8, "b_again": 0.8}
    less: dict[str, Any] = {**alike, "agree": 0.5, "b_again": 0.5}
    for more, decision in ((alike, "PROMOTE"), (less, "INCONCLUSIVE"), (dict[str, Any](), "HOLD")):
        (place / "pairs.jsonl").write_text(pairs(800, **more))
        _, out, _ = ran(capsys, "simulate", "policies/triage.yaml", "--pairs", "pairs.jsonl", "--json")
        assert json.loads(out.splitlines()[-1])["decision"] == decision


def test_simulate_ends_in_one_json_line(scored: Path, capsys: pytest.CaptureFixture[str]):
    """The last line is the whole outcome; gzip is read as it is, and the units' order does not change this verdict."""
    (scored / "pairs.gz").write_bytes(gzip.compress(pairs(120, q=-1.0).encode()))

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


def observed(
    place: Path, events: list[PairEvent], *, route: str = "support-triage", again: bool = False,
    rules: tuple[str, str] | None = None,
) -> None:  # fmt: skip
    """Records of what a leader counted in the last hour."""
    now, terms = clock.wall(), policy(rules[0], compare=rules[1]) if rules else policy()
    rows = [
        Observation(
            seq=seq, observed_us=int((now - 3600 + again) * 1e6), route=route, attempt=1, weight_ppm=0, epoch=0,
            candidate_key=decision_rules(terms, READY).key.digest, watermark=now, held_json="{}",
            event_json=msgspec.json.encode(replace(event, at=now - 90_000 + seq)).decode(),
        )
        for seq, event in enumerate(events)
    ]  # fmt: skip
    rows.append(replace_row(rows[-1], seq=len(events), event_json=""))
    store = Store(place / "crossfade-data" / "records")
    store.publish(store.stage(OBSERVATIONS, rows, f"{route}-{again}"))


def test_simulate_goes_over_recorded_traffic(scored: Path, capsys: pytest.CaptureFixture[str]):
    """What the leader counted of this candidate, each once, the last time it did; nothing else of the records."""
    read_pairs = [read(line.encode())[0] for line in pairs(800).splitlines()]
    observed(scored, [replace(event, q=-1.0) for event in read_pairs], rules=(OBSERVED, SCORED))
    observed(scored, read_pairs, again=True, rules=(OBSERVED, SCORED))
    observed(scored, [replace(event, q=-1.0) for event in read_pairs], route="other", rules=(OBSERVED, SCORED))

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
    """No data never promotes; that there is none is said, and no success."""
    (place / "none").write_text("")

    code, out, err = ran(capsys, "simulate", "policies/triage.yaml", "--pairs", "none", "--json")

    assert json.loads(out)["decision"] == "HOLD"
    assert (code, json.loads(err)["error"]["message"]) == (1, "none: no pair stands there")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"unit": "a"}', ":1: not a compared pair"),
        (pairs(1).encode() + b"\n" + pairs(1, q=2.0).encode(), ":2: q is 2"),
        (pairs(1).encode() + b"\n" + pairs(1, at=5.0).encode(), ":2: only some pairs say when they were"),
        (pairs(1, at=5.0).encode() + b"\n" + pairs(1).encode(), ":2: only some pairs say when they were"),
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


SEVERAL = "\n".join(
    (
        "route: several", "match: {model: gpt-4o}", "baseline: {upstream: openai}", "candidates:",
        "  - {name: small, upstream: vllm, model: triage-3b, revision: r1}",
        "  - {name: large, upstream: vllm, model: triage-7b, revision: r1}",
        f"compare: {SCORED}", OBSERVED, "stages: [shadow: {days: 0}, 1%, 100%]", "",
    )
)  # fmt: skip


def of(name: str, **more: Any) -> str:
    """The pairs of one of several candidates."""
    return "".join(
        json.dumps({**json.loads(line), "candidate": name, **more}) + "\n" for line in pairs(800).splitlines()
    )


def test_simulate_picks_one_of_several(scored: Path, capsys: pytest.CaptureFixture[str]):
    """Pairs say which candidate they are of; the one with the best mean goes on, and the others rest."""
    (scored / "policies/several.yaml").write_text(SEVERAL)
    (scored / "pairs.jsonl").write_text(of("small", q=0.1) + of("large", q=0.2))
    code, out, err = ran(capsys, "simulate", "policies/several.yaml", "--pairs", "pairs.jsonl", "--json")
    found = json.loads(out.splitlines()[-1])
    _, told, _ = ran(capsys, "simulate", "policies/several.yaml", "--pairs", "pairs.jsonl")

    assert (code, err) == (0, "")
    assert found["picked"] == "large"
    assert {name: each["decision"] for name, each in found["candidates"].items()} == {
        "small": "HOLD",
        "large": "PROMOTE",
    }
    assert "it rests while several@large serves" in told
    assert told.endswith("picked: large\n")


@pytest.mark.parametrize(
    ("policy_file", "line", "says"),
    [
        ("several", {}, ":1: does not say which `candidate` it is of. hint: one of small, large"),
        ("several", {"candidate": "huge"}, ":1: `candidate` is 'huge'. hint: one of small, large"),
        ("triage", {"candidate": "small"}, ":1: `candidate` is 'small', and the policy has one"),
    ],
)
def test_pairs_of_nobody_are_refused(
    scored: Path, capsys: pytest.CaptureFixture[str], policy_file: str, line: dict[str, str], says: str
):
    """With the line, and whom there is."""
    (scored / "policies/several.yaml").write_text(SEVERAL)
    (scored / "pairs.jsonl").write_text(json.dumps({**json.loads(pairs(1).splitlines()[0]), **line}))
    code, _, err = ran(capsys, "simulate", f"policies/{policy_file}.yaml", "--pairs", "pairs.jsonl")

    assert code == 1
    assert says in err

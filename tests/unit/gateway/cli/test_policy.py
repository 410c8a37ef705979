"""`crossfade policy lint|explain|schema`, called as the command line calls them."""

import json
from pathlib import Path

import pytest

from gateway import clock
from gateway.cli.main import main
from policies import explain
from policies.schema import json_schema
from records.parquet import EXCHANGES
from records.pricing import PriceBook
from records.record_maker import RecordMaker, RoutePrices
from records.redact import Redactor
from records.store import Store
from tests.fakes.exchanges import chat_request, exchange
from tests.rooms.cli_policies import ran, record
from tests.rooms.policy_files import written

pytestmark = pytest.mark.usefixtures("place")


def test_lint_of_a_good_folder(capsys: pytest.CaptureFixture[str]):
    """Nothing on stdout, the count on stderr, exit 0."""
    assert ran(capsys, "lint") == (0, "", "1 fine, 0 problems, 0 warnings\n")


@pytest.mark.parametrize("verb", ["lint", "plan", "explain"])
def test_a_folder_without_policies_is_told(verb: str, capsys: pytest.CaptureFixture[str]):
    """Where there is no policy, it is said with what to do, on stderr, and is no failure."""
    Path("policies/triage.yaml").unlink()
    for folder in ("crossfade-policies", "policies", "nowhere"):
        told = f"No policy file in {folder}. hint: `crossfade init` writes an example to copy\n"
        assert ran(capsys, verb) == (0, "", told)
        Path("crossfade.yaml").write_text("policies: " + ("policies" if folder != "policies" else "nowhere"))


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
    for line in ("b.yaml:1:", "warning: `observe` moves no traffic", "a.yaml has a route of the same name",
                 "none.md: no such file", "x.py: no such file", "s: no such file"):  # fmt: skip
        assert line in out
    assert err == "1 fine, 5 problems, 3 warnings\n"
    rows = json.loads(ran(capsys, "lint", "--json")[1])
    assert sorted((row["refused"] for row in rows), reverse=True) == [True] * 5 + [False] * 3


def test_lint_refuses_what_can_never_be_certified(capsys: pytest.CaptureFixture[str]):
    """A likeness gate whose baseline cannot be asked twice, though a gateway serves the route."""
    settings = Path("crossfade.yaml")
    settings.write_text(settings.read_text().replace(", background_key_env: K", ""))

    code, out, err = ran(capsys, "lint")

    assert code == 1 and "the baseline is asked twice" in out
    assert err.startswith("0 fine, 1 problem,")


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


def test_explain_replays_a_decision(place: Path, capsys: pytest.CaptureFixture[str]):
    """The same evidence, the same words; a record that was tampered with is another decision; garbage is refused."""
    kept = record(30)
    (place / "d.json").write_bytes(explain.encode(kept))

    code, out, err = ran(capsys, "explain", "--replay", "d.json")

    assert (code, err) == (0, "the same decision\n")
    assert out == explain.text(kept.decision) + "\n"
    assert json.loads(ran(capsys, "explain", "--replay", "d.json", "--json")[1])["text"] == explain.text(kept.decision)
    (place / "d.json").write_bytes(explain.encode(kept).replace(b'"reason":"', b'"reason":"not ', 1))
    code, _, err = ran(capsys, "explain", "--replay", "d.json")
    assert (code, "ANOTHER decision than was recorded: other reason" in err) == (1, True)
    (place / "d.json").write_bytes(b"{}")
    code, _, err = ran(capsys, "explain", "--replay", "d.json")
    assert code == 1
    assert "not a decision record" in err
    assert "evidence/ROUTE/*.json" in err
    assert "No such file" in ran(capsys, "explain", "--replay", "none.json")[2]


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
    assert "less than one would be the candidate's in 10s" in out


def test_schema_prints_the_json_schema(capsys: pytest.CaptureFixture[str]):
    """What editors complete policies by."""
    assert ran(capsys, "schema") == (0, json_schema() + "\n", "")


def test_bad_usage_is_exit_2(capsys: pytest.CaptureFixture[str]):
    """A verb that there is not, and none at all."""
    for words in (["policy"], ["policy", "zzz"], ["policy", "simulate"], ["policy", "simulate", "x", "--since", "7"]):
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == 2

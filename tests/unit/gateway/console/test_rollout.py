"""One rollout's page: the sentence, the gates, and what can be said to it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.admin.figure_views import GatePathView, GatePointView
from gateway.admin.views import DecisionLine
from gateway.console.render import environment
from gateway.console.rollout import rungs, tiles, verbs
from gateway.control.operations import orders as operating
from gateway.control.operations import rollback_check
from gateway.control.state.sqlite import SqliteState
from gateway.node.database import opened, read_audit
from gateway.node.datadir import held
from policies.results import GuardResult, Results
from policies.rollout import step
from policies.routing import PPM
from policies.terms import Phase, Verb, Verdict
from tests.rooms.console_house import GATES, RESULTS, ConsoleHouse, house, read, send, stand, visitor
from tests.rooms.kept_rollouts import served
from tests.rooms.looks import CANARY, NOW, told

LOOK = step(CANARY, RESULTS, now=NOW)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConsoleHouse]:
    monkeypatch.setattr(operating, "ROLLBACK_S", 0.0)
    monkeypatch.setattr(operating, "ANSWER_S", 0.0)
    with house(tmp_path) as found:
        found.furnish()
        stand(found.data)
        yield found


async def test_the_page_says_why_it_has_not_moved(home: ConsoleHouse) -> None:
    """The sentence first; each gate with its estimate, interval, limit, evidence and n; who reaches the candidate."""
    async with visitor(home.data) as client:
        page = read((await client.get("/routes/triage")).text)
        assert "At 5 % of the traffic; no controller is deciding, so it cannot move up." in page.words
        assert re.search(r"It waits for errors, [^.:]*\.", page.words)
        for piece in ("−0.0100", "−0.0200 to +0.0000", "−0.0500", "2.50", "of 1.30", "400"):
            assert piece in page.words, piece
        assert "Assigned to the candidate" in page.words
        assert "answered 12 of the last 12 requests" in page.words
        links = page.links()
        assert "/pairs?route=triage&sort=q" in links
        assert {"/routes/triage/promote", "/routes/triage/hold", "/routes/triage/rollback"} <= set(links)
        shown = (await client.get("/routes/triage.json")).json()
        assert [gate["gate"] for gate in shown["detail"]["decision"]["results"]["gates"]] == ["quality", "errors"]
        assert (await client.get("/api/v1/rollouts/triage")).json() == shown["detail"]


async def test_a_promoted_rollout_waits_for_nothing(home: ConsoleHouse) -> None:
    """On the last stage the second sentence says how long it holds, and no stage that it might wait for."""
    stages = CANARY.ladder.stages
    stand(home.data, rollout=replace(CANARY, phase=Phase.PROMOTED, stage=len(stages) - 1, lived_s=40.0))
    async with visitor(home.data) as client:
        page = read((await client.get("/routes/triage")).text).words
        assert "Holds for 45 s." in page
        assert "It waits for" not in page


async def test_a_stopped_rollout_shows_what_stopped_it(home: ConsoleHouse) -> None:
    """Gates and ladder are those of the rollback, and nothing is waited for: what is looked at since is empty."""
    harm = replace(RESULTS.gates[0], verdict=Verdict.FAIL, estimate=-0.2333, reason="quality: harm is certified")
    stop = step(CANARY, replace(RESULTS, gates=(harm, *RESULTS.gates[1:])), now=NOW - 130)
    assert stop.rollout.phase is Phase.ROLLED_BACK
    state = SqliteState(home.data.state)
    state.add_decision(told(stop))
    state.close()
    stand(home.data, Results(), stop.rollout)
    async with visitor(home.data) as client:
        page = read((await client.get("/routes/triage")).text).words
        assert "as they stood when it was rolled back" in page
        assert "Fail" in page and "−0.2333" in page
        assert re.search(r"5%\s*rolled back here", page)
        assert "Nobody has looked yet" not in page and "cooldown" not in page
        (first, *_) = (await client.get("/routes/triage.csv")).text.splitlines()[1:]
        assert first.startswith("quality,FAIL")
        listed = (await client.get("/")).text
        assert "rolled back once; starts again in the shadow in" in listed
        assert 'title="quality: harm is certified"' in listed


async def test_an_ill_candidate_is_said_once_and_not_well(home: ConsoleHouse) -> None:
    """Where no detector is raised and yet it does not answer, nothing beside the heading says that all is well."""
    sick = "the candidate failed its last 5 requests (cannot be reached)"
    stand(home.data, replace(RESULTS, unhealthy=sick, serving=sick.removeprefix("the candidate ")))
    async with visitor(home.data) as client:
        page = read((await client.get("/routes/triage")).text).words
        health = page[page.index("Guards and health") : page.index("Who reaches the candidate")]
        assert "the candidate is ill" in health and "none raised" not in health
        assert health.count(sick) == 1


async def test_a_verb_is_previewed_and_nothing_moves(home: ConsoleHouse) -> None:
    """Before it is said, the core itself says what a verb would do: from where to where, and what is not certified."""
    async with visitor(home.data) as client:
        page = read((await client.get("/routes/triage/promote")).text).words
        assert "5% → 50%" in page
        assert "Inconclusive" in page or "errors" in page
        assert "5 % → 50 % of eligible requests" in page
        assert "would be refused" in read((await client.get("/routes/triage/resume")).text).words
    state = SqliteState(home.data.state)
    assert state.orders() == []
    state.close()


async def test_a_rollback_from_the_page(home: ConsoleHouse) -> None:
    """It wants a reason, is made without any leader, stands in log and history; sent twice it is one."""
    async with visitor(home.data) as client:
        short = await send(client, "/routes/triage/rollback", reason="bad")
        assert short.status_code == 400
        carried = read((await client.get("/routes/triage/rollback")).text).forms()
        headers = {"origin": "http://127.0.0.1:8081"}
        for _ in range(2):
            said = await client.post(
                "/routes/triage/rollback", data=carried | {"reason": "it answers in Latin"}, headers=headers
            )
            assert (said.status_code, said.headers["location"]) == (303, "/routes/triage?view=history")
        page = read((await client.get("/routes/triage")).text).words
        assert "rolled back" in page
    state = SqliteState(home.data.state)
    assert state.rollouts()["triage"].weight_ppm == 0
    state.close()
    with opened(home.data.state) as local:
        assert {(each.actor, each.action, each.reason) for each in read_audit(local)} == {
            ("console", "rollout.rollback", "it answers in Latin")
        }


async def test_a_rollback_that_the_table_does_not_show(home: ConsoleHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says that it is decided and not done on this node, and what does it at once."""
    monkeypatch.setattr(rollback_check, "FOLLOWS_S", 0.0)
    home.data.routing.write_bytes(served(PPM // 20))
    async with visitor(home.data) as client:
        with held(home.data):
            said = await send(client, "/routes/triage/rollback", reason="it answers in Latin")
    assert said.status_code == 409
    words = read(said.text).words
    assert "decided, and not done on this node" in words
    assert "crossfade kill" in words


async def test_a_promotion_that_nobody_takes(home: ConsoleHouse) -> None:
    """Without a leader a promotion is withdrawn, and the page says so instead of pretending."""
    async with visitor(home.data) as client:
        said = await send(client, "/routes/triage/promote", reason="we are sure of it")
        assert said.status_code == 409
        assert "no leader answered" in read(said.text).words
        forged = await send(client, "/routes/triage/promote", reason="we are sure of it", order="../x")
        assert forged.status_code == 400


def test_the_history_says_what_each_decision_did() -> None:
    """Its first sentence stands in the list, with its commands as code; what it did is not said twice."""
    text = "Rolled back: see `crossfade explain triage`.\nROUTE triage  DECISION ROLLBACK"
    kept = [DecisionLine(id="1", at=NOW, route="triage", move="roll_back", outcome="ROLLBACK", text=text)]
    kept.append(DecisionLine(id="2", at=NOW, route="triage", move="hold", outcome="HOLD", text="Waits."))
    template = environment().get_template("rollout_history.html")
    html = template.render(decisions=kept, route="triage", ask=SimpleNamespace(now=NOW))
    page = read(html).words
    assert "rollback 0 s ago Rolled back: see crossfade explain triage. ROUTE triage DECISION ROLLBACK" in page
    assert "hold 0 s ago Waits." in page and "hold hold" not in page


def test_the_ladder_and_its_verbs() -> None:
    """Stages that are done, the one it stands on, those to come; and exactly the words that the core would take."""
    assert [rung.state for rung in rungs(LOOK, None, NOW, units=400)] == ["done", "here", "", ""]
    assert "needs approval" in rungs(LOOK, None, NOW, units=400)[2].lines
    assert rungs(None, None, NOW, units=None) == []
    assert verbs(LOOK) == [Verb.PROMOTE, Verb.HOLD, Verb.ROLLBACK]
    stopped = step(replace(CANARY, phase=Phase.REJECTED, stage=0), Results(), now=NOW)
    assert verbs(stopped) == [Verb.RESUME]
    assert verbs(None) == [Verb.ROLLBACK]


def test_a_gate_over_time() -> None:
    """From three decisions on a gate has a picture of its interval over time, with its stages; below, none."""
    points = [
        GatePointView(at=float(at), gate="quality", stage="shadow" if at < 2 else "5%", verdict="PASS", estimate=-0.01,
                      lower=-0.03, upper=0.01, limit=-0.05, log10_e=1.0, n=100)
        for at in range(4)
    ]  # fmt: skip
    (tile,) = tiles(GatePathView(points=points), GATES[:2])
    assert "quality over time" in tile.picture
    assert ">5%</text>" in tile.picture
    assert tiles(GatePathView(points=points[:2]), GATES[:2]) == []


async def test_an_order_names_every_check_that_it_overrules(home: ConsoleHouse) -> None:
    """Guards that do not hold as well as gates that are not certified: a promotion waits for both."""
    guard = GuardResult("judge_bias", Verdict.INCONCLUSIVE, "judge_bias: too few labels")
    stand(home.data, replace(RESULTS, guards=(*RESULTS.guards, guard)))
    async with visitor(home.data) as client:
        page = read((await client.get("/routes/triage/promote")).text).words
        told = page.partition("Not passed yet")[2].partition("You overrule")[0]
        assert ["quality" in told, "errors" in told, "judge bias" in told] == [False, True, True]


async def test_what_is_not_tested_is_not_called_unknown(home: ConsoleHouse) -> None:
    """Cost is what was paid: it has no evidence and no interval to wait for."""
    cost = replace(GATES[3], log10_e=None, lower=None, upper=None)
    stand(home.data, replace(RESULTS, gates=(*RESULTS.gates, cost)))
    async with visitor(home.data) as client:
        for path in ("/routes/triage", "/routes/triage/report"):
            assert "not tested" in read((await client.get(path)).text).words, path

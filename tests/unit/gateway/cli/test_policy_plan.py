"""`crossfade policy plan`: policy files beside what is in force."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace as replace_row

from gateway.control.publish.policy_folder import keep_good
from gateway.control.state.port import Decided
from gateway.control.state.sqlite import SqliteState
from gateway.node.database import opened
from policies import explain
from tests.rooms.cli_policies import ran, record
from tests.rooms.policy_files import SHORT, written

pytestmark = pytest.mark.usefixtures("place")


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
    assert "  shadow   about 24 hours, waits for hold\n" in out
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
    assert "    errors    390 units, " in out
    state.keep_look(replace_row(look, record=b"{}"))
    code, out, err = ran(capsys, "plan", "--traffic", "5000")
    assert "stands" not in out
    assert err.startswith("planned from the foot, since where rollouts stand is not to be had: not a decision record")
    state.close()

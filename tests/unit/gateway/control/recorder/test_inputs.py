import os
from pathlib import Path

from gateway.control.recorder.boot import RecorderBoot
from gateway.control.recorder.inputs import RecorderInputs
from policies.routing import Lease, Table, Upstream, encode
from shadow import plan
from shadow.plan import ShadowPlan
from tests.rooms.drawing import route

KEY = bytes(range(32)).hex()


def inputs(root: Path) -> RecorderInputs:
    """Those of a recorder in `root`."""
    boot = RecorderBoot(
        journal=str(root / "journal"),
        journal_key=KEY,
        pepper=KEY,
        records=str(root),
        exposition=str(root / "recorder.prom"),
        routing=str(root / "routing.json"),
        plan=str(root / "shadow.json"),
        readers=str(root / "readers"),
    )
    return RecorderInputs(boot)


def write(path: Path, content: bytes, changed_at: int) -> None:
    """Write a file, with its change time in whole seconds, so that no two are of one moment."""
    path.write_bytes(content)
    os.utime(path, (changed_at, changed_at))


def test_prices_are_those_of_the_last_table_that_could_be_read(tmp_path: Path) -> None:
    """Without a table there are prices all the same; a damaged one takes none away, a new one brings its own."""
    ours, path = inputs(tmp_path), tmp_path / "routing.json"
    ours.read_routing()
    first = ours.maker
    ours.read_routing()
    assert ours.maker is first
    write(path, encode(Table(1, Lease(1.0), (Upstream("openai", "https://api.openai.com/v1"),), "openai")), 1)
    ours.read_routing()
    second = ours.maker
    assert second is not first
    write(path, b"{", 2)
    ours.read_routing()
    assert ours.maker is second


def test_whom_the_shadow_asks_of_several_candidates_is_known(tmp_path: Path) -> None:
    """The table names one of them at most; the shadow's plan names each by its rollout, whichever was written last."""
    ours = inputs(tmp_path)
    table = encode(Table(1, Lease(1.0), (Upstream("openai", "https://api.openai.com/v1"),), "openai"))
    write(tmp_path / "routing.json", table, 1)
    ours.read_routing()
    assert ours.maker.upstream_asked("support@same", of_candidate=True) == ""
    asked = route(route="support@same")
    write(tmp_path / "shadow.json", plan.encode(ShadowPlan((asked,))), 2)
    ours.read_routing()
    assert ours.maker.upstream_asked("support@same", of_candidate=True) == asked.candidate.upstream
    assert ours.maker.upstream_asked("support@same", of_candidate=False) == asked.baseline.upstream

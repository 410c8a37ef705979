import os
from pathlib import Path

from gateway.control.recorder.boot import RecorderBoot
from gateway.control.recorder.inputs import RecorderInputs
from policies.routing import Lease, Table, Upstream, encode

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

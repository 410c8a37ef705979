import io
import os
from pathlib import Path

from gateway.control.recorder.boot import RecorderBoot
from gateway.control.recorder.inputs import RecorderInputs
from gateway.log import Log
from policies.routing import Lease, Table, Upstream, encode
from records import erasure
from records.erasure import Forgotten, Subject
from records.record import Vote

KEY = bytes(range(32)).hex()


def inputs(root: Path, stream: io.StringIO) -> RecorderInputs:
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
    return RecorderInputs(boot, root, Log("recorder", stream=stream))


def write(path: Path, content: bytes, changed_at: int) -> None:
    """Write a file, with its change time in whole seconds, so that no two are of one moment."""
    path.write_bytes(content)
    os.utime(path, (changed_at, changed_at))


def test_who_is_forgotten_is_read_again_when_the_file_changes(tmp_path: Path) -> None:
    """One that is damaged is told with what to do, and forgets as many as before; one that is gone forgets nobody."""
    stream = io.StringIO()
    ours, path = inputs(tmp_path, stream), tmp_path / erasure.FILE
    vote = Vote(exchange_id="x", said_us=1, key_id="k", score=1.0, label=None, comment=None, corrected_output_json=None)
    ours.read_forgotten()
    assert not ours.sieve.covers(vote)
    write(path, erasure.encode(Forgotten().adding(Subject("exchange", "x", 1.0), ["x"])), 1)
    ours.read_forgotten()
    assert ours.sieve.covers(vote)
    write(path, b"{", 2)
    ours.read_forgotten()
    assert ours.sieve.covers(vote)
    assert stream.getvalue().count("recorder.forgotten_damaged") == 1
    path.unlink()
    ours.read_forgotten()
    assert not ours.sieve.covers(vote)


def test_prices_are_those_of_the_last_table_that_could_be_read(tmp_path: Path) -> None:
    """Without a table there are prices all the same; a damaged one takes none away, a new one brings its own."""
    ours, path = inputs(tmp_path, io.StringIO()), tmp_path / "routing.json"
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

"""Following the routing table, the kill file and the lease: by files alone, and never worse off for a bad one."""

import json
import os
from pathlib import Path

import msgspec
import pytest

from gateway.log import Log
from gateway.proxy.table_watch import FILES_S, Serving, TableWatch, ready
from gateway.transport.upstreams import UpstreamSet
from policies.routing import Lease, Route, Table, Upstream, Variant, encode

HERE = Upstream("openai", "http://127.0.0.1:1/v1")


def table(version: int = 1, *, renewed_at: float = 1000.0, **fields: object) -> Table:
    lease = Lease(renewed_at, hold_s=60.0, grace_s=300.0)
    return msgspec.structs.replace(Table(version, lease, (HERE,), "openai"), **fields)


class Place:
    """A data directory, a clock on the wall and one that never jumps."""

    def __init__(self, directory: Path) -> None:
        self.routing, self.kill = directory / "routing.json", directory / "KILL"
        self.wall = 1000.0
        self.now = 50.0
        self.written = 0

    def write(self, data: bytes) -> None:
        self.written += 1
        fresh = self.routing.with_suffix(".new")
        fresh.write_bytes(data)
        os.utime(fresh, ns=(self.written, self.written))
        fresh.replace(self.routing)

    def watch(self) -> TableWatch:
        return TableWatch(self.routing, self.kill, {})

    def poll(self, watch: TableWatch) -> bool:
        return watch.poll(wall=lambda: self.wall, now=self.now)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def serving(watch: TableWatch) -> Serving:
    assert watch.serving is not None
    return watch.serving


def test_a_new_table_is_served_from(place: Place) -> None:
    """Each table that is published is taken up at the next look, once."""
    watch = place.watch()
    assert not place.poll(watch)
    assert watch.serving is None
    place.write(encode(table(1)))
    assert place.poll(watch)
    assert not place.poll(watch)
    assert serving(watch).table.version == 1
    place.write(encode(table(2)))
    assert place.poll(watch)
    assert serving(watch).table.version == 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        encode(table(2))[:-5],
        encode(table(2, format=2)),
        encode(table(2, default_upstream="nobody")),
    ],
)  # fmt: skip
def test_a_bad_table_keeps_the_last_good_one(place: Place, data: bytes) -> None:
    """Torn, newer, contradictory or unusable: the table before stays, the problem is told, and a good one mends it."""
    watch = place.watch()
    place.write(encode(table(1)))
    place.poll(watch)
    place.write(data)
    assert not place.poll(watch)
    assert serving(watch).table.version == 1
    assert watch.problem
    place.write(encode(table(3)))
    assert place.poll(watch)
    assert watch.problem == ""


@pytest.mark.parametrize(
    "ill",
    [
        Upstream("own", "ftp://x/v1"), Upstream("own", "http://x:99999/v1"), Upstream("own", "http://[x/v1"),
        Upstream("own", "http://x/v1", proxy="http://x:y"), Upstream("own", "http://x/v1", api_key_file="/nowhere/key"),
        Upstream("own", "http://x/v1", api_key_env="UNSET"), Upstream("own", "https://x/v1", ca_file="/nowhere/ca"),
        Upstream("own", "http://x/v1", api_key_file="nul\0"),
    ],
)  # fmt: skip
def test_an_upstream_that_cannot_be_made_ready_is_out_alone(
    place: Place, ill: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table is taken up, a first one too; the others serve; an alarm says which upstream is out, and why, once."""
    place.write(encode(table(2, upstreams=(HERE, ill))))
    watch, log = place.watch(), Log("w")
    assert place.poll(watch)
    served = serving(watch)
    assert (served.table.version, watch.problem) == (2, "")
    assert not served.default.target.out
    assert served.destinations["own"].target.out
    watch.tell(log)
    watch.tell(log)
    (line,) = capsys.readouterr().err.splitlines()
    assert '"level": "error"' in line
    assert "upstream own: " in line
    place.write(encode(table(3)))
    assert place.poll(watch)
    watch.tell(log)
    assert '"event": "upstream.ready"' in capsys.readouterr().err


def test_a_refused_table_is_told(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not taken up is an alarm, and its mending a line."""
    watch, log = place.watch(), Log("w")
    place.write(b"{}")
    place.poll(watch)
    watch.tell(log)
    place.write(encode(table(1)))
    place.poll(watch)
    watch.tell(log)
    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert events == ["table.refused", "table.taken"]


def test_a_key_file_that_changed_is_read_again(place: Place, tmp_path: Path) -> None:
    """A key that was rotated is in use within a second; while it cannot be read, the last one is."""
    key = tmp_path / "key"
    key.write_bytes(b"sk-1")
    own = Upstream("own", "http://x/v1", api_key_file=str(key))
    place.write(encode(table(1, upstreams=(HERE, own))))
    watch = place.watch()
    place.poll(watch)
    first = serving(watch)
    key.unlink()
    place.now += FILES_S
    place.poll(watch)
    assert b"Bearer sk-1" in serving(watch).destinations["own"].own
    key.write_bytes(b"sk-22")
    assert not place.poll(watch)
    place.now += FILES_S
    assert place.poll(watch)
    now = serving(watch)
    assert b"Bearer sk-22" in now.destinations["own"].own
    assert now.destinations["own"].target is first.destinations["own"].target
    assert now.default is first.default
    assert not place.poll(watch)


def test_an_upstream_that_did_not_change_keeps_its_connections_over_tables(place: Place) -> None:
    """Pools and the count of connections go by the target: it is the same until something is said of it anew."""
    watch = place.watch()
    place.write(encode(table(1, upstreams=(HERE, Upstream("own", "http://x/v1", max_connections=5)))))
    place.poll(watch)
    before = serving(watch).destinations
    own = Upstream("own", "http://x/v1", headers={"x": "1"}, max_connections=5)
    place.write(encode(table(2, upstreams=(HERE, own))))
    assert place.poll(watch)
    after = serving(watch).destinations
    assert after["openai"] is before["openai"]
    assert b"x: 1" in after["own"].own
    assert after["own"].target is before["own"].target
    place.write(encode(table(3, upstreams=(HERE, msgspec.structs.replace(own, max_connections=6)))))
    assert place.poll(watch)
    assert serving(watch).destinations["own"].target.max_connections == 6


def test_a_table_that_is_gone_changes_nothing(place: Place) -> None:
    """A file that was deleted leaves what is served as it is; its lease runs."""
    watch = place.watch()
    place.write(encode(table(1)))
    place.poll(watch)
    place.routing.unlink()
    assert not place.poll(watch)
    assert serving(watch).table.version == 1


def test_a_renewed_lease_is_no_new_table(place: Place) -> None:
    """A renewal keeps connections and all else that was made ready, and counts as no change."""
    watch = place.watch()
    place.write(encode(table(1)))
    place.poll(watch)
    before = serving(watch)
    place.write(encode(table(1, renewed_at=1010.0)))
    assert not place.poll(watch)
    assert serving(watch).default is before.default
    assert serving(watch).table.lease.renewed_at == 1010.0


def test_a_table_that_says_something_new_is_new_whatever_its_number(place: Place) -> None:
    """A controller that starts its numbers anew is followed: what is served is what the table says."""
    watch = place.watch()
    place.write(encode(table(1)))
    place.poll(watch)
    other = msgspec.structs.replace(
        table(1), upstreams=(Upstream("other", "http://127.0.0.1:9/v1"),), default_upstream="other"
    )
    place.write(encode(other))
    assert place.poll(watch)
    assert serving(watch).default.name == "other"


def test_the_lease_ages_by_a_clock_that_nobody_can_set(place: Place) -> None:
    """After the first look the wall clock means nothing; past the grace no candidate is asked, until a renewal."""
    watch = place.watch()
    assert not watch.candidate_allowed(place.now)
    place.wall = 1010.0
    place.write(encode(table(1)))
    place.poll(watch)
    assert watch.lease_age_s(place.now) == 10.0
    place.wall = -1e9
    assert watch.candidate_allowed(place.now + 290.0)
    assert not watch.candidate_allowed(place.now + 290.1)
    place.now, place.wall = place.now + 500.0, 1510.0
    place.write(encode(table(1, renewed_at=1500.0)))
    place.poll(watch)
    assert watch.lease_age_s(place.now) == 10.0
    assert watch.candidate_allowed(place.now)


def test_a_table_that_was_old_when_it_was_found_is_old(place: Place) -> None:
    """A worker that starts long after the control plane died asks no candidate."""
    place.wall = 1000.0 + 301.0
    watch = place.watch()
    place.write(encode(table(1)))
    place.poll(watch)
    assert not watch.candidate_allowed(place.now)


def test_a_lease_from_the_future_is_no_older_than_now(place: Place) -> None:
    """A control plane whose clock is ahead gives no negative age."""
    place.wall = 900.0
    watch = place.watch()
    place.write(encode(table(1)))
    place.poll(watch)
    assert watch.lease_age_s(place.now) == 0.0


def test_an_older_lease_does_not_renew(place: Place) -> None:
    """A table restored from a backup cannot make the lease younger."""
    watch = place.watch()
    place.write(encode(table(2, renewed_at=1000.0)))
    place.poll(watch)
    place.now += 200.0
    place.write(encode(table(1, renewed_at=500.0)))
    place.poll(watch)
    assert watch.lease_age_s(place.now) == 200.0


def test_a_clock_set_back_leaves_the_lease_with_who_renews_it(place: Place) -> None:
    """Renewals that are from before the last one, by a clock that was set back since, count as renewals."""
    watch = place.watch()
    place.wall = 7200.0
    place.write(encode(table(1, renewed_at=7200.0)))
    place.poll(watch)
    place.wall -= 3600.0
    for _ in range(80):
        place.wall, place.now = place.wall + 5.0, place.now + 5.0
        place.write(encode(table(1, renewed_at=place.wall)))
        place.poll(watch)
        assert (watch.lease_age_s(place.now), watch.candidate_allowed(place.now)) == (0.0, True)
    place.now += 300.5
    assert not watch.candidate_allowed(place.now)


def test_keep_outlives_the_lease(place: Place) -> None:
    """`on_expiry: keep` goes on, for those whose frontier can no longer carry the traffic."""
    watch = place.watch()
    place.write(encode(table(1, lease=Lease(1000.0, grace_s=1.0, on_expiry="keep"))))
    place.poll(watch)
    assert watch.candidate_allowed(place.now + 1e6)


def test_the_kill_file_is_seen_and_its_removal_too(place: Place) -> None:
    """The file's existence is the switch, with or without a table."""
    watch = place.watch()
    place.kill.touch()
    place.poll(watch)
    assert watch.killed
    place.kill.unlink()
    place.poll(watch)
    assert not watch.killed


def test_a_worker_may_write_the_kill_file_itself(place: Place) -> None:
    """Told by a signal, it writes the file, so that all workers see it."""
    watch = place.watch()
    watch.kill()
    assert watch.killed
    assert place.kill.exists()


def test_a_kill_that_cannot_be_written_holds_all_the_same(tmp_path: Path) -> None:
    """Where the disk takes no file the worker that was told stays killed, and writes it as soon as it is taken."""
    place = Place(tmp_path / "missing")
    watch = place.watch()
    watch.kill()
    place.poll(watch)
    assert watch.killed
    place.kill.parent.mkdir()
    place.poll(watch)
    assert watch.killed
    place.kill.unlink()  # as `crossfade kill --off` does
    place.poll(watch)
    assert not watch.killed


def test_only_routed_paths_are_read() -> None:
    """Bodies are read where a route could need them: POST, four paths, and only if there is a route at all."""
    plain = ready(table(), UpstreamSet({}))
    routed = ready(table(routes=(Route("r", Variant("openai")),)), UpstreamSet({}))
    assert not plain.reads(b"POST", "/v1/chat/completions")
    assert routed.reads(b"POST", "/v1/chat/completions")
    assert not routed.reads(b"GET", "/v1/chat/completions")
    assert not routed.reads(b"POST", "/v1/files")

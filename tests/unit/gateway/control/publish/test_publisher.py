from pathlib import Path

import msgspec
import pytest

from gateway.config.settings import Settings
from gateway.control.publish.publisher import Publisher
from gateway.control.publish.table import base_table, table_with
from policies.routing import Key, Route, Table, Variant, decode, encode


@pytest.fixture
def wanted() -> Table:
    return base_table(Settings(), Path("/run"))


def publisher(path: Path, now: float = 0.0) -> Publisher:
    found = Publisher(path)
    found.load(now)
    return found


def test_the_first_table(tmp_path: Path, wanted: Table) -> None:
    """The first table has version 1, the time of its lease, and mode 0600."""
    path = tmp_path / "routing.json"
    assert publisher(path).publish(wanted, 100.0)
    table = decode(path.read_bytes())
    assert (table.version, table.lease.renewed_at) == (1, 100.0)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_renewed_lease_keeps_the_version(tmp_path: Path, wanted: Table) -> None:
    """Nothing is written before the lease is due; then it is renewed under the same version."""
    path = tmp_path / "routing.json"
    publishing = publisher(path)
    publishing.publish(wanted, 100.0)
    written = path.stat().st_ino
    assert not publishing.publish(wanted, 104.9)
    assert path.stat().st_ino == written
    assert not publishing.publish(wanted, 105.0)
    table = decode(path.read_bytes())
    assert (table.version, table.lease.renewed_at) == (1, 105.0)


def test_a_clock_that_goes_back_renews_the_lease(tmp_path: Path, wanted: Table) -> None:
    """A lease from the future is renewed at once, so that it does not outlive us by an hour."""
    publishing = publisher(tmp_path / "routing.json")
    publishing.publish(wanted, 3700.0)
    publishing.publish(wanted, 100.0)
    assert publishing.table is not None
    assert publishing.table.lease.renewed_at == 100.0


def test_a_change_of_meaning_raises_the_version(tmp_path: Path, wanted: Table) -> None:
    """Every change raises the version at once, also the one that goes back to what there was."""
    publishing = publisher(tmp_path / "routing.json")
    changed = table_with(wanted, (), (Key("key_1", "a", "00"),))
    assert [publishing.publish(table, 100.0) for table in (wanted, changed, wanted)] == [True, True, True]
    assert decode((tmp_path / "routing.json").read_bytes()).version == 3


def test_a_restart_goes_on_where_it_stopped(tmp_path: Path, wanted: Table) -> None:
    """A new controller keeps the version of the same meaning, and raises it for another."""
    path = tmp_path / "routing.json"
    publisher(path).publish(wanted, 100.0)
    again = publisher(path)
    assert not again.publish(wanted, 200.0)
    assert decode(path.read_bytes()).version == 1
    assert publisher(path).publish(msgspec.structs.replace(wanted, expose_variant=False), 201.0)
    assert decode(path.read_bytes()).version == 2


@pytest.mark.parametrize("damage", ["torn", "newer"])
def test_after_an_unreadable_table_versions_still_rise(tmp_path: Path, wanted: Table, damage: str) -> None:
    """Behind a table that is torn or of a newer version of Crossfade, no version can have been given out before."""
    path = tmp_path / "routing.json"
    newer = encode(msgspec.structs.replace(wanted, version=41, format=99))
    path.write_bytes(newer if damage == "newer" else newer[:-10])
    publisher(path, now=1_700_000_000.0).publish(wanted, 1_700_000_000.0)
    assert decode(path.read_bytes()).version == 1_700_000_001


def test_what_cannot_be_written_is_tried_again(tmp_path: Path, wanted: Table) -> None:
    """A failing disk is an error for the caller, and the next try publishes."""
    publishing = publisher(tmp_path / "missing" / "routing.json")
    with pytest.raises(FileNotFoundError):
        publishing.publish(wanted, 100.0)
    (tmp_path / "missing").mkdir()
    assert publishing.publish(wanted, 101.0)


def test_settings_become_a_table() -> None:
    """Upstreams, capture and keys mode arrive in the table's units; a sample of bodies leaves the journal whole."""
    settings = Settings.model_validate(
        {
            "upstreams": {
                "azure": {
                    "base_url": "https://h",
                    "base_path": "/openai/deployments/gpt/",
                    "query": {"api-version": "1"},
                    "api_key_file": "/run/key",
                }
            },
            "keys": {"mode": "virtual"},
            "capture": {"sample": "5%", "max_body": "1KiB", "binary": "keep"},
            "expose_variant": False,
        }
    )
    table = base_table(settings, Path("/run"))
    (upstream,) = table.upstreams
    assert upstream.base_url == "https://h/openai/deployments/gpt"
    assert (upstream.query, upstream.api_key_file) == ({"api-version": "1"}, "/run/key")
    assert (table.default_upstream, table.keys_mode, table.expose_variant) == ("azure", "virtual", False)
    assert (table.capture.sample_ppm, table.capture.max_body_bytes, table.capture.binary) == (1_000_000, 1024, "keep")


@pytest.mark.parametrize(
    ("weight_ppm", "promoted", "expected"),
    [(0, (), "keep"), (10_000, (), "baseline"), (1_000_000, (), "baseline"), (980_000, ("r",), "keep")],
)
def test_keep_counts_only_when_nothing_is_on_its_way(weight_ppm: int, promoted: tuple[str, ...], expected: str) -> None:
    """`lease_expired: keep` is in the table only while no candidate stands between 0 and the ladder's end."""
    base = base_table(Settings(lease_expired="keep"), Path("/run"))
    route = Route("r", Variant("openai"), candidate=Variant("openai"), weight_ppm=weight_ppm)
    assert table_with(base, (route,), (), promoted).lease.on_expiry == expected


def test_nobody_vouches_nothing_is_renewed(tmp_path: Path, wanted: Table) -> None:
    """Without a word from who evaluates, changes are published and the lease runs on as it was."""
    publishing = publisher(tmp_path / "routing.json")
    assert publishing.publish(wanted, 100.0, renew=False)
    assert decode((tmp_path / "routing.json").read_bytes()).lease.renewed_at == 0.0
    publishing.publish(wanted, 100.0)
    assert not publishing.publish(wanted, 200.0, renew=False)
    assert publishing.publish(msgspec.structs.replace(wanted, expose_variant=False), 200.0, renew=False)
    table = decode((tmp_path / "routing.json").read_bytes())
    assert (table.version, table.lease.renewed_at) == (2, 100.0)


def test_a_lease_from_the_future_is_not_kept(tmp_path: Path, wanted: Table) -> None:
    """After a clock that went back, a change without renewal does not carry on a lease that would last too long."""
    publishing = publisher(tmp_path / "routing.json")
    publishing.publish(wanted, 3700.0)
    publishing.publish(msgspec.structs.replace(wanted, expose_variant=False), 100.0, renew=False)
    assert publishing.table is not None
    assert publishing.table.lease.renewed_at == 100.0


def test_a_version_stands_for_its_stamp_too(tmp_path: Path, wanted: Table) -> None:
    """Another stamp is another version, told before it is written; an unknown one changes nothing."""
    publishing, told = publisher(tmp_path / "routing.json"), []
    publishing.publish(wanted, 100.0, stamp=b"a", before=told.append)
    assert not publishing.publish(wanted, 101.0, stamp=b"a", before=told.append)
    assert not publishing.publish(wanted, 101.0, before=told.append)
    assert publishing.publish(wanted, 101.0, stamp=b"b", before=told.append)
    assert told == [1, 2]
    again = publisher(tmp_path / "routing.json")
    again.stamp = b"b"
    assert not again.publish(wanted, 102.0, stamp=b"b", before=told.append)

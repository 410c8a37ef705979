from pathlib import Path

from gateway.config.settings import Settings
from gateway.doctor.archive import archive
from gateway.doctor.result import CheckResult
from records.archive.bucket import open_bucket
from tests.rooms.object_storage import s3


def looked(url: str) -> CheckResult:
    (found,) = archive(Settings.model_validate({"archive": url}))
    return found


def test_no_archive_is_no_finding() -> None:
    """Who wants no copy is told nothing of one."""
    assert list(archive(Settings())) == []


def test_an_archive_that_takes_records_is_fine() -> None:
    """It is written, read and cleared for the look."""
    with s3() as url:
        assert looked(url) == CheckResult("ok", "archive", f"{url} takes records")
        assert open_bucket(url).folders() == []
        assert open_bucket(url).names("") == []


def test_an_archive_that_does_not_is_a_failure_with_a_hint(tmp_path: Path) -> None:
    """What the storage said is told, and what to look at."""
    with s3() as url:
        refused = looked(url.replace("s3://records", "s3://nothing"))
    assert (refused.level, "NoSuchBucket" in refused.message, "bucket" in refused.hint) == ("failure", True, True)
    gone = looked(f"file://{tmp_path}/storage")
    assert (gone.level, "no such folder" in gone.message, (tmp_path / "storage").exists()) == ("failure", True, False)

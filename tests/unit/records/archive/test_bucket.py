"""Object storage behind five verbs: an S3, and a folder, alike."""

import socket
from pathlib import Path

import pytest

from records.archive import bucket as bucket_module
from records.archive.bucket import ArchiveError, Bucket, lacking, open_bucket, place_of
from tests.rooms.object_storage import SECRET, s3, storage

__all__ = ["storage"]  # a fixture


def test_what_is_put_is_there_whole(storage: Bucket, tmp_path: Path) -> None:
    """Bytes and files come back as they went, below the archive's own prefix."""
    large = tmp_path / "large"
    large.write_bytes(bytes(range(256)) * 90_000)
    storage.put("a/x/one", b"1")
    storage.put("a/large", large)
    storage.put("b/two", b"2")
    assert storage.get("a/x/one") == b"1"
    assert storage.fetch("a/large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == large.read_bytes()
    assert storage.folders() == ["a", "b"]
    assert sorted(storage.names("a")) == ["a/large", "a/x/one"]
    storage.put("a/x/one", b"again")
    assert storage.get("a/x/one") == b"again"


def test_what_is_not_there_is_no_error(storage: Bucket, tmp_path: Path) -> None:
    """Nothing is found, fetched or listed of it, and removing it twice is removing it."""
    assert (storage.get("a/none"), storage.fetch("a/none", tmp_path / "none")) == (None, False)
    assert (storage.folders(), storage.names("a")) == ([], [])
    storage.put("a/one", b"1")
    storage.delete(["a/one", "a/none"])
    storage.delete(["a/one"])
    assert storage.get("a/one") is None
    with pytest.raises(FileNotFoundError):
        storage.put("a/gone", tmp_path / "gone")


def test_a_refusal_says_why_in_a_word_and_the_storages_own_text_is_not_shown() -> None:
    """A bucket that is not there: the storage's answer, in which a key may stand, goes no further."""
    with s3() as url:
        nowhere = open_bucket(url.replace("s3://records", "s3://nothing"))
        for refused in (lambda: nowhere.put("a", b""), nowhere.folders, lambda: nowhere.names("a")):
            with pytest.raises(ArchiveError, match=r"^NoSuchBucket \(404\)$"):
                refused()


def test_a_storage_that_nobody_answers_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody at the address: said so, without a key, and not waited for."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(ArchiveError, match=r"^nobody answers$"):
        open_bucket("s3://bucket/prefix").put("a", b"")


@pytest.mark.parametrize("url", ["s3://", "s3:bucket", "/a/folder", "http://bucket", "ftp://a/b", ""])
def test_a_url_of_no_storage_is_refused(url: str) -> None:
    """What is known is named."""
    with pytest.raises(ValueError, match=r"hint: write it as s3://bucket/prefix"):
        place_of(url)


def test_a_url_is_kept_without_its_last_slash_and_never_with_a_key() -> None:
    """Credentials belong into the surroundings: a URL is logged."""
    assert place_of("s3://bucket/prefix/") == "s3://bucket/prefix"
    for url in ("s3://id:key@bucket/prefix", "s3://bucket/prefix?key=7"):
        with pytest.raises(ValueError, match="no credentials"):
            place_of(url)


def test_the_extra_is_named_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is opened."""
    assert lacking() == ""
    monkeypatch.setattr(bucket_module, "PACKAGE", "no_such_package")
    with pytest.raises(ArchiveError, match="install the extra `archive`"):
        open_bucket("s3://bucket")

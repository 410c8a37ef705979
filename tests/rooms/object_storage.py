"""Object storage for tests: an S3 on loopback, and a folder that is used like one."""

import importlib
import itertools
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from records.archive.bucket import Bucket, open_bucket

SECRET = "planted-secret-of-the-storage"
_NUMBERS = itertools.count()


@cache
def _server() -> str:
    """An S3 that lives as long as this process does; its address."""
    moto = importlib.import_module("moto.server")  # which takes half a second
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


@contextmanager
def s3() -> Generator[str]:
    """An S3 with an empty bucket, named in the surroundings as an operator would; the URL of an archive in it."""
    address, name = _server(), f"records-{next(_NUMBERS)}"
    made = urllib.request.Request(f"{address}/{name}", method="PUT")  # noqa: S310 -- our own, on loopback
    urllib.request.urlopen(made).close()  # noqa: S310 -- the same
    told = {
        "AWS_ACCESS_KEY_ID": "planted-id", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as surroundings:
        for variable, value in told.items():
            surroundings.setenv(variable, value)
        yield f"s3://{name}/team/records"


def folder(home: Path) -> str:
    """An empty folder that is used as a storage; the URL of an archive in it."""
    place = home / "storage"
    place.mkdir(exist_ok=True)
    return f"file://{place}"


@pytest.fixture(params=["s3", "file"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bucket]:
    """An empty place in each kind of storage."""
    if request.param == "file":
        yield open_bucket(folder(tmp_path))
        return
    with s3() as url:
        yield open_bucket(url)

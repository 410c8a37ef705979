"""Bodies as they were before a content coding."""

import gzip
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.content_coding import decoded, zstd

TEXT = b'{"choices":[]}' * 100


def raw_deflate(data: bytes) -> bytes:
    maker = zlib.compressobj(wbits=-15)
    return maker.compress(data) + maker.flush()


CODINGS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
    "identity": bytes,
    "": bytes,
}


@pytest.mark.parametrize("coding", CODINGS)
def test_codings(coding):
    """Every coding that apps ask for is undone."""
    assert decoded(CODINGS[coding](TEXT), coding.upper()) == TEXT
    assert decoded(b"", coding) == b""


def test_bare_deflate_and_lists():
    """Some servers send the bare format; several codings are undone from the last to the first."""
    assert decoded(raw_deflate(TEXT), "deflate") == TEXT
    assert decoded(brotli.compress(gzip.compress(TEXT)), "gzip, br") == TEXT


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_bombs(coding):
    """A small body that would become a big one is not unpacked."""
    assert decoded(CODINGS[coding](bytes(10_000_000)), coding, 100_000) is None


@given(st.binary(min_size=1, max_size=60), st.sampled_from(["gzip", "deflate", "br", "zstd", "rot13"]))
def test_damage(data, coding):
    """What is damaged or unknown is None or bytes, never an error of ours."""
    found = decoded(data, coding)
    assert found is None or isinstance(found, bytes)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_answers_that_broke_off(coding):
    """Of a compressed answer that was cut, what came is read."""
    whole = CODINGS[coding](bytes(range(256)) * 4000)
    found = decoded(whole[: len(whole) // 2], coding)

    assert found is not None
    assert (bytes(range(256)) * 4000).startswith(found)

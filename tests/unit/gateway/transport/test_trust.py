"""Whom a client believes."""

import os
import ssl
from pathlib import Path

import pytest

from gateway.transport.trust import trusting


def test_a_file_takes_the_place_of_the_systems_authorities(tmp_path: Path) -> None:
    """A file that holds none, or that is none, is refused at once."""
    assert trusting(None).verify_mode is ssl.CERT_REQUIRED
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ssl.SSLError):
        trusting(tmp_path / "empty")
    with pytest.raises(OSError, match="it is no file"):
        trusting(tmp_path / "pipe")

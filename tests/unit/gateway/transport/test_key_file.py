"""Files that a person names."""

import os
from pathlib import Path

import pytest

from gateway.transport.key_file import MOST_BYTES, RotatedKeys, read_key


@pytest.mark.parametrize("said", [b"sk-1", b" sk-1\n", b"\xef\xbb\xbfsk-1\r\n\r\n"])
def test_a_key_is_what_stands_there(tmp_path: Path, said: bytes) -> None:
    """Blanks around it, and the mark of an editor, are none of it."""
    (tmp_path / "key").write_bytes(said)
    assert read_key(tmp_path / "key") == b"sk-1"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("sk-1".encode("utf-16"), "not ASCII"),
        ("schlüssel".encode(), "not ASCII"),
        (b"sk\x001", "not ASCII"),
        (b"a" * (MOST_BYTES + 1), "too long"),
    ],
)
def test_what_is_no_key_is_said_to_be_none(tmp_path: Path, said: bytes, why: str) -> None:
    """Another encoding, a binary file, a long one: the message says what is wrong, and nothing of what stands there."""
    (tmp_path / "key").write_bytes(said)
    with pytest.raises(OSError, match=why) as raised:
        read_key(tmp_path / "key")
    assert raised.value.filename == str(tmp_path / "key")
    assert "sk" not in str(raised.value.strerror)


def test_what_is_no_file_is_no_key(tmp_path: Path) -> None:
    """A pipe that nobody writes to is refused, and not waited for."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is no file"):
        read_key(tmp_path / "pipe")


def test_a_rotated_key_is_read_again(tmp_path: Path) -> None:
    """A file that was replaced brings its new key; one that is empty, gone or no key leaves the last one in use."""
    file, keys = tmp_path / "key", {"vllm": "of the start", "openai": "of the environment"}
    rotated = RotatedKeys(keys, {"vllm": str(file)})
    assert rotated.now() == keys
    for number in (1, 2):
        (tmp_path / "new").write_text(f"sk-{number}\n")
        (tmp_path / "new").replace(file)
        assert rotated.now() == keys | {"vllm": f"sk-{number}"}
    for wrong in (b"", b"\xff\xfe"):
        file.write_bytes(wrong)
        assert rotated.now()["vllm"] == "sk-2"
    file.unlink()
    assert rotated.now()["vllm"] == "sk-2"
    file.write_text("sk-3")
    assert rotated.now()["vllm"] == "sk-3"

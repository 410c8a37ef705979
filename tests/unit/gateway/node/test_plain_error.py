"""The system's errors as sentences."""

from pathlib import Path

import pytest

from gateway.node.plain_error import hinted, plain


def test_the_file_comes_first_and_no_number(tmp_path: Path):
    """A file that is not there is named as it was asked for."""
    with pytest.raises(OSError, match="No such file") as refused:
        (tmp_path / "gone").read_bytes()
    assert plain(refused.value) == f"{tmp_path / 'gone'}: No such file or directory"


@pytest.mark.parametrize("error", [OSError("cut off"), ValueError("cut off")])
def test_an_error_that_the_system_does_not_number_says_what_it_says(error: Exception):
    """Our own words are kept."""
    assert plain(error) == "cut off"


def test_an_error_of_no_file_is_its_reason():
    """As of a full disk."""
    assert plain(OSError(28, "No space left on device")) == "No space left on device"


def test_a_full_disk_is_not_a_wrong_path():
    """What helps is room; of anything else what the command says helps."""
    assert hinted(OSError(28, "No space left on device"), "h") == (
        "No space left on device. hint: make room, or name another place"
    )
    assert hinted(PermissionError(13, "Permission denied", "f"), "h") == "f: Permission denied. hint: h"


def test_what_the_system_says_in_riddles_is_said_plainly(tmp_path: Path):
    """`File exists` of a folder that cannot be made, and a file in the middle of a path: the file is the fault."""
    file = tmp_path / "file"
    file.touch()
    said: list[str] = []
    for refused in (file.mkdir, (file / "below").read_bytes, tmp_path.read_bytes):
        with pytest.raises(OSError, match=r"\[Errno") as error:
            refused()
        said.append(plain(error.value))
    assert said == [
        f"{file}: is a file that is there already",
        f"{file / 'below'}: a part of this path is a file, and no folder",
        f"{tmp_path}: a folder, and no file",
    ]

"""How pages are read and done: what counts as a command, a file and a section, and what fails a page."""

from pathlib import Path

import pytest

from tests.acceptance.walk import Block, Heading, Kind, Reader, Step, StepError, commands, parts

PAGE = """\
# A page

## One

Save as `note.txt`:

```text
hello
```

Add to `note.txt`:

```text
again
```

```sh
cat note.txt   # both lines
```

## Two

```python
1 + 1
```
"""


def test_a_command_goes_on_where_a_quote_or_a_here_document_does():
    """Lines are commands, comments are none; an open quote, a backslash and a here-document go on in the next line."""
    text = (
        "# what's this\nexport A=b   # it's a key\npython -c 'one\ntwo'\n"
        "a \\\n  b\ncat > x <<'END'\nit's # one\nEND\nlast\n"
    )
    assert list(commands(text)) == [
        "export A=b   # it's a key",
        "python -c 'one\ntwo'",
        "a \\\n  b",
        "cat > x <<'END'\nit's # one\nEND",
        "last",
    ]


def test_a_page_falls_into_sections_files_and_blocks():
    """What a sentence above a block says of it is part of the block; a section that is not asked for is left out."""
    assert list(parts(PAGE, ["One"])) == [
        Heading("One"),
        Block("text", "hello\n", "Save as", "note.txt"),
        Block("text", "again\n", "Add to", "note.txt"),
        Block("sh", "cat note.txt   # both lines\n"),
    ]
    assert Block("python", "1 + 1\n") in list(parts(PAGE))


def test_a_page_without_its_sections_is_told():
    """A section that was renamed takes no step away unseen."""
    with pytest.raises(StepError, match="has no section 'Three'"):
        list(parts(PAGE, ["One", "Three"]))


def test_a_reader_does_what_the_page_says(tmp_path: Path):
    """Files are written, commands see them, each step is told with its time, and a placeholder gets its value."""
    heard: list[str] = []
    reader = Reader(
        tmp_path,
        [Step("cat note.txt", "hello\nagain", Kind.LOOK, names="ID"), Step("echo ID", "hello")],
        tell=heard.append,
    )
    reader.reads(PAGE + "\n```sh\necho ID\n```\n")
    reader.ends()
    assert [shown for shown, _ in reader.took] == ["cat note.txt", "echo ID"]
    assert len(heard) == 2


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([Step("ls")], "where 'ls' is expected"),
        ([], "where nothing more is expected"),
        ([Step("cat note.txt", "goodbye")], "did not show 'goodbye'"),
        ([Step("cat note.txt"), Step("cat more.txt")], "no longer have cat more.txt"),
    ],
    ids=["another command", "one more", "shows something else", "one less"],
)
def test_a_page_that_says_something_else_fails(tmp_path: Path, steps: list[Step], told: str):
    """A command that is other, new, gone, or does not show what it should is an error that says which."""
    reader = Reader(tmp_path, steps)
    with pytest.raises(StepError, match=told):
        reader.reads(PAGE)
        reader.ends()


def test_a_command_that_fails_fails_the_page(tmp_path: Path):
    """A command that ends with anything but 0 is told with what it printed."""
    with pytest.raises(StepError, match=r"(?s)ended with 3.*sad"):
        Reader(tmp_path, [Step("echo")]).does("echo sad; exit 3")


def test_a_file_without_its_folder_fails_the_page(tmp_path: Path):
    """A page that adds to a file which no step has made is wrong."""
    with pytest.raises(StepError, match="not there yet"):
        Reader(tmp_path, []).reads("Add to `gone.yaml`:\n\n```yaml\na: 1\n```\n")

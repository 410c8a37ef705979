"""The reference pages of commands and of HTTP have all that the code has, and nothing else."""

import re
from pathlib import Path

from gateway.cli.arguments import command_line
from tools import api_reference, command_reference

ROOT = Path(__file__).parents[2]


def test_every_command_and_option_stands_on_the_page() -> None:
    """Each command, each of its actions, each option and each argument."""
    page = command_reference.page()
    commands = dict(command_reference.subcommands(command_line()))
    for name, parser in commands.items():
        section = page.partition(f"### `crossfade {name}`\n")[2].partition("\n### ")[0].partition("\n## ")[0]
        actions = dict(command_reference.subcommands(parser))
        for action, inner in (actions or {"": parser}).items():
            assert f"`crossfade {name} {action}".strip() in section
            options = [option for each in inner._actions for option in each.option_strings if each.dest != "help"]
            assert [option for option in options if f"`{option}" not in section and f", {option}" not in section] == []
    assert len(re.findall(r"^### `crossfade ", page, re.MULTILINE)) == len(commands)


def test_every_header_of_ours_stands_on_the_page() -> None:
    """The headers that the data plane reads and writes are those of the tables."""
    said = "".join(path.read_text("utf-8") for path in (ROOT / "gateway").rglob("*.py"))
    written = set(re.findall(r"\\r\\n(x-crossfade-[a-z-]+):", said))
    read = set(re.findall(r'preamble\.(?:get|has)\(b"(x-crossfade-[a-z-]+)"', said))
    assert written == {name for name in api_reference.ANSWERED if name.startswith("x-crossfade-")}
    assert read == api_reference.SENT.keys()


def test_every_page_of_the_admin_api_stands_on_the_page() -> None:
    """Each method and path of the OpenAPI document, who may use it, and what it says of itself."""
    rows = re.findall(
        r"^\| `(GET|POST) (/api/v1\S*)` \| (\w+) \| [^|]+ \| (.+) \|$", api_reference.page(), re.MULTILINE
    )
    document = api_reference.app().openapi()
    there = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert {(method, path) for method, path, _, _ in rows} == there
    assert {who for _, _, who, _ in rows} == {"viewer", "operator"}
    assert all(told.endswith(".") for *_, told in rows)

"""The pages people read: links lead somewhere, commands parse, policies lint, settings load, Python compiles."""

import argparse
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

from gateway.cli.arguments import command_line
from gateway.cli.parser import UsageError
from gateway.config import policy_file, settings_file
from gateway.config.settings import Settings
from policies.schema import Policy

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
EVERY = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r"\$\{(\w+)")
_METRIC = re.compile(r"(?<!\w)crossfade_[a-z_]+")
_SPOKEN = re.compile(r"`(crossfade [^`\n]+)`")
_SHELL = ("sh", "bash", "console")


def plain(page: Path) -> str:
    """A page without its code."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text("utf-8")))


def anchors(page: Path) -> set[str]:
    """What a link may name in a page: its headings, as GitHub and site generators write them."""
    found: set[str] = set()
    text = _FENCE.sub("", page.read_text("utf-8"))
    for heading in re.findall(r"^#{1,6} +(.+?) *$", text, re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
        slug, number = words.replace(" ", "-"), 0
        while (name := slug if not number else f"{slug}-{number}") in found:
            number += 1
        found.add(name)
    return found


def blocks(page: Path, *languages: str) -> list[str]:
    """A page's code blocks in some languages."""
    return [text for _, language, text in _FENCE.findall(page.read_text("utf-8")) if language in languages]


def commands(text: str) -> list[str]:
    """The calls of `crossfade` in a shell's text."""
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    found: list[str] = []
    for line in lines:
        for part in re.split(r"&&|\||;|\$\(|\)", re.sub(r"(^|\s)#.*$", "", line)):
            words = part.strip().removeprefix("$ ")
            if words == "crossfade" or words.startswith("crossfade "):
                found.append(words.split(">")[0].strip())
    return found


@EVERY
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that is there, and every anchor a heading of it."""
    for one, other in _LINK.findall(plain(page)):
        target, _, anchor = (one or other).partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        path = page if not target else (page.parent / target).resolve()
        assert path.exists(), f"{page.relative_to(ROOT)}: {target} is not there"
        assert not anchor or anchor in anchors(path), f"{page.relative_to(ROOT)}: {target}#{anchor} is no heading"


@EVERY
def test_commands_parse(page: Path) -> None:
    """Every `crossfade …` in a block is one that the real command line takes."""
    for text in blocks(page, *_SHELL):
        for words in commands(text):
            try:
                _, unknown = command_line().parse_known_args(shlex.split(words)[1:])
            except SystemExit as ended:  # --help and --version
                assert not ended.code, words
            except UsageError as error:
                pytest.fail(f"{page.relative_to(ROOT)}: {words}: {error}")
            else:
                assert unknown == [], words


@EVERY
def test_commands_stand_in_blocks_of_shell(page: Path) -> None:
    """A block that begins with a command says that it is shell: only such blocks are tried."""
    others = [text for _, language, text in _FENCE.findall(page.read_text("utf-8")) if language not in _SHELL]
    assert [text for text in others if re.match(r"(\$ )?(crossfade|make|python|curl|pip|uv) ", text)] == []


def words_amiss(command: str) -> str:
    """The first word of `crossfade …` that is no command and no option of it; values may be placeholders."""
    parser: argparse.ArgumentParser = command_line()
    for word in command.split()[1:]:
        below = next((each.choices for each in parser._actions if isinstance(each.choices, dict)), {})
        if word.startswith("--"):
            if re.match(r"--[\w-]+", word)[0] not in parser._option_string_actions:
                return word
        elif below:
            if not re.fullmatch(r"[a-z-]+", word):
                return ""
            if word not in below:
                return word
            parser = below[word]
    return ""


SPEAKS = [
    path
    for folder in ("gateway", "policies", "records", "shadow", "deploy", "tools")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".yml", ".yaml", ".html", ".md") and "policies/examples" not in str(path)
]


@pytest.mark.parametrize("where", ["pages", "code"])
def test_commands_named_in_sentences_are_there(where: str) -> None:
    """Each `crossfade …` in a sentence of a page, a message, a hint or an alert is a command, with options it has."""
    amiss: list[str] = []
    seen = 0
    for path in PAGES if where == "pages" else SPEAKS:
        text = path.read_text("utf-8")
        for span in _SPOKEN.findall(_FENCE.sub("", text) if where == "pages" else text):
            for command in commands(span):
                seen += 1
                if word := words_amiss(command):
                    amiss.append(f"{path.relative_to(ROOT)}: `{command}`: {word}")
    assert amiss == []
    assert seen > 100


@EVERY
def test_metrics_are_in_the_reference(page: Path) -> None:
    """Every metric that a page names is one that is exposed; a name that ends with `_` stands for all that begin so."""
    known = set(_METRIC.findall((ROOT / "docs/reference/metrics.md").read_text("utf-8"))) | {"crossfade_error"}
    named = {re.sub("_(bucket|count|sum)$", "", name) for name in _METRIC.findall(page.read_text("utf-8"))}
    if page.name != "CHANGELOG.md":  # which names what is gone
        assert {name for name in named - known if not name.endswith("_")} == set()


@EVERY
def test_targets_of_make_are_there(page: Path) -> None:
    """Every `make …` of a page, in a block or a sentence, is one that the Makefile has."""
    known = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`|&& )make ([a-z][\w-]*)", page.read_text("utf-8"), re.MULTILINE))
    assert named - known == set()


def test_extras_are_those_there_are_and_come_from_the_clone() -> None:
    """An extra that a page or a message asks for is one of pyproject.toml, and README says how to install each.

    `pip install 'crossfade[x]'` asks an index that has no such package of ours, or somebody else's.
    """
    known = set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"])
    code = [path for each in ("gateway", "records", "shadow", "policies") for path in (ROOT / each).rglob("*.py")]
    texts = {path: path.read_text("utf-8") for path in [*PAGES, *code] if path.name != "CHANGELOG.md"}
    named = {extra for text in texts.values() for extra in re.findall(r"the extra `(?:crossfade\[)?(\w+)", text)}
    assert named == known
    assert known == set(re.findall(r"`(\w+)`", texts[ROOT / "README.md"].partition("*extra*:")[2].partition(".")[0]))
    asking = [path for path, text in texts.items() if re.search(r"(?:pip|uv tool) install [^\n]*\bcrossfade\[", text)]
    assert asking == []


@EVERY
def test_yaml_says_what_it_means(page: Path, tmp_path: Path) -> None:
    """A whole policy lints, whole settings load, and all else is YAML."""
    for text in blocks(page, "yaml", "yml"):
        found = yaml.safe_load(text)
        if not isinstance(found, dict):
            continue
        if {"route", "candidate", "compare", "stages"} <= found.keys():
            file = tmp_path / "policy.yaml"
            file.write_text(text)
            assert policy_file.read_file(file).policy.route == found["route"]
        elif found.keys() <= Settings.model_fields.keys() and not found.keys() & Policy.model_fields.keys():
            file = tmp_path / "crossfade.yaml"
            file.write_text(text)
            environment = dict.fromkeys(_VARIABLE.findall(text), "x")
            assert settings_file.load(file, environment, {})


@EVERY
def test_python_compiles(page: Path) -> None:
    """Every block of Python is Python."""
    for text in blocks(page, "python", "py"):
        assert compile(text, str(page), "exec", dont_inherit=True)


def test_a_page_that_is_wrong_is_noticed(tmp_path: Path) -> None:
    """A dead link, a heading that is gone and a command that does not parse: each is found."""
    page = tmp_path / "page.md"
    page.write_text("# One two\n[a](gone.md) `[b](no.md)`\n```sh\nx && crossfade status --jsn  # crossfade nope\n```\n")
    assert anchors(page) == {"one-two"}
    assert _LINK.findall(plain(page)) == [("gone.md", "")]
    assert commands(blocks(page, "sh")[0]) == ["crossfade status --jsn"]
    for words, amiss in (("status --jsn", "--jsn"), ("record tail", "record"), ("records list", "list")):
        assert words_amiss(f"crossfade {words}") == amiss
    for words in ("records forget", "COMMAND --help", "kill --reason …", "explain ROUTE"):
        assert words_amiss(f"crossfade {words}") == ""


def test_the_glossary_has_the_words_of_explain() -> None:
    """What stands in the numbers behind the first sentence is explained in one place."""
    words = re.findall(r"^\| ([^|]+?) \|", (ROOT / "docs/glossary.md").read_text("utf-8"), re.MULTILINE)
    known = {word for row in words for word in row.split(", ")}
    asked = {"certificate", "confidence sequence", "log10 e", "A/A", "holdback", "detector", "gate", "guard", "unit",
             "verdict", "margin", "evidence", "stage", "noise floor", "alpha", "attempt", "futile", "suspended",
             "intake", "likeness", "forecast"}  # fmt: skip
    assert asked <= known

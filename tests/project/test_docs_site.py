"""The documentation as a site: every page has its place in it, and links lead there."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools import docs_site

ROOT = Path(__file__).parents[2]


def named(nav: list[Any]) -> Iterator[str]:
    for entry in nav:
        for place in entry.values():
            if isinstance(place, str):
                yield place
            else:
                yield from named(place)


def test_the_navigation_names_every_page_once() -> None:
    """A new page stands in `docs/zensical.toml`, and one that is gone does not."""
    nav = tomllib.loads((ROOT / "docs" / "zensical.toml").read_text("utf-8"))["project"]["nav"]
    assert sorted(named(nav)) == sorted(docs_site.pages().values())


def test_links_lead_to_where_pages_are_on_the_site() -> None:
    """Links among pages and to pictures are turned; those in code, to elsewhere and within a page stay."""
    places = {
        "README.md": "index.md",
        "docs/README.md": "contents.md",
        "docs/a/b.md": "a/b.md",
        "LICENSE.md": "LICENSE.md",
    }
    text = "[x](docs/README.md) ![p](docs/p.svg) [y](docs/a/b.md#z) [l](#l) [h](https://h/x.md) `[c](docs/a/b.md)`"
    assert docs_site.turned(text, "README.md", places) == (
        "[x](contents.md) ![p](p.svg) [y](a/b.md#z) [l](#l) [h](https://h/x.md) `[c](docs/a/b.md)`"
    )
    back = "[x](../README.md) [r](../../README.md) [l](../../LICENSE.md)\n```sh\n[c](../README.md)\n```\n"
    assert docs_site.turned(back, "docs/a/b.md", places) == (
        "[x](../contents.md) [r](../index.md) [l](../LICENSE.md)\n```sh\n[c](../README.md)\n```\n"
    )


def test_no_page_of_the_site_leads_to_one_that_is_not_there(tmp_path: Path) -> None:
    """The build refuses a link to a page that it does not have, and is not part of each run of the tests."""
    docs_site.lay_out(tmp_path)
    lost = [
        f"{page.relative_to(tmp_path)}: {target}"
        for page in tmp_path.rglob("*.md")
        for part in re.split(r"^```.*?^```|`[^`\n]*`", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)\s#:]+\.md)(?:#[^)]*)?\)", part)
        if not (page.parent / target).is_file()
    ]
    assert not lost


def test_pages_and_what_they_show_are_laid_out(tmp_path: Path) -> None:
    """Every page and every picture is copied to its place; nothing is fetched from the network when it is read."""
    docs_site.lay_out(tmp_path / "docs")
    there = {
        path.relative_to(tmp_path / "docs").as_posix() for path in (tmp_path / "docs").rglob("*") if path.is_file()
    }
    assert set(docs_site.pages().values()) <= there
    assert {"pictures/rollout.png", "iframe-worker.js"} <= there
    settings = tomllib.loads((ROOT / "docs" / "zensical.toml").read_text("utf-8"))["project"]
    assert settings["extra"]["polyfills"][0]["path"] == "iframe-worker.js"
    assert settings["theme"]["font"] is False

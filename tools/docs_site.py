"""Build the documentation as a site that works from its folder: `make docs-site`, then open the page it prints.

    python tools/docs_site.py

The pages are the Markdown files as they are. They are copied to build/site/docs with README.md as the first page, links
among them turned to where they are then, and built by Zensical (`docs/zensical.toml`), which runs in an environment of
its own: made once from `docs_site.lock`, with hashes, under .cache. A warning fails the build. Zensical takes .cache in
its working directory for its own, and cleans it: it never runs in the repository.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tools.locked_env import LockedEnvironment

ROOT = Path(__file__).resolve().parents[1]
GENERATOR = LockedEnvironment("docs-site")
BUILD = ROOT / "build" / "site"
CHART = "deploy/helm/crossfade/README.md"
FIRST = {"README.md": "index.md", "docs/README.md": "contents.md", CHART: "helm-chart.md"}
"""Pages that are called otherwise on the site."""
_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#:]+)(#[^)\s]*)?\)")
_FENCED = re.compile(r"(^```.*?^```|`[^`\n]*`)", re.MULTILINE | re.DOTALL)


def pages(root: Path = ROOT) -> dict[str, str]:
    """Every page's place in the repository, and its place on the site."""
    found = sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md"), root / CHART])
    names = [path.relative_to(root).as_posix() for path in found]
    return {name: FIRST.get(name, name.removeprefix("docs/")) for name in names}


def turned(text: str, page: str, places: dict[str, str]) -> str:
    """A page's text with its links as they are on the site."""

    def link(found: re.Match[str]) -> str:
        head, target, anchor = found[1], found[2], found[3] or ""
        there = os.path.normpath((PurePosixPath(page).parent / target).as_posix())
        place = places.get(there) or (there.removeprefix("docs/") if there.startswith("docs/") else None)
        if place is None:
            return found[0]
        here = PurePosixPath(places[page]).parent.as_posix()
        return f"{head}{os.path.relpath(place, here)}{anchor})"

    parts = _FENCED.split(text)
    return "".join(part if at % 2 else _LINK.sub(link, part) for at, part in enumerate(parts))


def lay_out(source: Path, root: Path = ROOT) -> None:
    """Copy pages and what they show to `source`, as the site has them."""
    places = pages(root)
    for page, place in places.items():
        (source / place).parent.mkdir(parents=True, exist_ok=True)
        (source / place).write_text(turned((root / page).read_text("utf-8"), page, places), "utf-8")
    for file in _files(root):
        (source / file.relative_to(root / "docs")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, source / file.relative_to(root / "docs"))


def _files(root: Path) -> Iterator[Path]:
    """What is on the site besides pages: pictures, and what its search runs in."""
    return (path for path in (root / "docs").rglob("*") if path.suffix in (".png", ".svg", ".js"))


def main() -> int:
    """Build it; say where it is."""
    GENERATOR.make()
    shutil.rmtree(BUILD, ignore_errors=True)
    lay_out(BUILD / "docs")
    shutil.copyfile(ROOT / "docs" / "zensical.toml", BUILD / "zensical.toml")
    done = subprocess.run([GENERATOR.command("zensical"), "build", "--strict"], check=False, cwd=BUILD)
    if done.returncode == 0:
        print(BUILD / "site" / "index.html")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())

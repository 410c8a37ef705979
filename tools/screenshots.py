"""Pictures of the console's pages while a real `crossfade demo` runs: a whole migration, nothing made up.

    python tools/screenshots.py docs/pictures [--pace 60] [--only rollout pair]

Needs Chromium (Debian: `apt-get install chromium`), named by CHROMIUM where it is called otherwise. Takes each page in
both themes at 1440, 1024 and 360 pixels, once the rollout is past the shadow; then the pages that say why a route was
stopped, in each phase that stops one. The demo stands still meanwhile: no question is asked, so that all pictures have
the same numbers.
"""

import argparse
import contextlib
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

BROWSER = os.environ.get("CHROMIUM", "chromium")
START_S = 600.0
SHOT_S = 60.0
EVIDENCE = 60
"""Conversations of a stage with traffic."""
WIDTHS = {1440: 1200, 1024: 1200, 360: 1600}
WIDE = 1440
STOPS = ("suspended", "rolled_back", "rejected")
"""Phases of the demo in which its candidate has lost its traffic, in their order."""
STOPPED = {"routes": "/", "rollout": "/routes/tickets", "history": "/routes/tickets?view=history"}
"""Pages that say why, and their paths."""
POLL_S = 0.05
"""Between looks at a phase: the demo itself looks as often, and goes on."""


def main() -> int:
    """Run the demo, take the pictures, end the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    parser.add_argument("--pace", default="60")
    parser.add_argument("--whole", action="store_true", help="whole pages at 1440 pixels, too, not one screen of each")
    parser.add_argument("--only", nargs="*", default=[], help="names of pages, as the files have them, and of phases")
    arguments = parser.parse_args()
    if shutil.which(BROWSER) is None:
        sys.exit(f"there is no {BROWSER}: apt-get install chromium, or name one as CHROMIUM")
    arguments.target.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        demo(Path(folder), arguments.pace) as (process, admin),
        browser() as chromium,
    ):
        await_rollout(admin, has_evidence, "answers somebody")
        with standing_still(process.pid):  # so that all pages are of the same traffic, however busy the machine is
            take(chromium, admin, addresses(admin), arguments)
        for phase in STOPS:
            if not arguments.only or phase in arguments.only:
                await_rollout(admin, partial(is_in, phase), f"is {phase}")
                with standing_still(process.pid, controller_of(Path(folder))):
                    take(chromium, admin, STOPPED, arguments, f"-{phase}")
    return 0


def take(chromium: Any, admin: str, pages: dict[str, str], arguments: argparse.Namespace, stop: str = "") -> None:
    """Pictures of pages, in both themes and their widths. `stop`: the end of their names, where a route is stopped."""
    for name, path in pages.items():
        if arguments.only and not stop and name not in arguments.only:
            continue
        for width in WIDTHS:
            for theme in ("light", "dark"):
                target = arguments.target / f"{name}{stop}-{width}-{theme}.png"
                shoot(chromium, f"{admin}{path}", target, width, theme, whole=width < WIDE or arguments.whole)
                print(target.stem, flush=True)


@contextlib.contextmanager
def demo(folder: Path, pace: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A demo of its own; gives its process and the address of its admin port."""
    command = [sys.executable, "-m", "gateway.cli.main", "demo", "--pace", pace]
    with (folder / "demo.log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | {"TMPDIR": str(folder)}, stdout=log, stderr=log)
    try:
        settings = await_file(folder, process)
        port = re.search(r"admin: 127\.0\.0\.1:(\d+)", settings.read_text("utf-8"))
        if port is None:
            sys.exit(f"{settings} names no admin port")
        yield process, f"http://127.0.0.1:{port[1]}"
    finally:
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()


@contextlib.contextmanager
def standing_still(*pids: int) -> Iterator[None]:
    """These processes do nothing meanwhile."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def controller_of(folder: Path) -> int:
    """The process that decides, also by what was asked before. While it stands still, pages say that nobody decides."""
    (status,) = folder.glob("*/**/run/supervisor.json")
    return next(
        each["pid"] for each in json.loads(status.read_text("utf-8"))["processes"] if each["slot"] == "controller"
    )


def await_file(folder: Path, process: subprocess.Popen[bytes]) -> Path:
    """The demo's settings."""
    last_s = time.monotonic() + START_S  # noqa: TID251 -- a tool
    while time.monotonic() < last_s and process.poll() is None:  # noqa: TID251 -- a tool
        for found in folder.glob("*/crossfade.yaml"):
            return found
        time.sleep(0.2)
    sys.exit((folder / "demo.log").read_text("utf-8", "replace"))


def ask(address: str) -> object:
    """What a page of JSON says; None while there is none."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 -- our own address
            return json.load(answer)
    except (OSError, ValueError):
        return None


def has_evidence(rollout: dict[str, Any]) -> bool:
    """Whether the candidate answers somebody, and there is evidence of it to look at."""
    return rollout["weight"] > 0 and ((rollout["standing"] or {}).get("units") or 0) >= EVIDENCE


def is_in(phase: str, rollout: dict[str, Any]) -> bool:
    """Whether that is its phase, and the workers' table says so, too: it is published a moment later."""
    return rollout["standing"] is not None and rollout["standing"]["phase"] == phase and not rollout["weight"]


def await_rollout(admin: str, holds: Callable[[dict[str, Any]], bool], what: str) -> None:
    """Until it holds of a route's rollout."""
    last_s = time.monotonic() + START_S  # noqa: TID251 -- a tool
    while time.monotonic() < last_s:  # noqa: TID251 -- a tool
        told = ask(f"{admin}/api/v1/rollouts")
        if any(map(holds, told["rollouts"] if isinstance(told, dict) else [])):
            return
        time.sleep(POLL_S)
    sys.exit(f"no candidate of the demo ever {what}")


def addresses(admin: str) -> dict[str, str]:
    """Each page's name and path."""
    pair = ""
    for query in ("since=all", "view=disagreements&since=all"):
        told = ask(f"{admin}/pairs.json?{query}")
        if isinstance(told, dict) and told["pairs"]:
            pair = told["pairs"][0]["exchange_id"]
    found = {
        "routes": "/", "rollout": "/routes/tickets", "history": "/routes/tickets?view=history",
        "policy": "/routes/tickets?view=policy", "report": "/routes/tickets/report",
        "verb": "/routes/tickets/promote", "pairs": "/pairs", "label":
        "/label?route=tickets&by=ada", "label-start": "/label", "traffic": "/traffic", "unrouted": "/unrouted",
        "readiness": "/readiness", "judge": "/judge",
        "data": "/data", "cost": "/cost", "system": "/system", "audit": "/audit", "keys": "/keys", "kill": "/kill",
    }  # fmt: skip
    return found | ({"pair": f"/pairs/{pair}", "exchange": f"/traffic/{pair}"} if pair else {})


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright: a page that hears events is never idle, and a browser alone waits for ever."""
    driver = importlib.import_module("playwright.sync_api")
    with driver.sync_playwright() as play:
        found = play.chromium.launch(executable_path=shutil.which(BROWSER), args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


def shoot(chromium: Any, address: str, target: Path, width: int, theme: str, *, whole: bool) -> None:
    """One picture: of the whole page, or of what a screen shows of it."""
    size = {"width": width, "height": WIDTHS[width]}
    with chromium.new_context(viewport=size, color_scheme=theme) as context:
        page = context.new_page()
        page.goto(address, timeout=SHOT_S * 1000)
        page.wait_for_timeout(300)
        page.screenshot(path=target, full_page=whole)


if __name__ == "__main__":
    sys.exit(main())

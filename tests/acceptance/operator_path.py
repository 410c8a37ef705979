"""An operator's way, by README and docs alone: `make operator-path` does it in a fresh clone, each step timed.

    python -m tests.acceptance.operator_path

Processes by the README, then `docs/dashboards.md` (a real Prometheus with the configuration that is shipped, an alert
that is made to fire) and `docs/backup.md` (backup, loss of the data directory, restore, upgrade). The frontier is
played; ports are free ones. 1: a step failed.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from gateway.demo.sandbox import free_port
from tests.acceptance.first_hour import START, STARTS, Newcomer, say, walked
from tests.acceptance.walk import Kind, Reader, Step
from tests.fakes.openai_answers import Speaker
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream

PAGES: tuple[tuple[str, Sequence[str]], ...] = (
    ("README.md", START),
    ("docs/dashboards.md", ("As processes",)),
    ("docs/backup.md", ("Backup", "Restore", "Upgrade")),
)
CONFIG = "deploy/prometheus/prometheus.yml"
WATCHED = (
    Step("make prometheus"),
    Step("promtool check config", "SUCCESS"),
    Step("prometheus --config.file", kind=Kind.BESIDE),
    Step("curl -s 'http://127.0.0.1:9090/api/v1/query", "crossfade_build_info", Kind.LOOK),
    Step("crossfade kill --reason"),
    Step("curl -s http://127.0.0.1:9090/api/v1/query -G", '"alertstate":"firing"', Kind.LOOK),
    Step("crossfade kill --off"),
    Step("curl -s http://127.0.0.1:9090/api/v1/query -G", '"result":[]', Kind.LOOK),
)
KEPT = (
    Step("mkdir -p backup"),
    Step("cp -a crossfade-data/records"),
    Step("python -c"),
    Step("mkdir -p crossfade-data"),
    Step("cp -a backup/records"),
    Step("chmod 700"),
    Step("crossfade doctor"),
    Step("crossfade serve", kind=Kind.SERVE),
    Step("crossfade status", "serving (pid", Kind.LOOK),
    Step("crossfade records tail", "gpt-4o", Kind.LOOK),
)
UPGRADED = (
    Step("git pull"),
    Step("make setup"),
    Step("crossfade doctor"),
    Step("kill $(cat"),
    Step("crossfade serve", kind=Kind.SERVE),
    Step("crossfade --version", "crossfade "),
    Step("crossfade status", "serving (pid", Kind.LOOK),
)
STEPS = (*STARTS, *WATCHED, *KEPT, *UPGRADED)


def play(folder: Path, left_out: dict[str, str], tell: Callable[[str], None] = lambda _: None) -> Reader:
    """Do what the pages say, in `folder`; `left_out`: commands that cannot be done there, and why.

    Raises:
        StepError: a step did not do what its page says.
    """
    with ExitStack() as stack:
        frontier = stack.enter_context(in_thread(FakeUpstream(Speaker("frontier"))))
        candidate = stack.enter_context(in_thread(FakeUpstream(Speaker("candidate", vllm=True), require_key=False)))
        reader = Newcomer(folder, frontier, candidate, STEPS, left_out, tell).reader
        stack.callback(reader.leaves)
        scraper = str(free_port())
        reader.replaced |= {
            "127.0.0.1:9090": f"127.0.0.1:{scraper}",
            "--storage.tsdb.path": f"--web.listen-address=127.0.0.1:{scraper} --storage.tsdb.path",
        }
        config = folder / CONFIG
        config.write_text(config.read_text("utf-8").replace("8081", reader.replaced["8081"]), "utf-8")
        reader.on_heading = {"Restore": lambda: _lose(reader)}
        for page, sections in PAGES:
            reader.reads((folder / page).read_text("utf-8"), sections)
        reader.ends()
    return reader


def _lose(reader: Reader) -> None:
    """The gateway is stopped, and its data directory is gone."""
    reader.stops()
    (reader.folder / "crossfade-data").rename(reader.folder / "lost-data")


def main() -> int:
    """Clone, do it, and print each step's time."""
    found = walked("operator", lambda folder: play(folder, {}, say))
    if found is None:
        return 1
    cloned_s, reader = found
    say(f"watched, an alert seen to fire, restored, upgraded: {cloned_s + sum(took for _, took in reader.took):.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

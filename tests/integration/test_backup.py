"""Backup and restore, by the page's own commands."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.config.settings_file import load
from gateway.control.state.sqlite import SqliteState
from gateway.node.datadir import prepare
from records.parquet import EXCHANGES
from records.pricing import PriceBook
from records.record_maker import RecordMaker, RoutePrices
from records.redact import Redactor
from records.store import Store
from tests.fakes.exchanges import chat_request, exchange
from tests.rooms.kept_rollouts import CANARY, keep
from tests.rooms.waiting import PATIENCE_S

PAGE = Path(__file__).parents[2] / "docs/backup.md"


def run(block: str, folder: Path) -> None:
    """The lines of a block of the page, but for the gateway's own commands."""
    lines = "\n".join(line for line in block.splitlines() if not line.startswith("crossfade "))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["bash", "-ec", lines], cwd=folder, env={"PATH": path}, check=True, timeout=PATIENCE_S)


def test_the_page_knows_all_that_is_kept() -> None:
    """Whatever a data directory holds stands in the page's table, with what is lost without it."""
    page = PAGE.read_text("utf-8")
    told = {
        name.rstrip("/") for cell in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for name in cell.split("`")[1::2]
    }
    code = [path.read_text("utf-8") for path in (PAGE.parents[1] / "gateway").rglob("*.py")]
    kept = {name for text in code for name in re.findall(r'\b(?:data|self)\.root / "([\w.]+)"', text)}
    assert {"evals", "records", "journal.key"} <= kept
    assert kept - told == set()


def test_what_was_backed_up_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page's commands, while the state is in use: elsewhere the rollout, the records and the users are the same."""
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "crossfade-policies").mkdir(parents=True)
    (here / "crossfade.yaml").write_text("upstreams: {openai: {base_url: http://127.0.0.1:1/v1}}\n")
    monkeypatch.chdir(here)
    data = prepare(load(Path("crossfade.yaml"), {}).data)
    (data.root / "pepper").write_text("ab" * 32)
    state = SqliteState(data.state)
    keep(state, CANARY)
    maker = RecordMaker(b"p" * 32, Redactor(), PriceBook({}), {"triage": RoutePrices("openai")})
    store = Store(data.records)
    asked = [exchange(number, chat_request(f"q {number}"), route="triage") for number in range(3)]
    store.publish(store.stage(EXCHANGES, [maker.record(each) for each in asked], "a"))

    Path("golden.jsonl").write_text('{"messages": [{"role": "user", "content": "q"}], "expected": "a"}\n')
    assert main(["eval", "add", "golden.jsonl", "--route", "triage"]) == 0

    backup, restore = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[:2]
    run(backup, here)
    state.close()
    there.mkdir()
    (here / "backup").rename(there / "backup")
    run(restore, there)

    monkeypatch.chdir(there)
    (there / "backup/crossfade.yaml").rename("crossfade.yaml")
    capsys.readouterr()
    assert main(["eval", "list", "--json"]) == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == ["golden"]
    assert main(["records", "stats", "--json"]) == 0
    assert [row["exchanges"] for row in json.loads(capsys.readouterr().out)] == [3]
    assert (there / "crossfade-data/pepper").read_text() == "ab" * 32
    restored = SqliteState(there / "crossfade-data/state.db")
    assert restored.rollouts()["triage"].weight_ppm == CANARY.weight_ppm == 50_000
    restored.close()

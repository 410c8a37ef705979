"""A command that has nothing to put there leaves no folder and no file behind."""

from pathlib import Path

import pytest

from gateway.cli.main import main

REFUSED = (
    "dataset build --unrouted --out sets/deep --format openai-sft",
    "dataset build --route nobody --out sets/deep --format openai-sft",
    "dataset build --policy policies/triage.yaml --out sets --format openai-sft",
    "eval add missing.jsonl --route support-triage",
    "eval add asked.jsonl --route support-triage --name /no/name",
    "eval add asked.jsonl --route suport-triage",
    "eval add empty.jsonl --route support-triage",
    "eval sample --route support-triage",
    "eval run nothing",
    "keys create two,words",
    "keys list",
    "keys revoke nobody",
    "records tail",
    "records stats",
    "records import missing.jsonl --from openai",
    "records import empty.jsonl --from openai",
    "records fetch --to copy",
    "records fetch s3://bucket --to copy",
    "replay --route support-triage --out rows/out.jsonl",
    "replay --route nobody --out rows/out.jsonl",
    "policy simulate missing.yaml --pairs missing.jsonl",
    "train sft --dataset missing --base m --out runs/a",
    "train dpo --dataset missing --base m --out runs/a",
    "train grpo --dataset missing --base m --out runs/a",
    "train preflight missing",
    "label triage --by ada",
    "readiness",
    "routes",
    "savings",
    "report support-triage",
    "rebuild",
    "kill --off --reason none",
    "doctor",
)  # fmt: skip


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("words", REFUSED)
def test_what_finds_nothing_leaves_nothing(place: Path, words: str) -> None:
    """The folder is as it was."""
    Path("asked.jsonl").write_text('{"messages": [{"role": "user", "content": "Hello"}]}\n')
    Path("empty.jsonl").write_text("")
    before = tree(place)
    try:
        main(words.split())
    except SystemExit:
        pytest.fail(f"crossfade has no command {words}")
    assert tree(place) == before

"""A dataset out of the records: read in order of time, one example at a time."""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from records.dataset import manifest, registry
from records.dataset.contamination import evaluation_rows
from records.dataset.example import Example, Reason, Source, example
from records.dataset.format import Learns
from records.dataset.formats import format_named
from records.dataset.manifest import Manifest
from records.dataset.parquet_file import to_parquet
from records.dataset.preference import DIRECTED, preference, vote
from records.dataset.split import PPM, Split, split_of
from records.dedupe import exact_key
from records.store import Store

SPLITS: tuple[Split, ...] = ("train", "validation")
_ROWS = 1000
_SHOWN_LEAKS = 5
_SAID = [name for name in Source.__struct_fields__ if name not in ("other_json", "q")]
_ANSWERS = f"SELECT {', '.join(_SAID)}, NULL, NULL FROM joined WHERE route = ? ORDER BY id"  # noqa: S608 -- our own names
_PAIRS = f"""
SELECT {", ".join(f"j.{name}" for name in _SAID)}, c.answer_json, c.q
FROM joined j LEFT JOIN (
    SELECT exchange_id, answer_json, q FROM comparisons_all
    WHERE asked = 'candidate' AND came = 'answered' AND metric IN {DIRECTED} AND q IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY exchange_id ORDER BY compared_at DESC) = 1
) c ON c.exchange_id = j.id
WHERE j.route = ? ORDER BY j.id
"""  # noqa: S608 -- our own names
_MAKERS: dict[Learns, Callable[[Source], Example | Reason]] = {
    "answers": example,
    "preferences": preference,
    "votes": vote,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to build."""

    route: str
    shape: str
    """The name of the format."""
    validation_ppm: int = PPM // 10
    salt: str = "split"
    version: str = ""
    """Of Crossfade, for the manifest."""
    against: tuple[Path, ...] = ()
    """Evaluation sets that none of it may repeat."""
    drops_leaks: bool = False
    """Rows that repeat them are left out; else one of them fails the build."""


class LeakError(Exception):
    """Evaluation rows are among the training rows. The message names some, and what to do."""

    def __init__(self, leaks: Sequence[tuple[str, str]]) -> None:
        """`leaks`: each exchange's id, and the evaluation row that it repeats."""
        shown = ", ".join(f"{exchange} ({where})" for exchange, where in leaks[:_SHOWN_LEAKS])
        super().__init__(
            f"{len(leaks)} exchanges repeat evaluation rows, and nothing was built: {shown}. "
            "hint: --drop-leaks leaves them out, counted"
        )


@dataclass(slots=True)
class _Count:
    """What was seen so far."""

    read: int = 0
    leaks: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    corrected: int = 0
    kept: Counter[Split] = field(default_factory=Counter[Split])
    left_out: Counter[Reason] = field(default_factory=Counter[Reason])
    models: Counter[str] = field(default_factory=Counter[str])
    redactions: set[str] = field(default_factory=set[str])
    ids: list[str] = field(default_factory=list[str])
    """Of the exchanges that were kept."""


@dataclass(frozen=True, slots=True)
class _Prompts:
    """Prompts of the whole dataset, by their hash."""

    trained: set[bytes]
    """They will be trained on: an equal one in validation would measure memory."""
    corrected: set[bytes]
    """An answer to them was corrected: what models said to them elsewhere is no better."""

    @classmethod
    def of(cls, store: Store, wanted: Wanted) -> Self:
        """Those of the records."""
        found = cls(set(), set())
        for source, made in _made(store, wanted):
            if isinstance(made, Example):
                key = exact_key(made.prompt, made.tools)
                if _split(source, wanted) == "train":
                    found.trained.add(key)
                if made.is_corrected:
                    found.corrected.add(key)
        return found

    def refused(self, made: Example, split: Split) -> Reason | None:
        """Why an example is left out for another one."""
        key = exact_key(made.prompt, made.tools)
        if split == "validation" and key in self.trained:
            return "prompt_in_train"
        is_learned = made.is_good is not False and not made.is_corrected
        return "corrected_elsewhere" if is_learned and key in self.corrected else None


def build(store: Store, wanted: Wanted, out: Path) -> tuple[Path, Manifest]:
    """Write the dataset under `out`, in a folder named by its content. Returns the folder and its manifest.

    Raises:
        ValueError: there is no such format, or an evaluation set cannot be read.
        LeakError: evaluation rows are in it; nothing of it is left.
        OSError, duckdb.Error: it cannot be read or written; nothing of it is left.
    """
    out.mkdir(parents=True, exist_ok=True)
    fresh = out / f".building-{os.getpid()}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    try:
        made = store.past_damage(lambda: _write(store, wanted, fresh))
        folder = out / made.sha256[:12]
        if folder.exists():
            shutil.rmtree(folder)  # the same files: what is new is at most the way they were counted
        fresh.rename(folder)
        registry.enter(store.root, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder, made


def _write(store: Store, wanted: Wanted, folder: Path) -> Manifest:
    count = _Count()
    prompts = _Prompts.of(store, wanted)
    with ExitStack() as stack:
        files: dict[Split, IO[bytes]] = {
            split: stack.enter_context((folder / f"{split}.jsonl").open("wb")) for split in SPLITS
        }
        _write_examples(store, wanted, prompts, files, count)
    for split in SPLITS:
        if not count.kept[split]:
            (folder / f"{split}.jsonl").unlink()
    if count.leaks and not wanted.drops_leaks:
        raise LeakError(count.leaks)
    splits: list[Split] = [split for split in SPLITS if count.kept[split]]
    shape = format_named(wanted.shape)
    paths: dict[Split, Path] = {split: folder / f"{split}.jsonl" for split in splits}
    if shape.is_parquet:
        for split in splits:
            paths[split] = to_parquet(paths[split], sorted(shape.fields))
    if shape.companion:
        (folder / shape.companion[0]).write_text(shape.companion[1](splits), encoding="utf-8")
    found = [manifest.file_of(path, split, count.kept[split]) for split, path in paths.items()]
    made = Manifest(
        dataset_format=wanted.shape,
        route=wanted.route,
        sha256=manifest.hash_of(found),
        files=found,
        read=count.read,
        kept=count.kept.total(),
        corrected=count.corrected,
        left_out={str(reason): number for reason, number in sorted(count.left_out.items())},
        split={"by": "conversation_id", "salt": wanted.salt, "validation_ppm": wanted.validation_ppm},
        models=dict(sorted(count.models.items())),
        redaction_versions=sorted(count.redactions),
        first_id=count.ids[0] if count.ids else "",
        last_id=count.ids[-1] if count.ids else "",
        crossfade=wanted.version,
        against=[manifest.file_of(path, "evaluation", 0) for path in wanted.against],
    )
    manifest.write(folder, made)
    (folder / registry.EXCHANGES).write_text("".join(f"{one}\n" for one in count.ids), "utf-8")
    (folder / "README.md").write_text(manifest.card(made, shape), "utf-8")
    return made


def _write_examples(
    store: Store, wanted: Wanted, prompts: _Prompts, files: dict[Split, IO[bytes]], count: _Count
) -> None:
    shape = format_named(wanted.shape)
    evaluated = evaluation_rows(wanted.against)
    seen: set[bytes] = set()
    for source, made in _made(store, wanted):
        count.read += 1
        if not isinstance(made, Example):
            count.left_out[made] += 1
            continue
        split = _split(source, wanted)
        key = exact_key([*made.prompt, made.answer], made.tools, made.rejected)
        if reason := "duplicate" if key in seen else prompts.refused(made, split):
            count.left_out[reason] += 1
            continue
        if where := evaluated.leak(made.prompt):
            count.leaks.append((source.id, where))
            count.left_out["in_evaluation"] += 1
            continue
        seen.add(key)
        files[split].write(shape.line(made) + b"\n")
        count.kept[split] += 1
        count.corrected += made.is_corrected
        count.models["corrections" if made.is_corrected else source.model_returned] += 1
        count.redactions.add(source.redaction_version)
        count.ids.append(source.id)


def _split(source: Source, wanted: Wanted) -> Split:
    return split_of(source.conversation_id or source.id, wanted.salt, wanted.validation_ppm)


def _made(store: Store, wanted: Wanted) -> Iterator[tuple[Source, Example | Reason]]:
    """The route's exchanges in order of time, each with what its format learns from it."""
    learns = format_named(wanted.shape).learns
    with store.open_views() as views:
        cursor = views.execute(_PAIRS if learns == "preferences" else _ANSWERS, [wanted.route])
        while rows := cursor.fetchmany(_ROWS):
            for fields in rows:
                source = Source(*fields)
                yield source, _MAKERS[learns](source)

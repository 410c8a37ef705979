"""A dataset out of the records: read in order of time, one example at a time.

`rows` reads the exchanges, here or on many machines. What has to be known of all of them (caps, duplicates, leaks) is
asked here, in order, so that the same records give the same files wherever they were read.

They are gone over more than once: to know which prompts are trained on and corrected; for each cap, to draw among the
rows that nothing else leaves out, so that none of its places is given to a row that is refused afterwards; to write.
"""

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Self

import msgspec

from records import durable
from records.dataset import manifest, registry
from records.dataset.caps import Cap
from records.dataset.contamination import called, evaluation_rows
from records.dataset.example import Example, Fields, Source
from records.dataset.filters import Filters
from records.dataset.formats import format_named
from records.dataset.manifest import Manifest
from records.dataset.near import NearDuplicates
from records.dataset.parquet_file import to_parquet
from records.dataset.personal import PersonalData
from records.dataset.poisoning import Poisoning, source_of
from records.dataset.reason import Reason
from records.dataset.rows import DatasetRows
from records.dataset.split import PPM, Split, SplitRule
from records.dedupe import exact_key
from records.parts import PartRunner, run_here
from records.prompt_dates import undated
from records.store import Store

SPLITS: tuple[Split, ...] = ("train", "validation")
_SHOWN_LEAKS = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to build."""

    route: str
    shape: str
    """The name of the format."""
    validation_ppm: int = PPM // 10
    validation_from: float | None = None
    """Unix time: conversations that began then or later are validated on, and no others; None: `validation_ppm` of them
    are, by lot."""
    salt: str = "split"
    version: str = ""
    """Of Crossfade, for the manifest."""
    against: tuple[Path, ...] = ()
    """Evaluation sets that none of it may repeat."""
    drops_leaks: bool = False
    """Rows that repeat them are left out; else one of them fails the build."""
    unrouted_models: tuple[str, ...] = ()
    """Exchanges of no route that ask for one of these models are taken, too."""
    filters: Filters = field(default_factory=Filters)
    most_per_source: int | None = None
    most_per_template: int | None = None
    """Rows with one system prompt."""
    near: float | None = None
    """Rows as alike as this, with one answer, are the same; None: only equal ones are."""
    keeps_personal: bool = False
    """Rows with what redaction replaces are kept."""
    watch: Callable[[int], None] = field(default=lambda _: None, compare=False, repr=False)
    """Told of each exchange that was read, for whoever shows how far it is."""
    run: PartRunner = field(default=run_here, compare=False, repr=False)
    """Where the records are read."""
    labels: Mapping[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    """By exchange and candidate's rollout, by how much people say that its answer is better: their word goes before a
    judge's, and before what they did not judge."""


class LeakError(Exception):
    """Evaluation rows are among the training rows. The message names some, and what to do."""

    def __init__(self, leaks: Sequence[tuple[str, str]]) -> None:
        """`leaks`: each exchange's id, and the evaluation row that it repeats."""
        shown = ", ".join(f"{exchange} ({where})" for exchange, where in leaks[:_SHOWN_LEAKS])
        super().__init__(
            f"{len(leaks)} exchange{' repeats' if len(leaks) == 1 else 's repeat'} evaluation rows, and nothing was "
            f"built: {shown}. hint: --drop-leaks leaves them out, counted"
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
class _Whole:
    """What has to be known of all examples before one of them is taken."""

    rule: SplitRule
    sources: Cap
    templates: Cap
    trained: set[bytes] = field(default_factory=set[bytes])
    """Prompts, by their hash, that will be trained on: an equal one in validation would measure memory."""
    corrected: set[bytes] = field(default_factory=set[bytes])
    """Prompts of which an answer was corrected: what models said to them elsewhere is no better."""
    poisoning: Poisoning = field(default_factory=Poisoning)

    @classmethod
    def of(cls, exchanges: DatasetRows, wanted: Wanted) -> Self:
        """That of the records.

        Raises:
            ValueError: near duplicates cannot be looked for.
        """
        late = None if wanted.validation_from is None else exchanges.begun_from(wanted.validation_from)
        rule = SplitRule(wanted.salt, wanted.validation_ppm, late)
        found = cls(rule, Cap(wanted.most_per_source), Cap(wanted.most_per_template))
        for source, made in exchanges:
            wanted.watch(1)
            if isinstance(made, Example):
                found._look(made, found.split_of(source))
        for cap, group_of in ((found.sources, _source), (found.templates, _template)):
            if cap.is_bound:
                choice = _Choice(found, wanted)
                for source, made in exchanges:
                    wanted.watch(1)
                    if isinstance(made, Example) and choice.refused(source, made) is None:
                        found._offer(cap, group_of(source), source, made)
                cap.close()
        return found

    def split_of(self, source: Source) -> Split:
        """Where what an exchange teaches belongs."""
        return self.rule.split_of(source.conversation_id or source.id)

    def _look(self, made: Example, split: Split) -> None:
        prompt = exact_key(_asked_of(made), made.tools)
        self.poisoning.look(made.prompt)
        if split == "train":
            self.trained.add(prompt)
        if made.is_corrected:
            self.corrected.add(prompt)

    def _offer(self, cap: Cap, group: str, source: Source, made: Example) -> None:
        if self.is_drawn(source, made):
            cap.offer(group, _key(made))

    def is_drawn(self, source: Source, made: Example) -> bool:
        """Whether the caps that have been drawn for so far take it."""
        key = _key(made)
        return self.sources.takes(_source(source), key) and self.templates.takes(_template(source), key)


class _Choice:
    """One time over the examples: which of them nothing but a cap leaves out."""

    def __init__(self, whole: _Whole, wanted: Wanted) -> None:
        self._whole = whole
        self._wanted = wanted
        self._near = NearDuplicates(wanted.near) if wanted.near is not None else None
        self._personal = PersonalData()
        self._evaluated = evaluation_rows(wanted.against)
        self._passed: set[bytes] = set()
        """Examples that nothing left out: an equal one is left out for nothing either, whoever's it is."""
        self.leaks: list[tuple[str, str]] = []

    def refused(self, source: Source, made: Example) -> Reason | None:
        """Why the next example is left out, but for a cap or for one that is in the dataset already."""
        prompt, whole = exact_key(_asked_of(made), made.tools), _key(made)
        if self._whole.split_of(source) == "validation" and prompt in self._whole.trained:
            return "prompt_in_train"
        if made.is_good is not False and not made.is_corrected and prompt in self._whole.corrected:
            return "corrected_elsewhere"
        if whole in self._passed:
            return None
        if not self._wanted.keeps_personal and self._personal.is_in(made):
            return "personal_data"
        if where := self._evaluated.leak(made.prompt):
            self.leaks.append((source.id, where))
            return "in_evaluation"
        if self._is_near(made):
            return "near_duplicate"
        self._passed.add(whole)
        return None

    def _is_near(self, made: Example) -> bool:
        """Whether an example says nearly what an earlier one does; a correction is never left out for that."""
        return self._near is not None and self._near.has(_words(made)) and not made.is_corrected


def _source(source: Source) -> str:
    return source_of(source.user_id, source.key_id)


def _template(source: Source) -> str:
    return source.system_hash


def _key(made: Example) -> bytes:
    return exact_key([*_asked_of(made), made.answer], made.tools, made.rejected)


def _asked_of(made: Example) -> list[Fields]:
    """The prompt without the date that its system prompt tells: the same question of another day is the same one."""
    return [undated(turn) if turn["role"] == "system" else turn for turn in made.prompt]


def _words(made: Example) -> str:
    """What was asked last and what is answered: templates are alike in all rows."""
    asked = [turn["content"] or "" for turn in made.prompt if turn["role"] in ("user", "tool")]
    return "\n".join([*asked[-1:], msgspec.json.encode(made.answer).decode()])


def build(store: Store, wanted: Wanted, out: Path) -> tuple[Path, Manifest]:
    """Write the dataset under `out`, in a folder named by its content. Returns the folder and its manifest.

    Where no example is kept, nothing is left: neither that folder, nor those that were made for it.

    Raises:
        ValueError: there is no such format, or an evaluation set cannot be read.
        LeakError: evaluation rows are in it; nothing of it is left.
        OSError, duckdb.Error: it cannot be read or written; nothing of it is left.
    """
    ours = [folder for folder in (out, *out.parents) if not folder.exists()]
    out.mkdir(parents=True, exist_ok=True)
    fresh, spilt = (out / f".{name}-{os.getpid()}" for name in ("building", "sorting"))
    for folder in (fresh, spilt):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
    try:
        made = store.past_damage(lambda: _write(_rows(store, wanted, spilt), wanted, fresh))
        folder = out / made.sha256[:12]
        if made.kept:
            if folder.exists():
                shutil.rmtree(folder)  # the same files: what is new is at most the way they were counted
            durable.place(fresh, folder)
            registry.enter(store.root, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(spilt, ignore_errors=True)
        with contextlib.suppress(OSError):  # what is not empty stays, and all above it
            for each in ours:
                each.rmdir()
    return folder, made


def _write(exchanges: DatasetRows, wanted: Wanted, folder: Path) -> Manifest:
    count = _Count()
    whole = _Whole.of(exchanges, wanted)
    with ExitStack() as stack:
        files: dict[Split, IO[bytes]] = {
            split: stack.enter_context((folder / f"{split}.jsonl").open("wb")) for split in SPLITS
        }
        _write_examples(exchanges, wanted, whole, files, count)
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
        split=_how_split(wanted),
        models=dict(sorted(count.models.items())),
        redaction_versions=sorted(count.redactions),
        first_id=count.ids[0] if count.ids else "",
        last_id=count.ids[-1] if count.ids else "",
        crossfade=wanted.version,
        against=[
            msgspec.structs.replace(manifest.file_of(path, "evaluation", 0), name=called(path))
            for path in wanted.against
        ],
        filters=_asked(wanted),
        suspicions=whole.poisoning.suspicions(),
    )
    manifest.write(folder, made)
    (folder / registry.EXCHANGES).write_text("".join(f"{one}\n" for one in count.ids), "utf-8")
    (folder / "README.md").write_text(manifest.card(made, shape), "utf-8")
    return made


def _write_examples(
    exchanges: DatasetRows, wanted: Wanted, whole: _Whole, files: dict[Split, IO[bytes]], count: _Count
) -> None:
    shape, choice, written = format_named(wanted.shape), _Choice(whole, wanted), set[bytes]()
    for source, made in exchanges:
        wanted.watch(1)
        count.read += 1
        if not isinstance(made, Example):
            count.left_out[made] += 1
            continue
        key = _key(made)
        reason = "duplicate" if key in written else choice.refused(source, made)
        if reason is None and not whole.is_drawn(source, made):
            reason = "over_cap"
        if reason is not None:
            count.left_out[reason] += 1
            continue
        written.add(key)
        split = whole.split_of(source)
        whole.poisoning.count(source.id, _source(source), made.prompt)
        files[split].write(shape.line(made) + b"\n")
        count.kept[split] += 1
        count.corrected += made.is_corrected
        count.models["corrections" if made.is_corrected else source.model_returned] += 1
        count.redactions.add(source.redaction_version)
        count.ids.append(source.id)
    count.leaks = choice.leaks


def _asked(wanted: Wanted) -> dict[str, Any]:
    """What was asked for besides the route and the split."""
    caps: dict[str, Any] = {"most_per_source": wanted.most_per_source, "most_per_template": wanted.most_per_template}
    found = msgspec.json.decode(msgspec.json.encode(wanted.filters)) | caps | {"near": wanted.near}
    found |= {"unrouted_models": list(wanted.unrouted_models) or None}
    return {name: value for name, value in found.items() if value is not None}


def _how_split(wanted: Wanted) -> dict[str, str | int]:
    if wanted.validation_from is not None:
        began = datetime.fromtimestamp(wanted.validation_from, UTC)
        return {"by": "conversation_id", "validation_from": began.isoformat(timespec="seconds")}
    return {"by": "conversation_id", "salt": wanted.salt, "validation_ppm": wanted.validation_ppm}


def _rows(store: Store, wanted: Wanted, spilt: Path) -> DatasetRows:
    return DatasetRows(
        store, wanted.route, wanted.unrouted_models, wanted.filters, wanted.shape, wanted.labels, spilt, wanted.run
    )


def reads(store: Store, wanted: Wanted) -> int:
    """How often `wanted.watch` will be told of an exchange: each is read twice, and once more for each cap.

    Raises:
        OSError, duckdb.Error: the records cannot be read.
    """
    caps = [cap for cap in (wanted.most_per_source, wanted.most_per_template) if cap is not None]
    return (2 + len(caps)) * _rows(store, wanted, Path()).count()

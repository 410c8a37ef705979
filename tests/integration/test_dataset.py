"""From the journal to a dataset that trainers load."""

import importlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.cli import main as command
from gateway.node import labels
from gateway.node.labels import PairLabel
from records.comparison import Comparison
from records.dataset.build import Wanted, build
from records.dataset.check import check_file
from records.dataset.formats import FORMATS, format_named
from records.parquet import COMPARISONS
from records.store import Store
from tests.fakes.exchanges import AT, chat_answer, chat_request
from tests.rooms.recording import PEPPER, Place
from tests.rooms.stored_records import keep, record

AT_US = 1_795_000_000_000_000
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def tool_answer(number: int) -> bytes:
    function = {"name": "f", "arguments": json.dumps({f"argument_{number}": number})}
    return chat_answer(
        None, "tool_calls", tool_calls=[{"id": f"call_{number}", "type": "function", "function": function}]
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Forty exchanges: tool calls with arguments of their own, words, and each kind that is left out."""
    made = Place(tmp_path_factory.mktemp("data"))
    (made.root / "pepper").write_text(PEPPER.hex())
    worker, recorder = made.worker(segment_bytes=1 << 20), made.recorder()
    for number in range(20):
        worker.whole(request=chat_request(f"call {number}", tools=TOOLS), response=tool_answer(number))
        worker.whole(request=chat_request(f"say {number}", user="anna" if number else "bob"))
    worker.whole(request=chat_request("say 1", user="anna"))
    worker.whole(variant="candidate")
    worker.whole(why="fallback", reason="timeout")
    worker.whole(response=chat_answer(finish="length"))
    worker.whole(no_train=True)
    worker.whole(request=chat_request("mail me: anna@example.com", store=False))
    worker.whole(status=500)
    worker.feedback(worker.ids[0], b'{"score":0.5,"comment":"call 415-555-2671"}')
    made.step(recorder)
    made.step(recorder)
    worker.die()
    recorder.close()
    return made


ANSWERS = [shape for shape in FORMATS if format_named(shape).learns == "answers"]


def load(folder: Path, cache: Path) -> list[dict[str, Any]]:
    datasets = importlib.import_module("datasets")  # which takes three seconds, and every process collects this file
    loaded = datasets.load_dataset(str(folder), cache_dir=str(cache))
    return [row for split in loaded.values() for row in split]


@pytest.mark.parametrize("shape", ANSWERS)
def test_load_dataset(place, tmp_path, shape):
    """The built folder loads with `load_dataset` and is what its own validator takes."""
    folder, made = build(Store(place.root / "records"), Wanted("support", shape), tmp_path / "out")

    assert made.kept == len(load(folder, tmp_path / "cache")) == 40
    assert [
        fault for file in made.files for fault in check_file(folder / file.name, format_named(shape), least=1)
    ] == []
    companion = format_named(shape).companion
    assert companion is None or (folder / companion[0]).exists()


@pytest.mark.parametrize(
    ("shape", "said"),
    [("trl-sft", "completion"), ("openai-sft", "messages"), ("axolotl", "messages")],
)
def test_each_tool_call_has_its_own_arguments(place, tmp_path, shape, said):
    """Loaded, a call has the arguments that the model gave, and no other call's as nulls."""
    folder, _ = build(Store(place.root / "records"), Wanted("support", shape), tmp_path / "out")
    rows = load(folder, tmp_path / "cache")
    calls = [call["function"]["arguments"] for row in rows for call in row[said][-1].get("tool_calls") or ()]
    read = calls if shape == "trl-sft" else [json.loads(arguments) for arguments in calls]
    assert sorted(next(iter(one.values())) for one in read) == list(range(20))
    assert all(len(one) == 1 for one in read)


@pytest.mark.parametrize("shape", [shape for shape in FORMATS if shape not in ANSWERS])
def test_feedback_and_the_shadow_make_comparing_datasets(tmp_path, shape):
    """A correction and a judged pair are preferences, votes are labels; a comparison with the baseline is neither."""
    made = Place(tmp_path / "data")
    worker, recorder = made.worker(segment_bytes=1 << 20), made.recorder()
    for number in range(4):
        worker.whole(request=chat_request(f"ask {number}"), response=chat_answer(f"answer {number}"))
    worker.feedback(worker.ids[0], b'{"score":-1,"corrected_output":"right"}')
    made.step(recorder)
    made.step(recorder)
    worker.die()
    recorder.close()
    store = Store(made.root / "records")
    pairs = [compared(worker.ids[1], "judge", 1.0), compared(worker.ids[2], "json_fields", -1.0)]
    store.publish(store.stage(COMPARISONS, pairs, "shadow"))
    folder, told = build(store, Wanted("support", shape, validation_ppm=0), tmp_path / "out")
    rows = load(folder, tmp_path / "cache")

    if format_named(shape).learns == "votes":
        assert [row["label"] for row in rows] == [False]
        assert told.left_out == {"no_vote": 3}
        return
    better, worse = ("chosen", "rejected") if shape == "trl-dpo" else ("preferred_output", "non_preferred_output")
    assert [(row[better][0]["content"], row[worse][0]["content"]) for row in rows] == [
        ("right", "answer 0"),
        ("of the candidate", "answer 1"),
    ]
    assert told.left_out == {"no_preference": 2}
    assert list(check_file(folder / "train.jsonl", format_named(shape), least=1)) == []


@pytest.mark.parametrize("vote", ["candidate", "baseline", "equal"])
def test_a_persons_word_goes_before_a_judges(tmp_path, vote):
    """What people said of pairs makes preferences, where no judge was asked and where one said the contrary."""
    made, ids = answered(tmp_path / "data", 2)
    store = Store(made.root / "records")
    pairs = [compared(ids[0], "judge", 1.0), compared(ids[1], "json_fields", -1.0)]
    store.publish(store.stage(COMPARISONS, pairs, "shadow"))
    with labels.opened(made.root / "state.db") as state:
        for name in ids:
            labels.keep(state, PairLabel(name, "candidate", "ada", "support", "random", vote, (), 1.0))
    words = ["dataset", "build", "--route", "support", "--format", "trl-dpo", "--out", str(tmp_path / "out")]
    assert command.main([*words, "--validation", "0%", "--data", str(made.root)]) == (vote == "equal")
    if vote != "equal":
        (rows,) = [file.read_text().splitlines() for file in (tmp_path / "out").glob("*/train.jsonl")]
        better = [json.loads(row)["chosen"][0]["content"] for row in rows]
        told = ["answer 0", "answer 1"] if vote == "baseline" else ["of the candidate", "of the candidate"]
        assert better == told


def test_a_comparator_beside_the_gates_metric_says_which_is_better(tmp_path):
    """Where the gate rests on likeness, or on nothing, the judge or the team's own function still tells directions."""
    made, ids = answered(tmp_path / "data", 3)
    store = Store(made.root / "records")
    beside = '{"json_fields": {"agree": 0.1}, "python": {"q": %s}}'
    pairs = [
        msgspec.structs.replace(compared(ids[0], "json_fields", -1.0), scores_json=beside % "0.5"),
        msgspec.structs.replace(compared(ids[1], "", None), scores_json=beside % "-0.5"),
        compared(ids[2], "json_fields", -1.0),
    ]
    store.publish(store.stage(COMPARISONS, pairs, "shadow"))
    folder, told = build(store, Wanted("support", "trl-dpo", validation_ppm=0), tmp_path / "out")
    rows = [json.loads(line) for line in lines_of(folder / "train.jsonl")]
    assert [row["chosen"][0]["content"] for row in rows] == ["of the candidate", "answer 1"]
    assert told.left_out == {"no_preference": 1}


@pytest.mark.parametrize("better", ["small", "large"])
def test_a_persons_word_is_of_the_candidate_it_was_said_of(tmp_path, better):
    """Of several candidates' answers to one request, the one that people judged is learned from, and no other."""
    made = Place(tmp_path / "data")
    worker, recorder = made.worker(segment_bytes=1 << 20), made.recorder()
    worker.whole(request=chat_request("ask"), response=chat_answer("of the baseline"))
    made.step(recorder)
    made.step(recorder)
    worker.die()
    recorder.close()
    store = Store(made.root / "records")
    pairs = [compared(worker.ids[0], "judge", 1.0, f"support@{name}", f"of {name}") for name in ("small", "large")]
    store.publish(store.stage(COMPARISONS, pairs, "shadow"))
    votes = {"small": "equal", "large": "equal"} | {better: "candidate"}
    with labels.opened(made.root / "state.db") as state:
        for name, vote in votes.items():
            route = f"support@{name}"
            labels.keep(state, PairLabel(worker.ids[0], "candidate", "ada", route, "random", vote, (), 1.0))
    words = ["dataset", "build", "--route", "support", "--format", "trl-dpo", "--out", str(tmp_path / "out")]
    assert command.main([*words, "--validation", "0%", "--data", str(made.root)]) == 0
    (row,) = [file.read_text() for file in (tmp_path / "out").glob("*/train.jsonl")]
    assert json.loads(row)["chosen"][0]["content"] == f"of {better}"


def answered(root: Path, count: int) -> tuple[Place, list[str]]:
    """A place with so many answers of the baseline in its records, `answer 0` to `ask 0`, and their ids."""
    made = Place(root)
    worker, recorder = made.worker(segment_bytes=1 << 20), made.recorder()
    for number in range(count):
        worker.whole(request=chat_request(f"ask {number}"), response=chat_answer(f"answer {number}"))
    made.step(recorder)
    made.step(recorder)
    worker.die()
    recorder.close()
    return made, worker.ids


def compared(
    exchange_id: str, metric: str, q: float | None, route: str = "support", said: str = "of the candidate"
) -> Comparison:
    """A pair of the shadow that this metric scored."""
    return Comparison(
        exchange_id=exchange_id, asked="candidate", route=route, unit="u", candidate_key="k", compared_us=AT_US,
        p_mirror=1.0, came="answered", metric=metric, q=q, answer_json=chat_answer(said).decode(),
    )  # fmt: skip


def test_what_is_left_out_is_counted(place, tmp_path):
    """Every exchange of the route is an example or left out for a reason."""
    _, made = build(Store(place.root / "records"), Wanted("support", "openai-sft"), tmp_path)

    assert made.left_out == {
        "candidate": 1,
        "duplicate": 1,
        "fallback": 1,
        "no_train": 1,
        "not_complete": 1,
        "store_false": 1,
        "truncated": 1,
    }
    assert made.kept + sum(made.left_out.values()) == made.read == 47


def test_a_correction_wins_over_every_other_answer(tmp_path):
    """The corrected answer is learned, and none that a model gave to the same prompt anywhere else."""
    made = Place(tmp_path)
    worker, recorder = made.worker(segment_bytes=1 << 20), made.recorder()
    for number in range(3):
        worker.whole(request=chat_request("one"), response=chat_answer(f"answer {number}"))
    worker.whole(request=chat_request("two"))
    worker.feedback(worker.ids[1], b'{"score":-1,"corrected_output":"right"}')
    made.step(recorder)
    made.step(recorder)
    worker.die()
    recorder.close()
    wanted = Wanted("support", "trl-sft", validation_ppm=0)
    folder, told = build(Store(made.root / "records"), wanted, tmp_path / "out")

    rows = [json.loads(line) for line in lines_of(folder / "train.jsonl")]
    assert [row["completion"][0]["content"] for row in rows] == ["right", "It is on its way."]
    assert (told.corrected, told.left_out) == (1, {"corrected_elsewhere": 2})


def told_at(day: str, text: str) -> bytes:
    messages = [{"role": "system", "content": f"You triage. Today is {day}."}, {"role": "user", "content": text}]
    return json.dumps({"model": "gpt-4o", "messages": messages}).encode()


def test_the_same_question_of_another_day_is_the_same(tmp_path):
    """Where the system prompt tells the date: equal answers are one row, a prompt counts for the cap of its template, a
    correction stands for every day, and no conversation goes on in another split.
    """
    made = Place(tmp_path)
    worker, recorder = made.worker(segment_bytes=1 << 20), made.recorder()
    for day in ("2026-11-29", "2026-11-30", "2026-12-01"):
        worker.whole(request=told_at(day, "one"), response=chat_answer("same"))
        worker.whole(request=told_at(day, "two"), response=chat_answer(f"on {day}"))
    worker.feedback(worker.ids[1], b'{"corrected_output":"right"}')
    made.step(recorder)
    made.step(recorder)
    worker.die()
    recorder.close()
    store = Store(made.root / "records")
    folder, told = build(store, Wanted("support", "trl-sft", validation_ppm=0), tmp_path / "out")
    rows = [json.loads(line) for line in lines_of(folder / "train.jsonl")]
    _, capped = build(store, Wanted("support", "trl-sft", most_per_template=1), tmp_path / "out")

    assert [row["completion"][0]["content"] for row in rows] == ["same", "right"]
    assert told.left_out == {"duplicate": 2, "corrected_elsewhere": 2}
    assert capped.kept == 1


def test_responses_are_learned_from(tmp_path):
    """An exchange of the Responses API is a row as a chat is; one whose turns the provider holds is counted."""
    made = Place(tmp_path)
    worker, recorder = made.worker(segment_bytes=1 << 20), made.recorder()
    output = [{"type": "reasoning", "id": "r"}, {"type": "message", "role": "assistant", "content": []}]
    output[1]["content"] = [{"type": "output_text", "text": "Soon.", "annotations": []}]
    answer = json.dumps({"object": "response", "id": "resp_1", "status": "completed", "output": output}).encode()
    for more in ({}, {"previous_response_id": "resp_0"}):
        asked = json.dumps({"model": "gpt-5", "input": "When?", "instructions": "Be brief.", **more}).encode()
        worker.whole(target="/v1/responses", request=asked, response=answer)
    made.step(recorder)
    made.step(recorder)
    worker.die()
    recorder.close()
    store = Store(made.root / "records")
    folder, told = build(store, Wanted("support", "openai-sft", validation_ppm=0), tmp_path / "out")

    (row,) = [json.loads(line) for line in lines_of(folder / "train.jsonl")]
    assert [(turn["role"], turn["content"]) for turn in row["messages"]] == [
        ("system", "Be brief."),
        ("user", "When?"),
        ("assistant", "Soon."),
    ]
    assert told.left_out == {"server_state": 1}


def test_an_evaluation_row_in_training_fails_the_build(place, tmp_path, capsys):
    """Nothing is left of the dataset, and the row is named; with --drop-leaks it is left out and counted."""
    (tmp_path / "evals.jsonl").write_text('{"text": "another"}\n{"text": "SAY 3!"}\n')
    words = ("dataset", "build", "--route", "support", "--format", "trl-sft", "--out", tmp_path / "out")
    words = (*words, "--data", place.root, "--against", tmp_path / "evals.jsonl", "--json")
    assert command.main([str(word) for word in words]) == 1
    assert "1 exchange repeats evaluation rows" in (said := capsys.readouterr().err)
    assert "evals.jsonl:2" in said
    assert not (tmp_path / "out").exists()

    code, built = run(capsys, *words, "--drop-leaks")
    assert (code, built["left_out"]["in_evaluation"], built["kept"]) == (0, 1, 39)
    assert [file["name"] for file in built["against"]] == ["evals.jsonl"]


def test_a_conversation_stands_in_one_split(tmp_path):
    """Whatever its turns say: half of a conversation tells what the other half asks."""
    store = Store(tmp_path / "records")
    keep(
        store,
        "a",
        *(
            msgspec.structs.replace(record(turn, route="support"), conversation_id=f"talk-{turn // 4}")
            for turn in range(80)
        ),
    )
    folder, made = build(store, Wanted("support", "trl-sft", validation_ppm=400_000), tmp_path / "out")

    talks = {
        file.split: {
            int(json.loads(line)["prompt"][-1]["content"].split()[-1]) // 4
            for line in (folder / file.name).read_text().splitlines()
        }
        for file in made.files
    }
    assert sum(map(len, talks.values())) == 20
    assert all(talks.values())
    assert [file.examples for file in made.files] == [4 * len(talks[file.split]) for file in made.files]


def test_what_came_later_is_held_out_by_whole_conversations(tmp_path, capsys):
    """One that began before is trained on to its end, though filters leave out its beginning; the manifest says so."""
    store = Store(tmp_path / "records")
    told = [("old", 0), ("bridge", 10), ("bridge", 70), ("new", 60), ("new", 80)]
    keep(
        store,
        "a",
        *(
            msgspec.structs.replace(record(turn, at=AT + 60 * minutes, route="support"), conversation_id=name)
            for turn, (name, minutes) in enumerate(told)
        ),
    )
    words = ("dataset", "build", "--route", "support", "--format", "trl-sft", "--data", tmp_path, "--json")
    later, hour = (datetime.fromtimestamp(AT + 60 * minutes, UTC).strftime("%Y-%m-%dT%H:%M") for minutes in (11, 60))

    def split(*more):
        code, built = run(capsys, *words, "--out", tmp_path / "out", "--validation-from", hour, *more)
        assert (code, built["split"]) == (0, {"by": "conversation_id", "validation_from": f"{hour}:00+00:00"})
        return {file["split"]: file["examples"] for file in built["files"]}

    assert split() == {"train": 3, "validation": 2}
    assert split("--since", later) == {"train": 1, "validation": 2}


def test_the_same_records_make_the_same_folder(place, tmp_path):
    """A dataset is named by what is in it; another salt is another dataset."""
    store = Store(place.root / "records")
    first, _ = build(store, Wanted("support", "openai-sft"), tmp_path)
    content = (first / "train.jsonl").read_bytes()
    again, _ = build(store, Wanted("support", "openai-sft"), tmp_path)
    other, _ = build(store, Wanted("support", "openai-sft", salt="b"), tmp_path)

    assert first == again
    assert (again / "train.jsonl").read_bytes() == content
    assert other != first
    assert {path.name for path in tmp_path.iterdir()} == {first.name, other.name}


def test_no_conversation_is_in_both_splits(place, tmp_path):
    """A prompt that is trained on is not validated on, whoever asked it."""
    folder, _ = build(Store(place.root / "records"), Wanted("support", "openai-sft", validation_ppm=500_000), tmp_path)
    prompts = {
        split: {json.dumps(json.loads(line)["messages"][:-1]) for line in lines_of(folder / f"{split}.jsonl")}
        for split in ("train", "validation")
    }

    assert prompts["train"]
    assert prompts["validation"]
    assert prompts["train"].isdisjoint(prompts["validation"])


def lines_of(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    code = command.main([str(word) for word in words])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else None


def test_commands(place, tmp_path, capsys):
    """The commands build, inspect and validate; a fault is named with file and line, and the exit code says so."""
    data = ("--data", place.root, "--json")
    code, built = run(capsys, "dataset", "build", "--route", "support", "--format", "trl-sft", "--out", tmp_path, *data)
    assert code == 0
    assert run(capsys, "dataset", "inspect", built["folder"], "--json") == (0, built)
    assert run(capsys, "dataset", "validate", built["folder"], "--json") == (0, [])

    file = Path(built["folder"]) / "train.jsonl"
    file.write_text(file.read_text() + "{}\n")
    lines = len(file.read_text().splitlines())
    code, faults = run(capsys, "dataset", "validate", file, "--format", "trl-sft", "--json")
    assert code == 1
    assert faults == [{"file": str(file), "line": lines, "fault": "prompt: not a list with something in it"}]

    code, _ = run(capsys, "dataset", "build", "--route", "none", "--format", "trl-sft", "--out", tmp_path, *data)
    assert code == 1


def test_what_a_row_teaches_is_shown(place, tmp_path, capsys):
    """In colour on request, in brackets else; as data with `--json`; a row that is not there is refused."""
    folder, _ = build(Store(place.root / "records"), Wanted("support", "trl-sft", validation_ppm=0), tmp_path)

    assert command.main(["dataset", "inspect", str(folder), "--row", "2"]) == 0
    assert capsys.readouterr().out == (
        "row 2 of train.jsonl, as trl-sft is learned from:\n1 of 3 messages are learned\n"
        "system: You triage.\nuser: say 0\nassistant: [[It is on its way.]]\n\n"
    )
    assert command.main(["dataset", "inspect", str(folder), "--row", "2", "--color", "always"]) == 0
    assert "\x1b[1;32mIt is on its way.\x1b[0m" in capsys.readouterr().out
    code, said = run(capsys, "dataset", "inspect", folder, "--row", "2", "--json")
    assert (code, said["lessons"][0]["learned"]) == (0, [2])
    assert command.main(["dataset", "inspect", str(folder), "--row", "41"]) == 1
    assert "it has 40" in capsys.readouterr().err
    code, said = run(capsys, "dataset", "diff", folder, folder, "--json")
    assert (code, said["is_same"], said["same"]) == (0, True, 40)


def test_records_commands(place, capsys):
    """The last exchanges, one of them whole with its feedback, and the sums, as JSON."""
    data = ("--data", place.root, "--json")
    assert command.main(["records", "tail", "-n", "2", *map(str, data)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["status"] for line in lines] == [200, 500]

    code, stats = run(capsys, "records", "stats", *data)
    assert code == 0
    assert [(row["variant"], row["exchanges"], row["complete"]) for row in stats] == [
        ("baseline", 46, 45),
        ("candidate", 1, 1),
    ]

    first = place.ids()[0]
    code, shown = run(capsys, "records", "show", first, *data)
    assert code == 0
    assert shown["request_json"]["messages"][1]["content"] == "call 0"
    assert (shown["score"], shown["comment"]) == (0.5, "call [PHONE_1]")
    assert run(capsys, "records", "show", "nothing", *data) == (1, None)


def test_a_dataset_that_holds_what_is_erased_is_marked(place, capsys, tmp_path):
    """Forgetting names its folder, and whoever looks at it is told; one that holds nothing of it is left alone."""
    data = ("--data", place.root, "--json")
    held = run(capsys, "dataset", "build", "--route", "support", "--format", "trl-sft", "--out", tmp_path, *data)[1]
    votes = ("--format", "trl-kto", "--out", tmp_path / "votes")
    other = run(capsys, "dataset", "build", "--route", "support", *votes, *data)[1]
    first = (Path(held["folder"]) / "exchanges.txt").read_text().split()[-1]
    assert first not in (Path(other["folder"]) / "exchanges.txt").read_text()

    code, told = run(capsys, "records", "forget", "--id", first, *data)

    assert (code, told["removed"]) == (0, 1)
    assert str(Path(held["folder"]).resolve()) in told["stale_datasets"]
    assert str(Path(other["folder"]).resolve()) not in told["stale_datasets"]
    assert run(capsys, "dataset", "inspect", held["folder"], "--json")[1]["stale"] == 1
    assert run(capsys, "dataset", "inspect", other["folder"], "--json")[1]["stale"] == 0
    assert command.main(["dataset", "validate", held["folder"]]) == 0
    assert "STALE: 1 exchanges of" in capsys.readouterr().err


def test_forget_command(place, capsys):
    """Forgetting a user removes what is recorded of them, and says how much."""
    before = len(place.ids())
    code, told = run(capsys, "records", "forget", "--user", "bob", "--data", place.root, "--json")

    assert (code, told["kind"], told["removed"]) == (0, "user", 1)
    assert len(place.ids()) == before - 1


def test_where_filters_leave_nothing_they_are_named(place, tmp_path, capsys):
    """What was asked for is what to look at, not whether the route has another name."""
    words = ("dataset", "build", "--route", "support", "--format", "trl-sft", "--out", tmp_path / "out", "--data")
    words = (*words, place.root, "--since", "2039-01-01", "--model", "none")
    assert command.main([str(word) for word in words]) == 1
    assert "hint: no exchange is let through by what was asked for: since, models" in capsys.readouterr().err


def test_a_broken_parquet_file_is_named_without_a_query(tmp_path, capsys):
    """An empty one, and one that is text: one line, and no words of the database's."""
    for content in ("", "no parquet at all, but long enough to look like some"):
        (tmp_path / "train.parquet").write_text(content)
        assert command.main(["dataset", "validate", str(tmp_path / "train.parquet"), "--format", "parquet"]) == 1
        said = capsys.readouterr().err
        assert "train.parquet" in said
        assert "SELECT" not in said
        assert said.count("\n") == 1

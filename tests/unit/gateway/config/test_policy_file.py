"""A policy's text is a policy that may be used, or every reason why it is none."""

import os
from pathlib import Path

import pytest

from gateway.config.policy_file import read, read_file, with_files
from gateway.config.yaml_file import YamlFileError
from policies.surroundings import KnownUpstream, Surroundings
from tests.rooms.policy_files import READY, SHORT, written


def refusal(text: str) -> str:
    with pytest.raises(YamlFileError) as caught:
        read(text, "p.yaml", READY)
    return str(caught.value)


def test_a_good_text_is_a_policy():
    """With its document, and without a warning."""
    loaded = read(SHORT, "p.yaml", READY)

    assert (loaded.policy.route, loaded.warnings, loaded.name) == ("support-triage", (), "p.yaml")


def test_syntax_keys_and_contradictions_are_all_refused_with_their_place():
    """Whichever of the three it is, the line is shown and the hint says what to do."""
    assert refusal("route: [").startswith("p.yaml:")
    assert refusal(written("modee: apply")).startswith("p.yaml:7:1: `modee` is no key here\n    modee: apply\n    ^\n")
    assert refusal(written(stages="[shadow, 5%, 1%]")) == (
        "p.yaml:6:22: stages.2: weights must rise from stage to stage\n"
        "    stages: [shadow, 5%, 1%]\n                         ^\n"
        "    hint: the stage before it serves 5%: use a larger share"
    )


def test_warnings_come_with_the_policy():
    """They have a place too, and are called warnings."""
    (warning,) = read(written("mode: observe"), "p.yaml", READY).warnings

    assert str(warning).splitlines()[0] == "p.yaml:7:7: warning: `observe` moves no traffic"


def test_what_can_never_be_certified_is_served_all_the_same():
    """A likeness gate without a key for the baseline: its route stays, and `lint` has what to refuse."""
    keyless = Surroundings({"openai": KnownUpstream(is_priced=True), "vllm": READY.upstreams["vllm"]})
    loaded = read(written(compare="[exact]"), "p.yaml", keyless)

    (refused,) = loaded.uncertifiable
    assert "is asked twice" in str(refused) and refused not in loaded.warnings


def test_a_file_is_read_by_its_name(tmp_path: Path):
    """The path is the name in every complaint."""
    path = tmp_path / "p.yaml"
    path.write_text(SHORT, encoding="utf-8")

    assert read_file(path).name == str(path)
    with pytest.raises(YamlFileError, match="cannot be read"):
        read_file(tmp_path / "none.yaml")


def test_what_the_judge_is_told_is_part_of_the_surroundings(tmp_path: Path):
    """The rubric's words count, not its file's name; without a judge nothing is added, without the file it is said."""
    judged = "[{{judge: {{upstream: claude, model: j, rubric: {}}}}}]"
    for name, words in (("a.md", "Be brief."), ("b.md", "Be brief."), ("c.md", "Be long.")):
        (tmp_path / name).write_text(words, encoding="utf-8")

    def told(compare: str) -> str:
        return with_files(READY, read(written(compare=compare), "p.yaml", READY), tmp_path).judge

    assert told("[json_fields]") == ""
    assert told(judged.format("a.md")) == told(judged.format("b.md")) != told(judged.format("c.md"))
    assert told("[{judge: {upstream: claude, model: j}}]") not in ("", told(judged.format("a.md")))
    with pytest.raises(YamlFileError, match=r"^p.yaml:5:\d+: none.md: No such file"):
        told(judged.format("none.md"))
    os.mkfifo(tmp_path / "pipe")  # that nobody writes to
    with pytest.raises(YamlFileError, match=r"^p.yaml:5:\d+: pipe: it is no file"):
        told(judged.format("pipe"))


def test_what_a_schema_says_is_part_of_the_surroundings(tmp_path: Path):
    """Its content counts, however it is laid out, beside what a judge is told; without the file it is said."""
    for name, text in (
        ("a.json", '{"type": "object", "required": ["a"]}'), ("b.json", '{"required":["a"],\n"type":"object"}'),
        ("c.json", '{"type": "array"}'), ("d.json", "no JSON"),
    ):  # fmt: skip
        (tmp_path / name).write_text(text, encoding="utf-8")

    def told(name: str, more: str = "") -> Surroundings:
        compare = f"[json_fields, {{schema: {{file: {name}}}}}{more}]"
        return with_files(READY, read(written(compare=compare), "p.yaml", READY), tmp_path)

    digests = {name: told(f"{name}.json").schema for name in "abcd"}
    assert digests["a"] == digests["b"]
    assert len({"", *digests.values()}) == 4
    judged = told("a.json", ", {judge: {upstream: claude, model: j}}")
    assert (judged.schema, judged.judge != "") == (digests["a"], True)
    with pytest.raises(YamlFileError, match=r"^p.yaml:5:\d+: none.json: No such file"):
        told("none.json")


def test_a_system_prompt_is_read_from_its_file(tmp_path: Path):
    """Without the line end that editors add; missing, too long or no text at all is said at its place."""
    candidate = "{upstream: vllm, model: m, revision: a, system_prompt: %s}"
    (tmp_path / "v2.md").write_text("Triage.\nBe brief.\n", encoding="utf-8")
    (tmp_path / "long.md").write_text("x" * 300_000, encoding="utf-8")
    (tmp_path / "bytes.md").write_bytes(b"\xff\xfe")

    def told(name: str) -> str | None:
        loaded = read(written(candidate=candidate % name), str(tmp_path / "p.yaml"), READY)
        return with_files(READY, loaded).system_prompt

    assert told("v2.md") == "Triage.\nBe brief."
    for name, why in (("none.md", "No such file"), ("long.md", "too long"), ("bytes.md", "no text in UTF-8")):
        with pytest.raises(YamlFileError, match=rf"p.yaml:4:\d+: {name}: {why}"):
            told(name)

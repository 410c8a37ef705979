"""pydantic's findings become lines with a place, in our words, with the key that was meant."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gateway.config.problems import problems
from gateway.config.yaml_file import parse


def even(value: object) -> object:
    if value == "odd":
        raise ValueError("an odd thing. hint: make it even")
    return value


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Inner(Section):
    margin: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    kind: Literal["total", "ttft"] = "total"
    what: Annotated[object, BeforeValidator(even)] = None


class Outer(Section):
    name: str
    count: int = 0
    flag: bool = False
    inner: Inner | None = None
    many: list[Inner] = []
    few: list[int] = Field(default=[], max_length=2)
    named: dict[str, Inner] = {}
    either: Inner | str = ""
    shout: str = Field(default="", alias="SHOUT")


def complaints(text: str) -> list[str]:
    document = parse(text, "a.yaml")
    try:
        Outer.model_validate(document.value, strict=True)
    except ValidationError as error:
        return [str(problem) for problem in problems(document, error, Outer)]
    return []


def test_an_unknown_key_comes_with_the_one_that_was_meant():
    """Wherever it stands: at the top, within a section, a list, a mapping or a choice."""
    text = "name: x\ncout: 1\ninner: {margn: 1}\nmany: [{}, {knd: total}]\nnamed: {a: {mragin: 1}}\n"
    text += "either: {kinds: total}\n"

    shown = complaints(text)

    assert shown[0] == "a.yaml:2:1: `cout` is no key here\n    cout: 1\n    ^\n    hint: did you mean `count`?"
    assert [line.rsplit("\n", 1)[1].strip() for line in shown[1:4]] == [
        "hint: did you mean `margin`?", "hint: did you mean `kind`?", "hint: did you mean `margin`?",
    ]  # fmt: skip
    assert any("`kinds` is no key here" in line and "`kind`" in line for line in shown[4:])


def test_a_key_like_no_other_comes_with_all_there_are():
    """Where nothing is near, the hint lists what may stand there, by the name people write."""
    assert (
        "hint: there are name, count, flag, inner, many, few, named, either, SHOUT" in complaints("name: x\nzzz: 1")[0]
    )


def test_a_list_that_is_too_long_says_how_long_it_may_be():
    """In our words, wherever there is a most."""
    assert complaints("name: x\nfew: [1, 2, 3]\n") == [
        "a.yaml:2:6: few: has 3 entries\n    few: [1, 2, 3]\n         ^\n    hint: at most 2"
    ]


def test_what_is_missing_is_named():
    """At the place of the section that lacks it."""
    assert complaints("\ncount: 1\n") == ["a.yaml:2:1: `name` is missing\n    count: 1\n    ^"]


def test_wrong_types_are_said_in_plain_words():
    """Each with the key, the place of the value, and what to do."""
    shown = "\n".join(complaints("name: 3\ncount: 1.5\nflag: 1\ninner: {margin: 0, kind: tota, what: odd}\nmany: 7\n"))

    assert "a.yaml:1:7: name: must be text\n    name: 3\n          ^\n    hint: put it in quotes" in shown
    assert "a.yaml:2:8: count: must be a whole number" in shown
    assert "a.yaml:3:7: flag: must be true or false" in shown
    assert "inner.margin: must be greater than 0" in shown
    assert "inner.kind: must be `total` or `ttft`" in shown
    assert "inner.what: an odd thing" in shown
    assert "hint: make it even" in shown
    assert "many: must be a list" in shown


def test_a_file_that_is_no_mapping_is_said_so():
    """A list or a word at the top is one complaint, at its place."""
    assert complaints("- a\n")[0].startswith("a.yaml:1:1: must be a mapping of keys to values")
    assert complaints("")[0] == "a.yaml: must be a mapping of keys to values"

"""What all parts of a policy file have in common."""

from typing import Annotated

import pytest
from pydantic import TypeAdapter

from policies.language.base import HeaderName, Pointer, Section, Several, TextForm, with_options


class Part(Section):
    """A part."""

    names: Several[str] = ()
    """Names."""


def test_one_thing_is_a_list_of_one():
    """In the file and in its JSON Schema; what is neither is refused."""
    assert Part.model_validate({"names": "a"}).names == ("a",)
    assert Part.model_validate({"names": ["a", "b"]}).names == ("a", "b")
    assert len(Part.model_json_schema()["properties"]["names"]["anyOf"]) == 2
    with pytest.raises(ValueError, match="tuple"):
        Part.model_validate({"names": 5})


def test_a_form_shows_an_example_of_itself():
    """And is a pattern in the JSON Schema."""
    adapter = TypeAdapter(Annotated[str, TextForm("[ab]+", "as in abba")])

    assert adapter.validate_python("abba") == "abba"
    assert adapter.json_schema() == {"type": "string", "pattern": "^[ab]+$"}
    for text in ("abc", "", "a\n"):
        with pytest.raises(ValueError, match="hint: as in abba"):
            adapter.validate_python(text)


@pytest.mark.parametrize(
    ("text", "fits"),
    [("/a", True), ("/a/0/b~1c", True), ("/", True), ("", False), ("a", False), ("/a~2", False)],
)
def test_a_pointer_is_a_json_pointer(text: str, *, fits: bool):
    """RFC 6901; the whole document is no field."""
    adapter = TypeAdapter(Pointer)

    if fits:
        assert adapter.validate_python(text) == text
    else:
        with pytest.raises(ValueError, match="JSON pointer"):
            adapter.validate_python(text)


def test_a_header_is_named_in_lower_case_and_is_no_credential():
    """Policies never hold or match secrets."""
    adapter = TypeAdapter(HeaderName)

    assert adapter.validate_python("X-Session-Id") == "x-session-id"
    for text in ("Authorization", "cookie", "X-Api-Key"):
        with pytest.raises(ValueError, match="is a credential"):
            adapter.validate_python(text)
    with pytest.raises(ValueError, match="must be a header's name"):
        adapter.validate_python("a b")


def test_a_name_may_stand_for_a_name_with_options():
    """`name`, `name: ` and `name: {}` are one."""
    assert with_options("a") == with_options({"a": None}) == with_options({"a": {}}) == {"a": {}}
    with pytest.raises(ValueError, match="must be a name"):
        with_options(["a"])

"""What all parts of a policy file have in common: frozen, complete, and strict about what is written."""

import ast
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from textwrap import dedent
from typing import Annotated, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_after_validator_function, no_info_before_validator_function

T = TypeVar("T")


class Section(BaseModel):
    """A mapping of known keys. What each of them means stands below it in the source, and is read by `describe`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


def describe() -> None:
    """Give each key of all sections the text below it as its description, for those who show what keys mean.

    pydantic would read all sources at import (`use_attribute_docstrings`), in each process that knows policies.
    """
    sections = list(_sections(Section))
    for section in sections:
        told = {name: text for each in reversed(section.__mro__) for name, text in _told_in(each)}
        for name, field in section.model_fields.items():
            field.description = field.description or told.get(name)
    for section in sections:  # those within others come first
        section.model_rebuild(force=True)


def _sections(above: type[Section]) -> Iterator[type[Section]]:
    for section in above.__subclasses__():
        if section.__module__.startswith("policies."):
            yield section
            yield from _sections(section)


def _told_in(section: type) -> Iterator[tuple[str, str]]:
    """Each key whose meaning stands below it, in the source of one class."""
    if not issubclass(section, Section):
        return
    (written,) = ast.parse(dedent(inspect.getsource(section))).body
    body = cast("ast.ClassDef", written).body
    for key, below in pairwise(body):
        match key, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, inspect.cleandoc(text)
            case _:
                pass


def with_options(value: object) -> object:
    """`name` is short for `{name: {}}`, and so is `{name: }`.

    Raises:
        ValueError: it is neither a name nor a mapping.
    """
    if isinstance(value, str):
        return {value: {}}
    if isinstance(value, dict):
        several = cast("dict[object, object]", value)
        return {name: cast("object", {}) if options is None else options for name, options in several.items()}
    raise ValueError(
        "must be a name, or a name with options. hint: as `5%` or `5%: {hold: 6h}`, `exact` or `exact: {}`"
    )


class TextForm:
    """What a text must look like, with an example of it for those whose text does not."""

    def __init__(self, pattern: str, example: str) -> None:
        self._pattern = pattern
        self._example = example

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Text, then its form."""
        return no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The pattern, as a regular expression."""
        return handler(schema) | {"pattern": f"^{self._pattern}$"}

    def _check(self, text: str) -> str:
        if not re.fullmatch(self._pattern, text):
            raise ValueError(f"is not of the form it must have. hint: {self._example}")
        return text


class _OneOrSeveral:
    """Lets one thing stand for a list of one, in files and in their JSON Schema."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """What a list is read by, with the short form before it."""
        return no_info_before_validator_function(_several, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """One, or a list."""
        several = handler(schema)
        return {"anyOf": [several["items"], several]}


def _several(value: object) -> object:
    if isinstance(value, list):
        return tuple(cast("list[object]", value))
    return (cast("object", value),) if isinstance(value, (str, dict)) else value


Several = Annotated[tuple[T, ...], _OneOrSeveral()]
Text = Annotated[str, Field(min_length=1, max_length=1024)]
PolicyPath = Annotated[Text, "a file"]
"""A file, from the policy's folder on."""
Name = Annotated[
    str, TextForm(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "letters, digits, `.`, `_` and `-`, as in support-triage")
]
Pointer = Annotated[str, TextForm(r"(/([^~/]|~[01])*)+", "a JSON pointer, as /explanation or /items/0/price")]
"""Source: RFC 6901."""

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_CREDENTIALS = frozenset({"authorization", "proxy-authorization", "cookie", "api-key", "x-api-key"})


def header_name(text: str) -> str:
    """A header's name in lower case.

    Raises:
        ValueError: it is none, or carries a credential.
    """
    if not _HEADER.fullmatch(text):
        raise ValueError("must be a header's name. hint: as in x-session-id")
    if text.lower() in _CREDENTIALS:
        raise ValueError("is a credential. hint: use `key`, with the names of gateway keys")
    return text.lower()


HeaderName = Annotated[str, AfterValidator(header_name)]

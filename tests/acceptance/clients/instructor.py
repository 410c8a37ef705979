"""Instructor: a typed answer by tools and by JSON schema, whole and in partial objects."""

import sys

sys.path.pop(0)  # this file has the package's name

import instructor
from openai import OpenAI
from pydantic import BaseModel


class Triage(BaseModel):
    """A triaged message."""

    intent: str
    urgent: bool


turns = [{"role": "user", "content": "triage"}]
wanted = Triage(intent="value", urgent=True)
for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
    client = instructor.from_openai(OpenAI(), mode=mode)
    assert (
        client.chat.completions.create(model="gpt-4o", messages=turns, response_model=Triage).model_dump()
        == wanted.model_dump()
    )
    *_, last = client.chat.completions.create_partial(model="gpt-4o", messages=turns, response_model=Triage)
    assert last.model_dump() == wanted.model_dump()
print("ok")

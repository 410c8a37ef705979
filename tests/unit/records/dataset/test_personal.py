"""Which examples hold what redaction replaces, however many rows repeat a turn."""

import time

from records.dataset.example import Example, Fields
from records.dataset.personal import PersonalData

PLAIN = "Where is the parcel that was sent on the twelfth day to the depot?"
MAIL = "Write to jane.doe@example.org about the parcel that was sent on the twelfth."


def example(system: str = PLAIN, asked: str = PLAIN, said: str = PLAIN, rejected: str | None = None) -> Example:
    prompt: list[Fields] = [{"role": "system", "content": system}, {"role": "user", "content": asked}]
    worse = None if rejected is None else {"role": "assistant", "content": rejected}
    return Example(prompt, {"role": "assistant", "content": said}, rejected=worse)


def test_it_is_found_wherever_it_stands_and_each_time():
    """In the system prompt, the last turn, the answer and the worse answer; a turn that was refused is so again."""
    personal = PersonalData()
    held = [example(system=MAIL), example(asked=MAIL), example(said=MAIL), example(rejected=MAIL)]

    found = [personal.is_in(made) for made in [example(rejected=PLAIN), *held, example(), *held]]

    assert found == [False, *[True] * 4, False, *[True] * 4]


def test_a_tool_call_in_a_history_is_looked_at():
    """A turn of the same words is another one where its call differs."""
    personal = PersonalData()

    def called(arguments: str) -> Example:
        call = {"id": "c", "type": "function", "function": {"name": "find", "arguments": arguments}}
        turn: Fields = {"role": "assistant", "content": "", "tool_calls": [call]}
        return Example([turn, {"role": "user", "content": PLAIN}], {"role": "assistant", "content": PLAIN})

    assert [personal.is_in(called(text)) for text in ('{"a":"b"}', f'{{"a":"{MAIL}"}}')] == [False, True]


def test_a_system_prompt_that_every_row_has_is_looked_at_once():
    """Forty rows of one long system prompt take less than twenty such prompts that nobody has seen."""
    long = f"{PLAIN} Rule 12345-AB holds from 2026-11-20 on; see https://example.org/help for more. " * 200
    personal = PersonalData()

    def taken_s(rows: list[Example]) -> float:
        began_s = time.thread_time()
        assert not any(personal.is_in(made) for made in rows)
        return time.thread_time() - began_s

    strange_s = taken_s([example(f"{number} {long}") for number in range(20)])

    assert taken_s([example(f"0 {long}")] * 40) < strange_s

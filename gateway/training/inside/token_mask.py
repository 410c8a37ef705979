"""Which tokens of conversations are learned, with a model's own tokenizer and chat template.

    python token_mask.py TOKENIZER < lessons.json

Reads a list of {"messages": […], "learned": [places], "tools": …}; prints for each a list of [text, learned]. A
message that is learned begins where a prompt that ends before it would make the model speak, as TRL has it. Runs in the
training scripts' environment, and imports nothing of Crossfade's.
"""

import json
import sys
from typing import Any

from transformers import AutoTokenizer


def main(folder: str) -> None:
    """Read, mask, print."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    print(json.dumps([masked(tokenizer, lesson) for lesson in json.load(sys.stdin)]))


def masked(tokenizer: Any, lesson: dict[str, Any]) -> list[tuple[str, bool]]:
    """Each token of one conversation, and whether it is learned."""
    turns = [worded(turn) for turn in lesson["messages"]]
    whole = tokens(tokenizer, turns, lesson.get("tools"))
    learned = [False] * len(whole)
    for place in lesson["learned"]:
        before = tokens(tokenizer, turns[:place], lesson.get("tools"), add_generation_prompt=True)
        after = tokens(tokenizer, turns[: place + 1], lesson.get("tools"))
        if after[: len(before)] != before:
            raise SystemExit(f"message {place}: this template writes the prompt otherwise once it is answered")
        learned[len(before) : len(after)] = [True] * (len(after) - len(before))
    return [(tokenizer.decode([token]), is_learned) for token, is_learned in zip(whole, learned, strict=True)]


def tokens(tokenizer: Any, turns: list[dict[str, Any]], tools: Any, **options: Any) -> list[int]:
    """The conversation as the model reads it."""
    found = tokenizer.apply_chat_template(turns, tools=tools, tokenize=True, return_dict=True, **options)
    return list(found["input_ids"])


def worded(turn: dict[str, Any]) -> dict[str, Any]:
    """The turn as templates want it: words that are text, and arguments as objects."""
    found = {name: value for name, value in turn.items() if value is not None and name not in ("weight", "train")}
    found.setdefault("content", "")
    for call in found.get("tool_calls", ()):
        if isinstance(call["function"]["arguments"], str):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return found


if __name__ == "__main__":
    main(sys.argv[1])

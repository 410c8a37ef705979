"""A route's own comparator as a reward function of TRL: the same code says what is good in training and in the shadow.

    from shadow.reward import make_reward
    GRPOTrainer(reward_funcs=[make_reward("json_fields", {"ignore": ["/explanation"]})], …)

The dataset is `crossfade dataset build --format trl-grpo`: its column `reference` is the recorded answer, the baseline
of the pair. The reward is the pair's score: below 0 the model's answer is worse than the recorded one, 0 as good, above
0 better, where the comparator can say so. None, where it says nothing of this pair: TRL leaves it out.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from records.named_file import read_named
from records.wire.json_reader import read_fields
from shadow.compare.pair import AppRequest, ModelAnswer, Pair, ToolCall
from shadow.compare.python import told_of
from shadow.score_pair import Comparing, Options

Reward = Callable[..., list[float | None]]
"""As TRL calls it: `prompts`, `completions` and every other column by name, a list each."""
PURE = ("exact", "json_fields", "schema", "tool_calls")


def make_reward(name: str, options: Options | None = None, folder: Path = Path()) -> Reward:
    """The reward function of the comparator `name`; files that its options name are in `folder`.

    Raises:
        ValueError: it is no comparator that scores by itself, or its options cannot be used.
        OSError: its file cannot be read.
    """
    score = (
        _own(str((options or {}).get("ref", "")), folder) if name == "python" else _pure(name, options or {}, folder)
    )

    def reward(
        prompts: Sequence[list[dict[str, Any]]],
        completions: Sequence[list[dict[str, Any]]],
        reference: Sequence[str],
        tools: Sequence[str | None] | None = None,
        **_: object,
    ) -> list[float | None]:
        offered = tools or [None] * len(prompts)
        rows = zip(prompts, completions, reference, offered, strict=True)
        return [score(_pair(prompt, completion[-1], recorded, each)) for prompt, completion, recorded, each in rows]

    reward.__name__ = name  # TRL's logs name a reward by it
    return reward


def _pure(name: str, options: Options, folder: Path) -> Callable[[Pair], float | None]:
    if name not in PURE:
        raise ValueError(f"{name} is no comparator that scores by itself. hint: {', '.join((*PURE, 'python'))}")
    comparing = Comparing([{name: options}], name, files=lambda file: read_named(folder / file), scorers={})
    if comparing.problems:
        raise ValueError(comparing.problems[0])
    return lambda pair: comparing.likeness(pair).q


def _own(ref: str, folder: Path) -> Callable[[Pair], float | None]:
    """The user's own function, `file.py:name`: what it raises ends the training."""
    file, _, name = ref.rpartition(":")
    spec = importlib.util.spec_from_file_location(Path(file).stem, folder / file)
    if spec is None or spec.loader is None or not name:
        raise ValueError(f"python: {ref!r} names no function. hint: ref: evals/triage.py:score")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    score = getattr(module, name)
    return lambda pair: score(dict(pair.asked.fields), told_of(pair.baseline), told_of(pair.candidate))


def _pair(prompt: list[dict[str, Any]], said: Mapping[str, Any], reference: str, tools: str | None) -> Pair:
    asked: dict[str, Any] = {"messages": prompt}
    if tools:
        asked["tools"] = (read_fields(f'{{"tools":{tools}}}') or {}).get("tools")
    recorded = _answer(read_fields(reference) or {})
    return Pair(AppRequest("/v1/chat/completions", asked), recorded, _answer(said))


def _answer(message: Mapping[str, Any]) -> ModelAnswer:
    calls = tuple(
        ToolCall(call["function"]["name"], _text(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    )
    return ModelAnswer(message.get("content") or "", calls, "tool_calls" if calls else "stop")


def _text(arguments: object) -> str:
    """Arguments as the model wrote them; TRL has parsed those of its own answers."""
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()

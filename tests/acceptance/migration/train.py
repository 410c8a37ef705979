"""A real fine-tune that a laptop can do: a small Llama from nothing learns to answer `{"intent": "…"}`.

    .cache/vllm/env/bin/python tests/acceptance/migration/train.py TRAIN.jsonl.gz TEST.jsonl.gz TARGET

Needs torch and transformers: it runs in vLLM's environment, never in the gateway's, and imports nothing of the project.
Saves the model after its first epoch (`TARGET/epoch-1`: worse on purpose) and after its last (`TARGET/final`), as vLLM
reads them, and writes `TARGET/report.json`: loss and exact-match on test messages. Stdout tells of each epoch.
"""

import gzip
import json
import math
import sys
from pathlib import Path
from random import Random  # noqa: TID251 -- every one is seeded

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

EPOCHS = 10
BATCH = 64
PEAK_RATE = 1.5e-3
WARMUP_STEPS = 50
VOCABULARY = 3000
MEASURED = 600
"""Test messages that the report's exact-match is over."""
SPECIAL = ["<s>", "</s>", "<|user|>", "<|assistant|>"]
TEMPLATE = (
    "{% for m in messages %}{% if loop.last %}<|user|>{{ m.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""The last message is all it was trained on: a system prompt is for models that were not fine-tuned."""


def main(train: Path, test: Path, target: Path) -> None:
    """Train, save twice, measure twice."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rows = _rows(train)
    tokenizer = _tokenizer(rows)
    examples = [_example(tokenizer, row) for row in rows]
    model = LlamaForCausalLM(_config())
    questions = Random(1).sample(_rows(test), MEASURED)  # noqa: S311
    report = {"parameters": model.num_parameters(), "epochs": []}
    schedule = _Schedule(model, EPOCHS * math.ceil(len(examples) / BATCH))
    for epoch in range(1, EPOCHS + 1):
        dice = Random(epoch)  # noqa: S311
        losses = [schedule.step(_loss(model, batch)) for batch in _batches(examples, dice)]
        told = {"epoch": epoch, "loss": round(sum(losses) / len(losses), 4)}
        if epoch in (1, EPOCHS):
            told["exact_match"] = _exact_match(model, tokenizer, questions)
            _save(model, tokenizer, target / ("final" if epoch == EPOCHS else f"epoch-{epoch}"))
        report["epochs"].append(told)
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
    (target / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _answer(row: dict[str, str]) -> str:
    return json.dumps({"intent": row["intent"]})


def _tokenizer(rows: list[dict[str, str]]) -> PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator((text for row in rows for text in (row["text"], _answer(row))), trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="</s>",
        additional_special_tokens=SPECIAL[2:],
    )
    wrapped.chat_template = TEMPLATE
    return wrapped


def _config() -> LlamaConfig:
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def _prompt(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """What vLLM makes of the template: the tests of the served model compare the two."""
    encode = tokenizer.backend_tokenizer.encode
    return [2, *encode(text, add_special_tokens=False).ids, 3]


def _example(tokenizer: PreTrainedTokenizerFast, row: dict[str, str]) -> tuple[list[int], int]:
    """The tokens of a question and its answer, and how many are the question's."""
    prompt = _prompt(tokenizer, row["text"])
    answer = tokenizer.backend_tokenizer.encode(_answer(row), add_special_tokens=False).ids
    return [*prompt, *answer, 1], len(prompt)


def _batches(examples: list[tuple[list[int], int]], dice: Random):
    """Batches of examples of like length, in a random order: little is padded."""
    shuffled = dice.sample(examples, len(examples))
    pool = BATCH * 16
    batches = []
    for start in range(0, len(shuffled), pool):
        alike = sorted(shuffled[start : start + pool], key=lambda example: len(example[0]))
        batches += [alike[at : at + BATCH] for at in range(0, len(alike), BATCH)]
    dice.shuffle(batches)
    return batches


def _loss(model: LlamaForCausalLM, batch: list[tuple[list[int], int]]) -> torch.Tensor:
    """Of the answers' tokens alone."""
    width = max(len(tokens) for tokens, _ in batch)
    tokens = torch.tensor([tokens + [1] * (width - len(tokens)) for tokens, _ in batch])
    labels = torch.tensor([[-100] * asked + tokens[asked:] + [-100] * (width - len(tokens)) for tokens, asked in batch])
    hidden = model.model(input_ids=tokens).last_hidden_state[:, :-1]
    wanted = labels[:, 1:]
    said = wanted != -100
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[said]), wanted[said])


class _Schedule:
    """AdamW, warmed up and then cooled along a cosine."""

    def __init__(self, model: LlamaForCausalLM, steps: int) -> None:
        self._model = model
        self._optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=0.01)
        self._rate = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer,
            lambda step: min((step + 1) / WARMUP_STEPS, 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))),
        )

    def step(self, loss: torch.Tensor) -> float:
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        self._rate.step()
        return loss.item()


def _exact_match(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, rows: list[dict[str, str]]) -> float:
    """The share of questions whose greedy answer is the label, to the letter: asked in batches of one length."""
    alike: dict[int, list[tuple[list[int], str]]] = {}
    for row in rows:
        prompt = _prompt(tokenizer, row["text"])
        alike.setdefault(len(prompt), []).append((prompt, _answer(row)))
    right = 0
    with torch.inference_mode():
        for width, group in alike.items():
            asked = torch.tensor([prompt for prompt, _ in group])
            mask = torch.ones_like(asked)
            said = model.generate(asked, attention_mask=mask, max_new_tokens=40, do_sample=False, pad_token_id=1)
            told = tokenizer.batch_decode(said[:, width:], skip_special_tokens=True)
            right += sum(text == wanted for text, (_, wanted) in zip(told, group, strict=True))
    return right / len(rows)


def _save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


if __name__ == "__main__":
    main(*[Path(argument) for argument in sys.argv[1:]])

"""A base model of two million parameters that knows nothing: to try a fine-tune with, as `make loop ARGS=--small` does.

    make tiny-base DATASET=./datasets/ID       or, with the Python of `crossfade train env`:
    python tools/tiny_base.py DATASET TARGET

A Llama-shaped model with random weights and a byte-level tokenizer of the dataset's own words, as `transformers` loads
them. Runs in the training scripts' environment, and imports nothing of the project.
"""

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

VOCABULARY = 3000
SPECIAL = ["<s>", "</s>", "<|user|>", "<|assistant|>"]
TEMPLATE = (
    "{% for m in messages %}"
    "{% if m.role == 'user' %}<|user|>{{ m.content }}{% endif %}"
    "{% if m.role == 'assistant' %}<|assistant|>{{ m.content }}</s>{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""Without the system prompt: it is for models that were not fine-tuned."""


def main(dataset: Path, target: Path) -> None:
    """Make the tokenizer of the training rows, and the model at random."""
    rows = [json.loads(line) for line in (dataset / "train.jsonl").read_text("utf-8").splitlines()]
    words = [
        turn["content"] for row in rows for turn in (*row["prompt"], *row["completion"]) if turn["role"] != "system"
    ]
    _tokenizer(words).save_pretrained(target)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=192, intermediate_size=512, num_hidden_layers=3, num_attention_heads=6,
        num_key_value_heads=6, max_position_embeddings=1024, tie_word_embeddings=True, bos_token_id=0, eos_token_id=1,
        pad_token_id=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(target)


def _tokenizer(words: list[str]) -> PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(words, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=bpe, additional_special_tokens=SPECIAL[2:],
        bos_token="<s>", eos_token="</s>", pad_token="</s>",  # noqa: S106 -- no passwords
    )  # fmt: skip
    fast.chat_template = TEMPLATE
    return fast


if __name__ == "__main__":
    main(*[Path(argument) for argument in sys.argv[1:]])

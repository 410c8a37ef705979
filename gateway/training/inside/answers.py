"""What a model says to prompts, word by word the likeliest: for a sweep, which has no engine for each of its models.

    python answers.py MODEL < asked.json

Reads {"prompts": [[messages], …], "max_new_tokens": N, "batch": N}; prints the answers as a list of texts. Runs in the
training scripts' environment, and imports nothing of Crossfade's.
"""

import json
import sys
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main(folder: str) -> None:
    """Read, answer, print."""
    asked = json.load(sys.stdin)
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    said: list[str] = []
    for begin in range(0, len(asked["prompts"]), asked["batch"]):
        said += answers(model, tokenizer, asked["prompts"][begin : begin + asked["batch"]], asked["max_new_tokens"])
    print(json.dumps(said))


def answers(model: Any, tokenizer: Any, prompts: list[list[dict[str, Any]]], most: int) -> list[str]:
    """What the model says to each of some prompts."""
    read = tokenizer.apply_chat_template(
        prompts, add_generation_prompt=True, tokenize=True, padding=True, return_dict=True, return_tensors="pt"
    ).to(model.device)
    with torch.inference_mode():
        whole = model.generate(**read, max_new_tokens=most, do_sample=False, pad_token_id=tokenizer.pad_token_id)
    return tokenizer.batch_decode(whole[:, read["input_ids"].shape[1] :], skip_special_tokens=True)


if __name__ == "__main__":
    main(sys.argv[1])

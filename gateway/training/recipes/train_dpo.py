"""Teaches a model which of two answers is better, with TRL. `crossfade train dpo` wrote this file; it is yours to edit.

    python train_dpo.py --dry-run   every setting, pairs, tokens, time and money, measured on a smoke of 16 pairs
    python train_dpo.py             the smoke, then the training; started again, it goes on from its last checkpoint

Start from a model that `train_sft.py` made: preferences sharpen answers, they do not teach a task. Leaves in OUT:
`model/`, `prompts.jsonl` for `crossfade train preflight`, `report.json`. Needs torch and what `requirements.txt` names.
"""

import argparse
import json
import math
import shutil
import sys
import threading
import time
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, DatasetDict, disable_progress_bars, load_dataset
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import logging
from trl import DPOConfig, DPOTrainer

# Settings: edit them here.
DATASET = "dataset"
"""A folder of `crossfade dataset build --format trl-dpo`."""
BASE = "base"
"""The model to start from: a folder, or a name that the hub knows."""
OUT = "."
METHOD = "full"
"""`full`: all weights. `lora`: an adapter, of a kind that vLLM serves."""
MERGE = True
"""Of `lora`: write the whole model with the adapter in it, not the adapter alone."""
LORA_RANK = 16
EPOCHS = 1.0
LEARNING_RATE = None
"""None: 1e-6 for all weights, 2e-5 for an adapter."""
BETA = 0.1
"""How dear it is to leave the model one started from."""
CHOSEN_WEIGHT = 1.0
"""How much the better answer is learned as such, too. With 0 both answers of a pair may become unlikely, as long as the
worse one does so faster, and the model says a third thing. Source: Pang et al. 2024 (arXiv 2404.19733)."""
BATCH = 8
"""Pairs of one step."""
ACCUMULATE = 1
SEED = 0
SAVE_STEPS = 50
USD_PER_HOUR = 0.0
"""What this machine costs, for the estimate."""
# End of the settings.

SMOKE_ROWS = 16
PROMPTS = 50
"""Prompts that are kept for the preflight."""
TOLD_S = 30.0  # the longest silence
OWN = {"SMOKE_ROWS", "PROMPTS", "TOLD_S", "OWN"}


def main() -> None:
    """Measure, tell, and train."""
    parser = argparse.ArgumentParser(description="Learn from a dataset's preferences.")
    parser.add_argument("--dry-run", action="store_true", help="tell what would be done, and train nothing")
    dry_run = parser.parse_args().dry_run
    if not torch.cuda.is_available():
        torch.set_float32_matmul_precision("medium")  # a CPU that multiplies in bfloat16 does; weights stay float32
    progress = Progress()
    out = Path(OUT)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    splits = load_dataset(DATASET, cache_dir=str(out / "cache"))
    if not isinstance(splits, DatasetDict):
        raise SystemExit(f"{DATASET} has no splits: name a folder of `crossfade dataset build`")
    trainer = trainer_of(tokenizer, splits["train"], splits.get("validation"))
    rows = rows_of(trainer)
    parts = list(zip(rows["prompt_ids"], rows["chosen_ids"], rows["rejected_ids"], strict=True))
    lengths = [len(prompt) + len(chosen) + len(rejected) for prompt, chosen, rejected in parts]
    if not all(chosen and rejected for _, chosen, rejected in parts):
        raise SystemExit("an answer of no tokens: does the chat template render the assistant's turn?")
    progress.at("smoke")
    told = {
        "settings": settings(),
        "versions": {name: version(name) for name in ("torch", "transformers", "trl", "peft", "datasets")},
        "pairs": len(rows),
        "tokens": sum(lengths),
        "longest_pair_tokens": max(lengths),
        "updates": math.ceil(math.ceil(len(rows) / BATCH) / ACCUMULATE * EPOCHS),
        **smoke(tokenizer, splits["train"], lengths),
    }
    print(json.dumps(told, indent=1), flush=True)
    if dry_run:
        return
    progress.at("training")
    trainer.add_callback(progress)
    last = get_last_checkpoint(str(out / "checkpoints")) if (out / "checkpoints").is_dir() else None
    done = trainer.train(resume_from_checkpoint=last)
    result: dict[str, Any] = {"train_loss": done.training_loss, "updates": done.global_step, "resumed_from": last}
    progress.at("validation")
    if trainer.eval_dataset is not None:
        measured = trainer.evaluate()
        shown = ("loss", "rewards/accuracies", "rewards/margins", "rewards/chosen")
        result |= {name: measured[f"eval_{name}"] for name in shown}
        if result["rewards/chosen"] < 0:
            print("better answers of untouched pairs became less likely, too: lower LEARNING_RATE, raise CHOSEN_WEIGHT")
    progress.at("saving")
    write_prompts(rows, tokenizer, out)
    save(trainer, tokenizer, out)
    (out / "report.json").write_text(json.dumps({**told, "result": result}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result), flush=True)


class Progress(TrainerCallback):
    """A line on stderr every 30 s, whatever takes so long: what is being done, how far it is, and the time left."""

    def __init__(self) -> None:
        """Begin to tell, until `over` is set; of bars a pipe makes a page of noise."""
        disable_progress_bars()
        logging.disable_progress_bar()
        self.over, self._began_s = threading.Event(), time.monotonic()
        self.at("reading the model and the dataset")
        threading.Thread(target=self._tell, daemon=True).start()

    def at(self, doing: str) -> None:
        """What is done from now on."""
        self._doing, self._far, self._first, self._first_s = doing, "", None, time.monotonic()

    def _tell(self) -> None:
        while not self.over.wait(TOLD_S):
            print(f"{time.monotonic() - self._began_s:6.0f} s  {self._doing}{self._far}", file=sys.stderr, flush=True)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any, **_: Any) -> None:  # noqa: ARG002 -- as it is called
        """What the last update came to; the time left is by those of this start."""
        self._first = state.global_step - 1 if self._first is None else self._first
        a_step_s = (time.monotonic() - self._first_s) / (state.global_step - self._first)
        left = timedelta(seconds=round(a_step_s * (state.max_steps - state.global_step)))
        said = "".join(f", {name} {float(logs[name]):.4f}" for name in ("loss", "reward") if name in logs)
        self._far = f", step {state.global_step} of {state.max_steps}{said}, {left} left"


def settings() -> dict[str, Any]:
    """Every setting, with what was left open decided."""
    found = {name.lower(): value for name, value in globals().items() if name.isupper() and name not in OWN}
    found["learning_rate"] = LEARNING_RATE or (2e-5 if METHOD == "lora" else 1e-6)
    found["device"] = "cuda" if torch.cuda.is_available() else "cpu"
    found["dtype"] = "bfloat16" if found["device"] == "cuda" else "float32"  # bfloat16 is slow on a CPU
    return found


def trainer_of(tokenizer: Any, rows: Dataset, validation: Dataset | None = None, **changed: Any) -> DPOTrainer:
    """A trainer over these pairs; what is not named here is TRL's default."""
    resolved = settings()
    on_gpu = resolved["device"] == "cuda"
    chosen: dict[str, Any] = {
        "output_dir": str(Path(OUT) / "checkpoints"),
        "num_train_epochs": EPOCHS,
        "learning_rate": resolved["learning_rate"],
        "beta": BETA,
        "loss_type": ["sigmoid", "sft"] if CHOSEN_WEIGHT else ["sigmoid"],
        "loss_weights": [1.0, CHOSEN_WEIGHT] if CHOSEN_WEIGHT else None,
        "per_device_train_batch_size": BATCH,
        "per_device_eval_batch_size": BATCH,
        "gradient_accumulation_steps": ACCUMULATE,
        "max_length": None,  # nothing is cut without a word
        "use_cpu": not on_gpu,
        "bf16": on_gpu,
        "gradient_checkpointing": on_gpu,
        "save_steps": SAVE_STEPS,
        "save_total_limit": 2,
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "seed": SEED,
    }
    lora = LoraConfig(r=LORA_RANK, lora_alpha=2 * LORA_RANK, target_modules="all-linear", bias="none")
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(BASE, dtype=getattr(torch, resolved["dtype"])),
        args=DPOConfig(**{**chosen, **changed}),
        train_dataset=rows,
        eval_dataset=validation,
        processing_class=tokenizer,
        peft_config={"full": None, "lora": lora}[METHOD],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def rows_of(trainer: DPOTrainer) -> Dataset:
    """The pairs, as tokens."""
    if not isinstance(trainer.train_dataset, Dataset):
        raise SystemExit("the pairs are no dataset of this machine")
    return trainer.train_dataset


def smoke(tokenizer: Any, rows: Dataset, lengths: list[int]) -> dict[str, Any]:
    """Two steps on the 16 longest pairs, on a model that is thrown away: what fails later fails here.

    The time they take says how long the whole takes.
    """
    longest = sorted(range(len(lengths)), key=lambda number: -lengths[number])[:SMOKE_ROWS]
    batch = min(BATCH, len(longest))
    folder = Path(OUT) / "smoke"
    small = trainer_of(
        tokenizer, rows.select(longest), output_dir=str(folder), max_steps=2, save_strategy="no",
        gradient_accumulation_steps=1, per_device_train_batch_size=batch,
    )  # fmt: skip
    started = time.perf_counter()
    loss = small.train().training_loss
    taken_s = time.perf_counter() - started
    shutil.rmtree(folder, ignore_errors=True)
    if not math.isfinite(loss):
        raise SystemExit(f"the loss of {len(longest)} pairs is {loss}: nothing would be learned")
    trained = 2 * sum(sorted(lengths)[-batch:])
    hours = sum(lengths) * EPOCHS / (trained / taken_s) / 3600
    cost = round(hours * USD_PER_HOUR, 2)
    return {"smoke_loss": round(loss, 4), "estimated_hours": round(hours, 3), "estimated_usd": cost}


def write_prompts(rows: Dataset, tokenizer: Any, out: Path) -> None:
    """Keep prompts with the tokens they were trained on: an engine must make the same of them."""
    with (out / "prompts.jsonl").open("w", encoding="utf-8") as file:
        for number in range(0, len(rows), max(1, len(rows) // PROMPTS)):
            row = rows[number]
            tokens = row["prompt_ids"]
            kept = {"messages": messages(row["prompt"]), "tokens": tokens, "text": tokenizer.decode(tokens)}
            if row.get("tools"):
                kept["tools"] = json.loads(row["tools"]) if isinstance(row["tools"], str) else row["tools"]
            file.write(json.dumps(kept) + "\n")


def messages(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Turns as an app sends them: without empty fields, arguments as text."""
    found = [{name: value for name, value in turn.items() if value is not None} for turn in turns]
    for turn in found:
        for call in turn.get("tool_calls", ()):
            if not isinstance(call["function"]["arguments"], str):
                call["function"]["arguments"] = json.dumps(call["function"]["arguments"])
    return found


def save(trainer: DPOTrainer, tokenizer: Any, out: Path) -> None:
    """Write the model where an engine finds it, whole or not at all."""
    fresh = out / "model.part"
    shutil.rmtree(fresh, ignore_errors=True)
    model: Any = trainer.model
    if isinstance(model, PeftModel) and MERGE:
        model = model.merge_and_unload()
    model.save_pretrained(str(fresh))
    tokenizer.save_pretrained(str(fresh))
    shutil.rmtree(out / "model", ignore_errors=True)
    fresh.rename(out / "model")


if __name__ == "__main__":
    main()

"""Fine-tunes a model on the answers of a dataset, with TRL. `crossfade train sft` wrote this file; it is yours to edit.

    python train_sft.py --dry-run   every setting, rows, tokens, time and money, measured on a smoke of 16 rows
    python train_sft.py             the smoke, then the training; started again, it goes on from its last checkpoint

Leaves in OUT: `model/`, what an engine serves; `prompts.jsonl`, prompts with the tokens they were trained on, for
`crossfade train preflight`; `report.json`, what was trained on what. Needs torch and what `requirements.txt` names.
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
from trl import SFTConfig, SFTTrainer

# Settings: edit them here.
DATASET = "dataset"
"""A folder of `crossfade dataset build --format trl-sft`."""
BASE = "base"
"""The model to start from: a folder, or a name that the hub knows."""
OUT = "."
METHOD = "full"
"""`full`: all weights. `lora`: an adapter, of a kind that vLLM serves."""
MERGE = True
"""Of `lora`: write the whole model with the adapter in it, not the adapter alone."""
LORA_RANK = 16
"""vLLM serves 1, 8, 16, 32, 64, 128, 256, 320 and 512."""
EPOCHS = 1.0
LEARNING_RATE = None
"""None: 2e-5 for all weights, 2e-4 for an adapter."""
BATCH = 16
"""Rows of one step."""
ACCUMULATE = 1
"""Steps whose gradients are one update: rows of an update are BATCH * ACCUMULATE."""
MAX_LENGTH = None
"""Tokens of a row at most; a longer one is left out, and told: cut, it would teach not to stop. None: any length."""
SEED = 0
SAVE_STEPS = 50
"""A checkpoint every so many updates."""
STOP_AFTER = 1.0
"""The share of the updates after which to stop, as a sweep does; started again with a larger one, it goes on."""
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
    parser = argparse.ArgumentParser(description="Fine-tune on a dataset's answers.")
    parser.add_argument("--dry-run", action="store_true", help="tell what would be done, and train nothing")
    dry_run = parser.parse_args().dry_run
    if not torch.cuda.is_available():
        torch.set_float32_matmul_precision("medium")  # a CPU that multiplies in bfloat16 does; weights stay float32
    progress = Progress()
    out, resolved = Path(OUT), settings()
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    trainer = trainer_of(tokenizer, out, resolved)
    facts = measured(trainer)
    progress.at("smoke")
    told = {
        "settings": resolved,
        "versions": {name: version(name) for name in ("torch", "transformers", "trl", "peft", "datasets")},
        **facts,
        **smoke(trainer, tokenizer, out, resolved, facts),
    }
    print(json.dumps(told, indent=1), flush=True)
    if dry_run:
        return
    progress.at("training")
    trainer.add_callback(progress)
    last = get_last_checkpoint(str(out / "checkpoints")) if (out / "checkpoints").is_dir() else None
    done = trainer.train(resume_from_checkpoint=last)
    result = {"train_loss": done.training_loss, "updates": done.global_step, "resumed_from": last}
    progress.at("validation")
    if trainer.eval_dataset is not None:
        result["validation_loss"] = trainer.evaluate()["eval_loss"]
    progress.at("saving")
    write_prompts(trainer, tokenizer, out)
    save(trainer, tokenizer, out)
    (out / "report.json").write_text(json.dumps({**told, "result": result}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result), flush=True)


def settings() -> dict[str, Any]:
    """Every setting, with what was left open decided."""
    found = {name.lower(): value for name, value in globals().items() if name.isupper() and name not in OWN}
    found["learning_rate"] = LEARNING_RATE or (2e-4 if METHOD == "lora" else 2e-5)
    found["device"] = "cuda" if torch.cuda.is_available() else "cpu"
    found["dtype"] = "bfloat16" if found["device"] == "cuda" else "float32"  # bfloat16 is slow on a CPU
    return found


def config(out: Path, resolved: dict[str, Any], **changed: Any) -> SFTConfig:
    """The trainer's settings; what is not named here is TRL's default."""
    on_gpu = resolved["device"] == "cuda"
    chosen: dict[str, Any] = {
        "output_dir": str(out / "checkpoints"),
        "num_train_epochs": EPOCHS,
        "learning_rate": resolved["learning_rate"],
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.05,  # below 1: a share
        "per_device_train_batch_size": BATCH,
        "per_device_eval_batch_size": BATCH,
        "gradient_accumulation_steps": ACCUMULATE,
        "completion_only_loss": True,  # the loss is on the answers: never on the words of users
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
    return SFTConfig(**{**chosen, **changed})


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


class StopAfter(TrainerCallback):
    """Ends the training early, with a checkpoint; the learning rate falls as if it went on to the end."""

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 -- as it is called
        """Count an update that is done."""
        if STOP_AFTER < 1 and state.global_step >= math.ceil(STOP_AFTER * state.max_steps):
            control.should_training_stop = control.should_save = True


def trainer_of(tokenizer: Any, out: Path, resolved: dict[str, Any]) -> SFTTrainer:
    """The trainer, with the dataset as tokens; rows that are too long are out of it."""
    rows = load_dataset(DATASET, cache_dir=str(out / "cache"))
    if not isinstance(rows, DatasetDict):
        raise SystemExit(f"{DATASET} has no splits: name a folder of `crossfade dataset build`")
    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=getattr(torch, resolved["dtype"]))
    lora = LoraConfig(r=LORA_RANK, lora_alpha=2 * LORA_RANK, target_modules="all-linear", bias="none")
    trainer = SFTTrainer(
        model=model,
        args=config(out, resolved),
        train_dataset=rows["train"],
        eval_dataset=rows.get("validation"),
        processing_class=tokenizer,
        callbacks=[StopAfter()],
        peft_config={"full": None, "lora": lora}[METHOD],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def measured(trainer: SFTTrainer) -> dict[str, Any]:
    """Rows and tokens, what is learned of them; rows over MAX_LENGTH are taken out here."""
    dataset: Any = trainer.train_dataset
    lengths = [len(tokens) for tokens in dataset["input_ids"]]
    if MAX_LENGTH is not None:
        kept = [number for number, length in enumerate(lengths) if length <= MAX_LENGTH]
        trainer.train_dataset = dataset = dataset.select(kept)
    learned = [sum(label != -100 for label in labels) for labels in dataset["labels"]]
    if not learned or not all(learned):
        raise SystemExit(f"{learned.count(0)} of {len(learned)} rows teach nothing: no token of an answer is learned")
    model: Any = trainer.model
    return {
        "rows": len(dataset),
        "rows_too_long": len(lengths) - len(dataset),
        "validation_rows": len(trainer.eval_dataset) if isinstance(trainer.eval_dataset, Dataset) else 0,
        "longest_row_tokens": max(lengths),
        "tokens": sum(len(row) for row in dataset["input_ids"]),
        "learned_tokens": sum(learned),
        "updates": math.ceil(math.ceil(len(dataset) / BATCH) / ACCUMULATE * EPOCHS),
        "parameters": sum(each.numel() for each in model.parameters()),
        "trained_parameters": sum(each.numel() for each in model.parameters() if each.requires_grad),
    }


def smoke(
    trainer: SFTTrainer, tokenizer: Any, out: Path, resolved: dict[str, Any], facts: dict[str, Any]
) -> dict[str, Any]:
    """Train on the 16 longest rows with a learning rate of zero: what fails later fails here, in memory and in loss.

    Weights stay what they were. The time it takes says how long the whole takes.
    """
    dataset: Any = trainer.train_dataset
    lengths = [len(tokens) for tokens in dataset["input_ids"]]
    longest = sorted(range(len(lengths)), key=lambda number: -lengths[number])[:SMOKE_ROWS]
    rows = dataset.select(longest)
    if tokenizer.eos_token_id not in rows[0]["labels"][-3:]:
        print("warning: no row ends with the tokenizer's end token: the model may not learn to stop", file=sys.stderr)
    model: Any = trainer.model
    small = SFTTrainer(
        model=model,
        args=config(
            out, resolved, output_dir=str(out / "smoke"), max_steps=2, learning_rate=0.0, weight_decay=0.0,
            save_strategy="no", gradient_accumulation_steps=1,
            per_device_train_batch_size=min(BATCH, len(longest)),
        ),
        train_dataset=rows,
        processing_class=tokenizer,
    )  # fmt: skip
    small.remove_callback(PrinterCallback)
    started = time.perf_counter()
    loss = small.train().training_loss
    taken_s = time.perf_counter() - started
    shutil.rmtree(out / "smoke", ignore_errors=True)
    if not math.isfinite(loss):
        raise SystemExit(f"the loss of {len(longest)} rows is {loss}: nothing would be learned")
    trained = 2 * sum(sorted(lengths)[-min(BATCH, len(longest)) :])
    hours = facts["tokens"] * EPOCHS / (trained / taken_s) / 3600
    return {
        "smoke_loss": round(loss, 4),
        "estimated_hours": round(hours, 3),
        "estimated_usd": round(hours * USD_PER_HOUR, 2),
    }


def write_prompts(trainer: SFTTrainer, tokenizer: Any, out: Path) -> None:
    """Keep prompts with the tokens they were trained on: an engine must make the same of them."""
    dataset: Any = trainer.train_dataset
    with (out / "prompts.jsonl").open("w", encoding="utf-8") as file:
        for number in range(0, len(dataset), max(1, len(dataset) // PROMPTS)):
            row = dataset[number]
            prompt = row["input_ids"][: next(at for at, label in enumerate(row["labels"]) if label != -100)]
            kept = {"messages": messages(row["prompt"]), "tokens": prompt, "text": tokenizer.decode(prompt)}
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


def save(trainer: SFTTrainer, tokenizer: Any, out: Path) -> None:
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

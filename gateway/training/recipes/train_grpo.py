"""Trains a model on its own answers, scored by the route's comparators. `crossfade train grpo` wrote this file; yours.

    python train_grpo.py --dry-run   every setting, prompts, time and money, measured on a smoke of 16 prompts
    python train_grpo.py             the smoke, then the training; started again, it goes on from its last checkpoint

Start from a model that `train_sft.py` made. The reward is the very comparator that the shadow scores with: 0 is an
answer as good as the recorded one, -1 a lost one. Leaves in OUT: `model/`, `prompts.jsonl` for `crossfade train
preflight`, and `report.json` with the reward of untouched prompts before and after. Needs torch, what
`requirements.txt` names, and the folder `comparators` beside this file on the Python path.
"""

import argparse
import json
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
from trl import GRPOConfig, GRPOTrainer

from shadow.reward import make_reward

# Settings: edit them here.
DATASET = "dataset"
"""A folder of `crossfade dataset build --format trl-grpo`."""
BASE = "base"
"""The model to start from: a folder, or a name that the hub knows."""
OUT = "."
REWARDS = {"json_fields": {}}
"""Comparators and their options, as in the policy's `compare`; `python` names a file and its function."""
FOLDER = "."
"""Where the files that they name are: the policy's own folder."""
METHOD = "full"
"""`full`: all weights. `lora`: an adapter, of a kind that vLLM serves."""
MERGE = True
LORA_RANK = 16
UPDATES = 100
LEARNING_RATE = None
"""None: 1e-6 for all weights, 2e-5 for an adapter."""
GENERATIONS = 8
"""Answers to each prompt, which are scored against each other."""
PROMPTS_PER_UPDATE = 4
MAX_COMPLETION_LENGTH = 256
"""Tokens of an answer; a longer one is cut and scored as it is."""
TEMPERATURE = 1.0
MEASURED = 64
"""Untouched prompts whose reward is measured before and after."""
SEED = 0
SAVE_STEPS = 25
USD_PER_HOUR = 0.0
# End of the settings.

SMOKE_ROWS = 16
PROMPTS = 50
"""Prompts that are kept for the preflight."""
TOLD_S = 30.0  # the longest silence
OWN = {"SMOKE_ROWS", "PROMPTS", "TOLD_S", "OWN"}


def main() -> None:
    """Measure, tell, and train."""
    parser = argparse.ArgumentParser(description="Learn from a reward.")
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
    rows, untouched = splits["train"], splits.get("validation")
    progress.at("smoke")
    told = {
        "settings": settings(),
        "versions": {name: version(name) for name in ("torch", "transformers", "trl", "peft", "datasets")},
        "prompts": len(rows),
        "answers": UPDATES * PROMPTS_PER_UPDATE * GENERATIONS,
        **smoke(tokenizer, rows),
    }
    print(json.dumps(told, indent=1), flush=True)
    if dry_run:
        return
    progress.at("measuring the reward of untouched prompts")
    trainer = trainer_of(tokenizer, rows, untouched)
    trainer.add_callback(progress)
    last = get_last_checkpoint(str(out / "checkpoints")) if (out / "checkpoints").is_dir() else None
    result: dict[str, Any] = {"resumed_from": last}
    if trainer.eval_dataset is not None and last is None:
        result["reward_before"] = trainer.evaluate()["eval_reward"]
    progress.at("training")
    done = trainer.train(resume_from_checkpoint=last)
    result |= {"train_loss": done.training_loss, "updates": done.global_step}
    progress.at("measuring the reward of untouched prompts again")
    if trainer.eval_dataset is not None:
        result["reward_after"] = trainer.evaluate()["eval_reward"]
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


def trainer_of(tokenizer: Any, rows: Dataset, untouched: Dataset | None = None, **changed: Any) -> GRPOTrainer:
    """A trainer over these prompts; what is not named here is TRL's default."""
    resolved = settings()
    on_gpu = resolved["device"] == "cuda"
    chosen: dict[str, Any] = {
        "output_dir": str(Path(OUT) / "checkpoints"),
        "max_steps": UPDATES,
        "learning_rate": resolved["learning_rate"],
        "num_generations": GENERATIONS,
        "num_generations_eval": 2,
        "per_device_train_batch_size": PROMPTS_PER_UPDATE * GENERATIONS,
        "per_device_eval_batch_size": 16,
        "max_completion_length": MAX_COMPLETION_LENGTH,
        "temperature": TEMPERATURE,
        "use_vllm": False,
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
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(BASE, dtype=getattr(torch, resolved["dtype"])),
        reward_funcs=[make_reward(name, options, Path(FOLDER)) for name, options in REWARDS.items()],
        args=GRPOConfig(**{**chosen, **changed}),
        train_dataset=rows,
        eval_dataset=None if untouched is None else untouched.select(range(min(MEASURED, len(untouched)))),
        processing_class=tokenizer,
        peft_config={"full": None, "lora": lora}[METHOD],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def smoke(tokenizer: Any, rows: Dataset) -> dict[str, Any]:
    """Two updates on a few prompts, on a model that is thrown away: what fails later fails here.

    Answers that are all scored alike teach nothing: the spread of the rewards is told.
    """
    folder = Path(OUT) / "smoke"
    small = trainer_of(
        tokenizer, rows.select(range(min(SMOKE_ROWS, len(rows)))), output_dir=str(folder), max_steps=2,
        save_strategy="no",
    )  # fmt: skip
    started = time.perf_counter()
    small.train()
    taken_s = time.perf_counter() - started
    shutil.rmtree(folder, ignore_errors=True)
    logged = [entry for entry in small.state.log_history if "reward" in entry]
    hours = taken_s / 2 * UPDATES / 3600
    return {
        "smoke_reward": round(sum(entry["reward"] for entry in logged) / len(logged), 4),
        "smoke_reward_spread": round(sum(entry["reward_std"] for entry in logged) / len(logged), 4),
        "estimated_hours": round(hours, 3),
        "estimated_usd": round(hours * USD_PER_HOUR, 2),
    }


def write_prompts(rows: Dataset, tokenizer: Any, out: Path) -> None:
    """Keep prompts with the tokens they were trained on: an engine must make the same of them."""
    with (out / "prompts.jsonl").open("w", encoding="utf-8") as file:
        for number in range(0, len(rows), max(1, len(rows) // PROMPTS)):
            row = rows[number]
            tools = json.loads(row["tools"]) if row.get("tools") else None
            text = tokenizer.apply_chat_template(row["prompt"], tools=tools, add_generation_prompt=True, tokenize=False)
            kept = {
                "messages": messages(row["prompt"]),
                "tokens": tokenizer(text, add_special_tokens=False)["input_ids"],
                "text": text,
            }
            file.write(json.dumps(kept | ({"tools": tools} if tools else {})) + "\n")


def messages(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Turns as an app sends them: without empty fields, arguments as text."""
    found = [{name: value for name, value in turn.items() if value is not None} for turn in turns]
    for turn in found:
        for call in turn.get("tool_calls", ()):
            if not isinstance(call["function"]["arguments"], str):
                call["function"]["arguments"] = json.dumps(call["function"]["arguments"])
    return found


def save(trainer: GRPOTrainer, tokenizer: Any, out: Path) -> None:
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

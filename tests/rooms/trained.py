"""What a training leaves behind, without the training."""

import json
from pathlib import Path
from typing import Any

from tests.fakes.engine import tokens_of

PROMPTS: list[list[dict[str, Any]]] = [[{"role": "user", "content": f"question {number}"}] for number in range(5)]
ADAPTER: dict[str, Any] = {"peft_type": "LORA", "r": 16, "lora_alpha": 32, "bias": "none", "target_modules": ["q_proj"]}
TENSORS = ("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",)


def trained(folder: Path, adapter: dict[str, Any] | None = None, tensors: tuple[str, ...] = TENSORS) -> Path:
    """A whole model, or an adapter with this configuration; prompts with the fake engine's tokens."""
    (folder / "model").mkdir(parents=True)
    lines = [json.dumps({"messages": turns, "tokens": tokens_of(turns)}) for turns in PROMPTS]
    (folder / "prompts.jsonl").write_text("\n".join(lines) + "\n")
    if adapter is not None:
        (folder / "model" / "adapter_config.json").write_text(json.dumps(adapter))
        head = json.dumps({"__metadata__": {"format": "pt"}, **{name: {"dtype": "F32"} for name in tensors}}).encode()
        (folder / "model" / "adapter_model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head)
    return folder

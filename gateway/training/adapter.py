"""Whether vLLM serves an adapter: said before it is uploaded, by the file that PEFT wrote beside the weights.

Source: vLLM 0.32, lora/peft_helper.py (`_validate_features`, `validate_legal`), config/lora.py (`MaxLoRARanks`).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
MAX_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What `--max-lora-rank` may be."""
_PLAIN_INITS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
_SAVED_MODULES = {"classifier", "score"}
_UNKNOWN = {
    "use_dora": "DoRA",
    "lora_bias": "LoRA with bias",
    "alora_invocation_tokens": "activated LoRA",
    "layer_replication": "layer replication",
    "use_bdlora": "block-diagonal LoRA",
    "use_qalora": "QALoRA",
}
_MAX_HEAD_BYTES = 64 * 1024 * 1024


def is_adapter(model: Path) -> bool:
    """Whether a folder holds an adapter, and no whole model."""
    return (model / CONFIG).exists()


def adapter_faults(model: Path, max_rank: int) -> Iterator[str]:
    """Why an engine with `--max-lora-rank` would refuse the adapter, or serve something else than was trained.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    config = _object(model / CONFIG, (model / CONFIG).read_bytes())
    ranks = _ranks(config)
    if not ranks:
        kind = config.get("peft_type", "LORA")
        yield f"peft_type {kind} without ranks of 1 or more (r, rank_pattern): the engine serves LoRA alone"
        return
    if max_rank not in MAX_RANKS:
        yield f"the engine knows no --max-lora-rank {max_rank}: it takes {', '.join(map(str, MAX_RANKS))}"
    if max(ranks) > max_rank:
        yield f"its rank {max(ranks)} is above the engine's --max-lora-rank {max_rank}"
    if config.get("bias", "none") != "none":
        yield f"bias: {config['bias']}: the engine serves none"
    for name, words in _UNKNOWN.items():
        if config.get(name):
            yield f"{words} ({name}) is nothing that the engine serves"
    init = config.get("init_lora_weights", True)
    if isinstance(init, str) and init.lower() not in _PLAIN_INITS:
        yield f"init_lora_weights: {init} changed the base model's weights, which the engine does not have"
    saved = _saved(config)
    if saved:
        yield f"modules_to_save: {', '.join(sorted(saved))}: the engine takes their weights from the base model"
    whole = sorted(name for name in _tensors(model / WEIGHTS) if "lora_" not in name)
    if whole and not saved:
        yield f"whole weights beside the adapter's, as new tokens need them: {whole[0]}"


def _ranks(config: dict[str, Any]) -> list[int]:
    """Every rank that the adapter has; none: one of them is no rank, or the adapter is of another kind than LoRA."""
    if config.get("peft_type", "LORA") != "LORA":
        return []
    pattern: Any = config.get("rank_pattern") or {}
    ranks = [config.get("r"), *(cast(dict[str, Any], pattern).values() if isinstance(pattern, dict) else [pattern])]
    found = [rank for rank in ranks if isinstance(rank, int) and rank > 0]
    return found if len(found) == len(ranks) else []


def _saved(config: dict[str, Any]) -> set[str]:
    """Modules that were trained as a whole, and that the engine would not load."""
    named: Any = config.get("modules_to_save") or []
    return set(map(str, cast(list[Any], named) if isinstance(named, list) else [named])) - _SAVED_MODULES


def _tensors(path: Path) -> list[str]:
    """The names of the tensors in a safetensors file: its head is JSON behind its length."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > _MAX_HEAD_BYTES:
            raise ValueError(f"{path} is no safetensors file")
        head = _object(path, file.read(size))
    return [name for name in head if name != "__metadata__"]


def _object(path: Path, text: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ValueError: it is none.
    """
    try:
        found: object = json.loads(text)
    except RecursionError as error:
        raise ValueError(f"{path} is nested too deep") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no object")  # noqa: TRY004 -- what a file says is a value
    return cast(dict[str, Any], found)

"""Which adapters vLLM takes."""

import json
from pathlib import Path

import pytest

from gateway.training.adapter import adapter_faults, is_adapter
from tests.rooms.trained import ADAPTER, TENSORS, trained


def test_an_adapter_that_the_engine_takes_has_no_fault(tmp_path: Path):
    """Plain LoRA, rank-stabilised or not, initialised in a plain way."""
    for number, more in enumerate(({}, {"use_rslora": True}, {"init_lora_weights": "gaussian"})):
        model = trained(tmp_path / str(number), ADAPTER | more) / "model"
        assert is_adapter(model)
        assert list(adapter_faults(model, 16)) == []


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "bias: all"),
        ({"lora_bias": True}, "LoRA with bias"),
        ({"r": 32}, "rank 32 is above"),
        ({"rank_pattern": {"q_proj": 64}}, "rank 64 is above"),
        ({"modules_to_save": ["embed_tokens", "score"]}, "modules_to_save: embed_tokens"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights: pissa"),
        ({"layer_replication": [[0, 2]]}, "layer replication"),
        ({"peft_type": "IA3"}, "peft_type IA3"),
        ({"r": None}, "without ranks"),
        ({"r": 0}, "without ranks"),
        ({"rank_pattern": ["q_proj"]}, "without ranks"),
        ({"modules_to_save": "embed_tokens"}, "modules_to_save: embed_tokens"),
    ],
)
def test_what_the_engine_refuses_is_named(tmp_path: Path, more: dict[str, object], word: str):
    """Each kind of adapter that vLLM refuses, or would serve otherwise than it was trained, is one sentence."""
    (fault,) = adapter_faults(trained(tmp_path / "run", ADAPTER | more) / "model", 16)
    assert word in fault


def test_new_tokens_are_seen_in_the_weights(tmp_path: Path):
    """An adapter with embeddings of its own, as new tokens need them, is refused though its file says nothing of it."""
    tensors = (*TENSORS, "base_model.model.model.embed_tokens.weight")
    (fault,) = adapter_faults(trained(tmp_path / "run", ADAPTER, tensors) / "model", 16)
    assert "embed_tokens" in fault


def test_a_rank_that_no_engine_can_be_told_is_refused(tmp_path: Path):
    """The engine takes certain values of --max-lora-rank alone."""
    (fault,) = adapter_faults(trained(tmp_path / "run", ADAPTER) / "model", 24)
    assert "no --max-lora-rank 24" in fault


def test_a_whole_model_is_no_adapter(tmp_path: Path):
    """Without PEFT's file the model is served as it is; a file that is none of PEFT's cannot be read."""
    model = trained(tmp_path / "run") / "model"
    assert not is_adapter(model)
    (model / "adapter_config.json").write_text("{")
    with pytest.raises(json.JSONDecodeError):
        list(adapter_faults(model, 16))
    for text in ("[]", "null", "[" * 100_000):
        (model / "adapter_config.json").write_text(text)
        with pytest.raises(ValueError, match=r"adapter_config\.json (holds no object|is nested)"):
            list(adapter_faults(model, 16))

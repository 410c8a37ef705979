"""Trains on Modal, and serves what came of it. `crossfade train … --on modal` wrote this file; it is yours to edit.

modal run modal_app.py --dry-run    every setting, rows, tokens, time and money, measured on a smoke of 16 rows
modal run modal_app.py              the training; run again, it goes on from its last checkpoint
modal volume get VOLUME prompts.jsonl . && modal volume get VOLUME model .      what `train preflight` reads
modal deploy modal_app.py           serve the model: upstreams: {NAME: {kind: vllm, base_url: URL/v1, headers: {
                                    Modal-Key: "${MODAL_KEY}", Modal-Secret: "${MODAL_SECRET}"}}}
"""

import subprocess
from pathlib import Path

import modal

# Settings: edit them here.
NAME = "crossfade-training"
"""Of the app."""
VOLUME = "crossfade-training"
"""Of the volume that holds checkpoints and the model; another one for each revision."""
SCRIPT = "train_sft.py"
DATASET = "dataset"
"""A folder here, of `crossfade dataset build`."""
BASE = ""
"""A folder here with the model to start from; empty: the script names one that the hub knows."""
TORCH = "torch"
GPU = "L40S"
HOURS = 6
"""A training that takes longer is stopped, and goes on when it is run again."""
MODEL = "candidate"
"""What the served model is called: the policy's candidate.model."""
VLLM = "vllm==0.32.0"
# End of the settings.

HERE = Path(__file__).parent
app = modal.App(NAME)
kept = modal.Volume.from_name(VOLUME, create_if_missing=True)
training = modal.Image.debian_slim(python_version="3.11").uv_pip_install(TORCH).env({"PYTHONPATH": "/comparators"})
serving = modal.Image.debian_slim(python_version="3.12").uv_pip_install(VLLM)
if modal.is_local():  # in a container they are there already
    training = training.pip_install_from_requirements(str(HERE / "requirements.txt"), extra_options="--no-deps")
    training = training.add_local_file(HERE / SCRIPT, f"/script/{SCRIPT}").add_local_dir(DATASET, "/dataset")
    if (HERE / "comparators").is_dir():
        training = training.add_local_dir(HERE / "comparators", "/comparators")
    if BASE:
        training = training.add_local_dir(BASE, "/base")


@app.function(image=training, gpu=GPU, volumes={"/out": kept}, timeout=HOURS * 3600, retries=2)
def train(*, dry_run: bool) -> None:
    """Run the script; what it leaves is in the volume, its checkpoints too."""
    words = ["--dry-run"] if dry_run else []
    try:
        subprocess.run(["python", f"/script/{SCRIPT}", *words], check=True)
    finally:
        kept.commit()


@app.local_entrypoint()
def main(*, dry_run: bool = False) -> None:
    """Train."""
    train.remote(dry_run=dry_run)


@app.server(
    image=serving,
    gpu=GPU,
    volumes={"/out": kept},
    port=8000,
    startup_timeout=20 * 60,  # vLLM loads and compiles for minutes; the default is 30 s
    scaledown_window=5 * 60,
    exit_grace_period=60,  # answers under way are finished
)
class TunedModel:
    """The model behind an OpenAI API, for those who have this workspace's key and secret."""

    @modal.enter()
    def start(self) -> None:
        """Start vLLM."""
        words = ["vllm", "serve", "/out/model", "--served-model-name", MODEL, "--port", "8000"]
        self.engine = subprocess.Popen([*words, "--generation-config", "vllm"])

    @modal.exit()
    def stop(self) -> None:
        """End it."""
        self.engine.terminate()

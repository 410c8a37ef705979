"""`crossfade init`: a commented crossfade.yaml and a policies folder to start from. It never overwrites."""

import argparse
import os
import sys
from pathlib import Path

from gateway.config import policies_home
from gateway.node.plain_error import plain

SETTINGS = """\
# Settings of this Crossfade. What should happen to traffic is said in crossfade-policies/.
# Everything here is optional and has its default value, except `vllm`. docs/reference/settings.md lists the rest.
# After a change: kill -HUP $(cat crossfade-data/lock). Changed policies need no reload.

server:
  listen: 127.0.0.1:8080        # the data port: apps set OPENAI_BASE_URL=http://127.0.0.1:8080/v1
  admin: 127.0.0.1:8081         # /healthz, /readyz, /metrics and the admin API
  workers: 1                    # about one per core

data: ./crossfade-data          # where everything is kept

upstreams:
  openai: {base_url: https://api.openai.com/v1}     # no key: the caller's own is passed through
  vllm: {kind: vllm, base_url: http://127.0.0.1:8000/v1}     # your own model; asked only once a policy names it
  # azure: {base_url: https://NAME.openai.azure.com/openai/v1, headers: {api-key: "${AZURE_OPENAI_KEY}"}}
default_upstream: openai        # gets every request that no policy matches

keys: {mode: passthrough}       # or virtual: apps use keys made by `crossfade keys create`

capture:
  sample: 100%                  # share of exchanges whose bodies are kept
  redact: [email, phone, card, iban, secret]
  retention: 90d

policies: ./crossfade-policies
"""
POLICY = """\
# One policy file describes one migration. Copy this one to support-triage.yaml and change it: it is in force within a
# second. `crossfade policy lint` lists what is wrong with it. Upstreams are named in crossfade.yaml.
route: support-triage
match: {model: gpt-4o}          # the model that the app asks for
# `json_fields` says how alike two answers are. How alike are two of the baseline? Either Crossfade measures it (give
# `openai` a background_key_file in crossfade.yaml), or you promise, as here, that the baseline always answers the same.
baseline: {upstream: openai, deterministic: true}
candidate: {upstream: vllm, model: triage-7b, revision: 2026-11-18}
compare: [json_fields]          # the answers are JSON; docs/comparators.md has the others
stages: [shadow, 1%, 5%, 25%, 50%, 100%]

# For a trial that moves within minutes, use these three lines in place of `stages`.
# assign: {close_after: 10s, population: fixed}    # a conversation counts after 10 s (else 30 m); one user asks all
# gates: {latency: {ttft_p95: 3s, warmup: 20}}     # a fixed limit: the baseline's speed takes 12 hours to measure
# stages: [shadow: {days: 0}, 10%: {hold: 10s}, 50%: {hold: 10s}, 100%: {hold: 10s}]
"""
FILES = {"crossfade.yaml": SETTINGS, f"{policies_home.DEFAULT}/support-triage.yaml.example": POLICY}


def run(arguments: argparse.Namespace) -> int:
    """Write what is not there yet; 1 if it cannot be written."""
    root = Path(arguments.directory)
    for name, text in FILES.items():
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = _opened(path)
        except OSError as error:
            print(f"{plain(error)}. hint: name a directory this user may write", file=sys.stderr)
            return 1
        if fd is None:
            print(f"{path} is there already: left as it is", file=sys.stderr)
            continue
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
        print(path)
    if left := policies_home.note(root / policies_home.DEFAULT, stated=True):
        print(left, file=sys.stderr)
    print("Next: name your upstream in crossfade.yaml, then crossfade doctor, then crossfade serve", file=sys.stderr)
    return 0


def _opened(path: Path) -> int | None:
    """The new file; None: there is one of this name."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return None

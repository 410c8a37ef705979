"""`crossfade init`: a commented crossfade.yaml and a policies folder to start from. It never overwrites."""

import argparse
import os
import sys
from pathlib import Path

from gateway.config import policies_home

SETTINGS = """\
# Crossfade's settings: this process. What should happen to traffic stands in crossfade-policies/.
# Everything here is optional and shown with its default, but for `vllm`. docs/reference/settings.md has the rest.
# After a change: kill -HUP $(cat crossfade-data/lock). Policies are read again by themselves.

server:
  listen: 127.0.0.1:8080        # the data port: apps set OPENAI_BASE_URL=http://127.0.0.1:8080/v1
  admin: 127.0.0.1:8081         # /healthz, /readyz, /metrics and the admin API
  workers: 1                    # about one per core

data: ./crossfade-data          # everything that is kept

upstreams:
  openai: {base_url: https://api.openai.com/v1}     # no key here: the caller's own goes through
  vllm: {kind: vllm, base_url: http://127.0.0.1:8000/v1}     # your own model; asked only once a policy names it
  # azure: {base_url: https://NAME.openai.azure.com/openai/v1, headers: {api-key: "${AZURE_OPENAI_KEY}"}}
default_upstream: openai        # where requests go that belong to no policy

keys: {mode: passthrough}       # or virtual: apps use keys of `crossfade keys create`

capture:
  sample: 100%                  # share of exchanges whose bodies are kept
  redact: [email, phone, card, iban, secret]
  retention: 90d

policies: ./crossfade-policies
"""
POLICY = """\
# One file, one migration. Copy this one to support-triage.yaml and change what it says: it is in force within a second.
# `crossfade policy lint` says what is wrong with it. The upstreams stand in crossfade.yaml.
route: support-triage
match: {model: gpt-4o}          # the model that the app asks for
# `json_fields` says how alike answers are. Either the baseline is asked twice, to know how alike its own are (give
# `openai` a background_key_file in crossfade.yaml), or you say, as here, that it always answers alike.
baseline: {upstream: openai, deterministic: true}
candidate: {upstream: vllm, model: triage-7b, revision: 2026-11-18}
compare: [json_fields]          # the answers are JSON; docs/comparators.md has the others
stages: [shadow, 1%, 5%, 25%, 50%, 100%]

# To try it out: a rollout that moves within minutes. Put these three lines in the place of `stages`.
# assign: {close_after: 10s, population: fixed}    # it counts after 10 s of silence (30 m), and you ask all by yourself
# gates: {latency: {ttft_p95: 3s, warmup: 20}}     # a limit of your own: the baseline's speed is known after 12 hours
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
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            print(f"{path} is there already: left as it is", file=sys.stderr)
            continue
        except OSError as error:
            print(f"{path}: {error.strerror}. hint: name a directory this user may write", file=sys.stderr)
            return 1
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
        print(path)
    if left := policies_home.note(root / policies_home.DEFAULT, stated=True):
        print(left, file=sys.stderr)
    print("Next: name your upstream in crossfade.yaml, then crossfade doctor, then crossfade serve", file=sys.stderr)
    return 0

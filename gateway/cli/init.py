"""`crossfade init`: a commented crossfade.yaml and a policies folder to start from. It never overwrites."""

import argparse
import os
import sys
from pathlib import Path

SETTINGS = """\
# Crossfade's settings: this process. What should happen to traffic stands in policies/.
# Everything here is optional and shown with its default. docs/reference/settings.md has the rest.

server:
  listen: 127.0.0.1:8080        # the data port: apps set OPENAI_BASE_URL=http://127.0.0.1:8080/v1
  admin: 127.0.0.1:8081         # /healthz, /readyz, /metrics and the admin API
  workers: 1                    # about one per core

data: ./crossfade-data          # everything that is kept

upstreams:
  openai: {base_url: https://api.openai.com/v1}     # no key here: the caller's own goes through
  # vllm: {kind: vllm, base_url: http://127.0.0.1:8000/v1, api_key_file: /run/secrets/vllm}

keys: {mode: passthrough}       # or virtual: apps use keys of `crossfade keys create`

capture:
  sample: 100%                  # share of exchanges whose bodies are kept
  redact: [email, phone, card, iban, secret]
  retention: 90d

policies: ./policies
"""
POLICY = """\
# One file, one migration. Rename this one to support-triage.yaml, change what it says, and it is in force within a
# second; `crossfade policy lint` says what is wrong with it. The candidate's upstream stands in crossfade.yaml.
route: support-triage
match: {model: gpt-4o}
baseline: {upstream: openai}
candidate: {upstream: vllm, model: triage-7b, revision: 2026-11-18}
stages: [shadow, 1%, 5%, 25%, 50%, 100%]
"""
FILES = {"crossfade.yaml": SETTINGS, "policies/support-triage.yaml.example": POLICY}


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
    print("Next: crossfade doctor, then crossfade serve", file=sys.stderr)
    return 0

"""How every command says that it failed: a sentence on stderr; under `--json` one object, in one shape, on stderr too.

{"error": {"message": "no route is called 'x'", "hint": "there are triage"}}

Stdout is for data alone: it holds the whole of it, or what there is, or nothing.
"""

import argparse
import json
import sys

INTERRUPTED = 130
"""What a shell says of a program that Ctrl-C ended: 128 + 2."""
HINT = "hint: "
"""What our errors put before what to do."""


def failed(error: object, arguments: argparse.Namespace) -> int:
    """Say it as the command's options ask for. Returns 1, the exit code of what is refused or failing."""
    say(str(error), as_json=arguments.json)
    return 1


def say(text: str, *, as_json: bool) -> None:
    """Say it on stderr."""
    print(json.dumps({"error": fields(text)}, ensure_ascii=False) if as_json else text, file=sys.stderr)


def fields(text: str) -> dict[str, str | None]:
    """The message, and the hint if there is one; of several, each stays beside its own message."""
    if text.count(HINT) != 1:
        return {"message": text, "hint": None}
    message, _, hint = text.partition(HINT)
    return {"message": message.rstrip().removesuffix("."), "hint": hint.strip()}

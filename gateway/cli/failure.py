"""How every command says that it failed: a sentence on stderr; under `--json` one object, in one shape, on stderr too.

{"error": {"message": "no route is called 'x'", "hint": "there are triage"}}

Stdout is for data alone: it holds the whole of it, or what there is, or nothing.
"""

import argparse
import json
import sys

from gateway.node.plain_error import plain

INTERRUPTED = 130
"""What a shell says of a program that Ctrl-C ended: 128 + 2."""
HINT = "hint: "
"""What our errors put before what to do."""
NOT_THIS_USER = "run it as the user who runs `crossfade serve`, or name what this user may read and write"
"""What to do where the system refuses a file."""


def failed(error: object, arguments: argparse.Namespace) -> int:
    """Say it as the command's options ask for. Returns 1, the exit code of what is refused or failing."""
    say(refused(error) if isinstance(error, OSError) else str(error), as_json=arguments.json)
    return 1


def unreadable(error: Exception, arguments: argparse.Namespace) -> int:
    """Say that records could not be read, as `failed` does. Files that are merged meanwhile go away under a reader."""
    if isinstance(error, PermissionError):
        return failed(error, arguments)
    return failed(
        f"{plain(error)}. {HINT}may this user read the records? If files were just merged, do it again", arguments
    )


def refused(error: OSError) -> str:
    """What the system refuses, with what to do."""
    said = plain(error)
    return f"{said}. {HINT}{NOT_THIS_USER}" if isinstance(error, PermissionError) and HINT not in said else said


def say(text: str, *, as_json: bool) -> None:
    """Say it on stderr."""
    print(json.dumps({"error": fields(text)}, ensure_ascii=False) if as_json else text, file=sys.stderr)


def fields(text: str) -> dict[str, str | None]:
    """The message, and the hint if there is one; of several, each stays beside its own message."""
    if text.count(HINT) != 1:
        return {"message": text, "hint": None}
    message, _, hint = text.partition(HINT)
    return {"message": message.rstrip().removesuffix("."), "hint": hint.strip()}

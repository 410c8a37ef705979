"""The command `crossfade`: reads the words, loads the command they name, and ends as a shell expects it."""

import argparse
import atexit
import contextlib
import errno
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from gateway.cli.arguments import COMMANDS, command_line
from gateway.cli.failure import INTERRUPTED, refused, say
from gateway.cli.output import EXIT_CODE, CommandOutput, OutputClosedError, OutputFailedError
from gateway.cli.parser import UsageError
from gateway.ending import Ending

_OF_PATHS = {errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP}
"""What is wrong with a path that somebody named."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code: 0 fine, 1 refused or failing, 130 ended by Ctrl-C.

    Data goes to stdout, talk to stderr. Bad usage exits with 2, `--help` and `--version` with 0.
    """
    if argv is not None:
        return _said(list(argv))
    ending = Ending()
    atexit.register(ending.leave)
    ending.status = _said(sys.argv[1:])
    return ending.status


def _said(words: list[str]) -> int:
    """Run the words, and meet what becomes of the output."""
    data, talk = CommandOutput(sys.stdout), CommandOutput(sys.stderr, is_talk=True)
    with contextlib.redirect_stdout(data), contextlib.redirect_stderr(talk):
        try:
            try:
                return _run(words)
            finally:
                data.flush()  # here, where a closed pipe can still be met
        except OutputClosedError:
            return EXIT_CODE
        except OutputFailedError as error:
            say(str(error), as_json="--json" in words)
            return 1
        except OSError as error:  # of what a command looks at on its way: `exists` raises it, too
            if error.errno not in _OF_PATHS:
                raise
            say(refused(error), as_json="--json" in words)
            return 1
        except KeyboardInterrupt:
            return INTERRUPTED


def _run(words: list[str]) -> int:
    try:
        arguments = _parsed(words)
    except UsageError as error:
        _refuse(error, as_json="--json" in words)
    run: Callable[[argparse.Namespace], int] = importlib.import_module(
        f"gateway.cli.{COMMANDS[arguments.command].module}"
    ).run
    return run(arguments)


def _parsed(words: list[str]) -> argparse.Namespace:
    """What the words say.

    Raises:
        UsageError: they are no command.
    """
    arguments, unknown = command_line().parse_known_args(words)
    if unknown:
        arguments.parser.refuse(unknown)
    return arguments


def _refuse(error: UsageError, *, as_json: bool) -> NoReturn:
    """Say what is wrong with the words, and exit."""
    prog, text = error.parser.prog, str(error)
    if as_json:
        say(text if "hint: " in text else f"{text}. hint: {prog} --help", as_json=True)
    else:
        error.parser.print_usage(sys.stderr)
        print(f"{prog}: error: {text}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    sys.exit(main())

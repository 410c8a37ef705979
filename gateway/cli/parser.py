"""The command line's parser: argparse's, which names what was probably meant, and leaves it to `main` to say so."""

import argparse
import difflib
from typing import Any, NoReturn


class UsageError(Exception):
    """The words are no command: bad usage, exit code 2. The message ends with what was probably meant, if anything."""

    def __init__(self, message: str, parser: argparse.ArgumentParser) -> None:
        """Keep the parser that met them: its usage is what helps."""
        super().__init__(message)
        self.parser = parser


MOST_CHARS = 4096
"""A longer word is no path, no name, and no other word of a command."""


def unheeded(text: str) -> str:
    """The kind of words that are kept as far as they are text, even if there are none: an emergency waits for no
    reason.
    """
    return text.encode("utf-8", "replace").decode()


_NAMED = 10
"""Actions of a command that a message lists at most."""
_PATHS = ("DIR", "FILE", "PATH", "POLICY")
"""What is meant by these has any name that the system gives it."""


class Parser(argparse.ArgumentParser):
    """Parses one command's words. The namespace says as `parser` which command's parser came last."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take argparse's own arguments."""
        super().__init__(*arguments, **options)
        self.set_defaults(parser=self)

    def error(self, message: str) -> NoReturn:
        """Raises UsageError, where argparse's would print and exit. What a command can do is named, if nothing is."""
        below = self._subparsers and next((each for each in self._actions if each.nargs == argparse.PARSER), None)
        if below is not None and message == f"the following arguments are required: {below.metavar}":
            names = [*(below.choices or ())]
            few = ", ".join(names) if len(names) <= _NAMED else f"{self.prog} --help lists them"
            message = f"which {str(below.metavar).lower()}? hint: {few}"
        raise UsageError(message, self)

    def refuse(self, unknown: list[str]) -> NoReturn:
        """Raises UsageError of words that no option or argument takes."""
        options = [option for option in self._option_string_actions if option.startswith("--")]
        word = next((word.partition("=")[0] for word in unknown if word.startswith("--")), "")
        self.error(f"unrecognized arguments: {' '.join(unknown)}{_nearest(word, options)}")

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """A word as its kind. Raises ArgumentError of an empty one, which only a variable leaves that is not set.

        What is `unheeded` may be empty: `crossfade kill --reason ""` has to kill. A command's own words are left to its
        parser.
        """
        if action.nargs == argparse.PARSER or action.type is unheeded:
            return super()._get_value(action, arg_string)
        if not arg_string.strip():
            raise argparse.ArgumentError(action, "is empty. hint: is a variable of your shell not set?")
        if len(arg_string) > MOST_CHARS:
            raise argparse.ArgumentError(action, f"is too long. hint: {MOST_CHARS:,} characters at most")
        if action.metavar not in _PATHS and not _is_text(arg_string):
            raise argparse.ArgumentError(action, "is no text. hint: write it in UTF-8")
        return super()._get_value(action, arg_string)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Raises ArgumentError of a word that is none of the choices: commands, and options' own."""
        choices = [str(choice) for choice in action.choices or ()]
        if choices and value not in choices:
            message = f"invalid choice: {value!r} (choose from {', '.join(choices)}){_nearest(str(value), choices)}"
            raise argparse.ArgumentError(action, message)


def _is_text(word: str) -> bool:
    """Whether it is more than bytes that a shell passed on."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _nearest(word: str, known: list[str]) -> str:
    """The hint at the known word that is nearest to it; empty: none is near."""
    names = {each.removeprefix("--"): each for each in known}
    found = difflib.get_close_matches(word.removeprefix("--"), names, n=1)
    return f". hint: did you mean {names[found[0]]}?" if found else ""

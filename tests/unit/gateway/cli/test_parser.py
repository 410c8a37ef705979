"""What the parser says of words that are none: what was probably meant, and by which command."""

import pytest

from gateway.cli.parser import Parser, UsageError, unheeded


def parser() -> Parser:
    found = Parser(prog="tool")
    commands = found.add_subparsers(dest="command", required=True)
    commands.add_parser("status").add_argument("--json", action="store_true")
    commands.add_parser("build").add_argument("--format", choices=("trl-sft", "openai-sft"))
    return found


@pytest.mark.parametrize(
    ("words", "prog", "ends"),
    [
        (["statsu"], "tool", "did you mean status?"),
        (["zzz"], "tool", "(choose from status, build)"),
        (["build", "--format", "trl"], "tool build", "did you mean trl-sft?"),
        ([], "tool", "required: command"),
    ],
)
def test_a_choice_that_is_none_names_the_nearest(words: list[str], prog: str, ends: str) -> None:
    """The error carries the parser whose usage helps, and exits nothing."""
    with pytest.raises(UsageError) as refused:
        parser().parse_args(words)
    assert str(refused.value).endswith(ends)
    assert refused.value.parser.prog == prog


def test_an_empty_word_is_refused_where_nothing_stands_for_it() -> None:
    """What is empty is an unset variable of a shell, whatever the default is; only what nobody heeds may be."""
    kill = Parser(prog="kill")
    kill.add_argument("--reason", type=unheeded, default="kill")
    kill.add_argument("--data", default="data")
    assert kill.parse_args(["--reason", ""]).reason == ""
    for words in (["--data", ""], ["--data="], ["--data", " "]):
        with pytest.raises(UsageError, match=r"argument --data: is empty. hint: "):
            kill.parse_args(words)


@pytest.mark.parametrize(
    ("count", "says"), [(2, "which action? hint: do-0, do-1"), (11, "which action? hint: tool --help lists them")]
)
def test_a_command_without_its_action_names_those_there_are(count: int, says: str) -> None:
    """Few are listed; where there are many, it says where they are."""
    words = Parser(prog="tool")
    actions = words.add_subparsers(dest="action", metavar="ACTION", required=True)
    for number in range(count):
        actions.add_parser(f"do-{number}")
    with pytest.raises(UsageError) as refused:
        words.parse_args([])
    assert str(refused.value) == says


def test_what_is_no_text_or_too_long_is_refused() -> None:
    """Bytes of another encoding name nobody, except files; a reason that nobody heeds is kept as far as it is text."""
    words = Parser(prog="tool")
    words.add_argument("--user")
    words.add_argument("--data", metavar="DIR")
    words.add_argument("--reason", type=unheeded)
    with pytest.raises(UsageError, match=r"argument --user: is no text. hint: "):
        words.parse_args(["--user", "\udce9"])
    with pytest.raises(UsageError, match=r"argument --data: is too long. hint: 4,096 characters at most"):
        words.parse_args(["--data", "x" * 4097])
    found = words.parse_args(["--data", "\udce9", "--reason", "\udce9" * 5000])
    assert (found.data, found.reason) == ("\udce9", "?" * 5000)


@pytest.mark.parametrize(
    ("unknown", "ends"),
    [
        ("--jsn", "--jsn. hint: did you mean --json?"), ("--josn=1", "did you mean --json?"),
        ("--since", "arguments: --since"), ("-x", "arguments: -x"), ("more", "arguments: more"),
    ],
)  # fmt: skip
def test_an_option_that_is_none_names_the_nearest_of_its_command(unknown: str, ends: str) -> None:
    """The namespace says which command's options were meant; what resembles none of them gets no guess."""
    found, rest = parser().parse_known_args(["status", unknown])
    assert rest == [unknown]
    with pytest.raises(UsageError) as refused:
        found.parser.refuse(rest)
    assert str(refused.value).endswith(ends)
    assert refused.value.parser.prog == "tool status"

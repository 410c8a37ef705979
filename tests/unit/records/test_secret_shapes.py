"""Secrets are known by their looks, and only they."""

import re
import string
import time
from re import _parser as parser

import pytest

from records.secret_shapes import DOTTED_RULES, RULES, RUN, replace_shapes
from tests.rooms.secret_samples import HARMLESS, HEX, SECRETS, made


def replaced(text: str) -> str:
    return replace_shapes(text, lambda found: "[X]")


NAMED = (
    *("AWS secret key", "Azure storage", "Azure service bus", "password in words", "password of letters"),
    *("password of letters in a query", "password in XML", "password in Markdown", "password in Spanish"),
    "key in base64",
)
"""Samples that are known by the name before them, or by what they say in base64: other rooms' matter."""


@pytest.mark.parametrize(
    "sample", [one for one in SECRETS if isinstance(one.value, str) and one.name not in NAMED], ids=lambda one: one.name
)
def test_what_is_found_by_its_looks_is_found_inside_a_line(sample):
    """What stands around a secret stays."""
    text = replaced(f"<<{sample.value}>>")

    assert not any(line in text for line in sample.hidden.splitlines())
    assert text.startswith("<<") and text.endswith(">>") and "[X]" in text


@pytest.mark.parametrize("text", [one for one in HARMLESS if isinstance(one, str)], ids=lambda one: one[:24])
def test_what_only_looks_alike_is_left(text):
    """Hashes, ids, public keys, paths and words about secrets are no secrets."""
    assert replaced(text) == text


@pytest.mark.parametrize(
    "around", ['"{}"', "({})", "key={}&x=1", r"\n{}\n", "a%3D{}", "x: {}, y", "{}.", "my-{}", "日本 {} €"]
)
def test_a_key_is_found_wherever_it_stands(around):
    """In quotes, in a query, behind the escapes of JSON and of URLs, behind a hyphen, before a full stop."""
    assert replaced(around.format("gh" + "p_" + made(36))) == around.format("[X]")


def test_several_keys_in_one_text():
    """Each is replaced by itself, and what is between them stays."""
    first, second = "xai" + "-" + made(80, salt="1"), "gsk" + "_" + made(52, salt="2")
    seen: list[str] = []

    def remember(found: str) -> str:
        seen.append(found)
        return f"[{len(seen)}]"

    assert replace_shapes(f"use {first} or {second}, then {first}", remember) == "use [1] or [2], then [3]"
    assert seen == [first, second, first]


def test_a_private_key_cut_off():
    """A key without its end is taken as far as it goes; the words after it stay."""
    dashes = "-" * 5
    lines = "\n".join(made(64, string.ascii_letters + string.digits + "+/", str(line)) for line in range(3))
    text = replaced(f"{dashes}BEGIN PRIVATE KEY{dashes}\n{lines}\n\nNow what is this?")

    assert text == "[X]\n\nNow what is this?"


MIXED = "a7Bf0eC9dA1b"
"""Letters and digits in turn, as a key has them; all that are small or digits are hexadecimal."""


def spelt(parts, place=0):
    """What the parts of a pattern describe, at its shortest; what has no longest is as long as a run."""
    out = ""
    for kind, what in parts:
        match str(kind):
            case "LITERAL":
                out += chr(what)
            case "IN":
                allowed = [(one, one) if str(how) == "LITERAL" else one for how, one in what]
                turn = place + len(out)
                letters = (MIXED[(turn + step) % len(MIXED)] for step in range(len(MIXED)))
                fits = (one for one in letters if any(low <= ord(one) <= high for low, high in allowed))
                out += next(fits, chr(allowed[0][0]))
            case "MAX_REPEAT":
                least, most, inner = what
                for _ in range(max(least, RUN) if most > 1000 else least):
                    out += spelt(inner, place + len(out))
            case "SUBPATTERN":
                out += spelt(what[-1], place + len(out))
            case "BRANCH":
                out += spelt(what[1][0], place + len(out))
            case _:  # what only looks ahead
                assert str(kind).startswith("ASSERT")
    return out


@pytest.mark.parametrize("rule", [*RULES, *DOTTED_RULES], ids=lambda rule: f"{rule[0]} {len(rule[1])}")
def test_each_rule_finds_what_it_describes(rule):
    """A key of the rule's own making is found in a line: a rule that the search never gets to would find nothing."""
    prefix, rest = rule
    key = prefix + spelt(parser.parse(rest))
    assert re.fullmatch(re.escape(prefix) + rest, key)
    assert replaced(f"use {key} now") == "use [X] now"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (made(32, HEX) + "-us13", "[X]"),
        (made(76) + "AZDO" + made(4), "[X]"),
        ("sshpass -p horse7battery ssh h", "sshpass -p [X] ssh h"),
        ("docker login -u me -p horse7battery r.example", "docker login -u me -p [X] r.example"),
        ("root:$6$" + made(8) + "$" + made(86) + ":19000:0", "root:[X]:19000:0"),
        ("ops:$apr1$" + made(8) + "$" + made(22), "ops:[X]"),
        ("$2b$12$" + made(53), "[X]"),
        ("$argon2id$v=19$m=65536,t=3,p=4$" + made(22) + "$" + made(43), "[X]"),
        ("it costs $1$ or $5 and $HOME$PATH", "it costs $1$ or $5 and $HOME$PATH"),
        ("pa-2024-a-very-long-slug-of-words-and-no-key-at-all", "pa-2024-a-very-long-slug-of-words-and-no-key-at-all"),
        ("as-the-crow-flies-2024-11-29", "as-the-crow-flies-2024-11-29"),
    ],
)
def test_keys_without_a_beginning_of_their_own(text, left):
    """Known by their end, their middle, the program they are given to, or as the hash of a password."""
    assert replaced(text) == left


def test_each_rule_begins_with_letters_of_a_run():
    """A rule is found by its first two letters: others would never be tried."""
    assert RUN >= 16
    assert all(len(prefix) >= 2 and all(char.isalnum() or char in "_-" for char in prefix[:2]) for prefix, _ in RULES)


@pytest.mark.parametrize(
    "piece",
    [
        "-" * 5 + "BEGIN PRIVATE KEY" + "-" * 5 + "\n",
        "sk-",
        "eyJ",
        "://a:",
        "Bearer ",
        "cookie: a=b; ",
        "-" + HEX,
        "curl -u a",
    ],
)
def test_the_time_is_linear_in_the_text(piece):
    """Whatever is repeated: eight times the text takes no more than thirty times as long."""

    def cost(text: str) -> float:
        tries: list[float] = []
        for _ in range(3):
            begun = time.process_time()
            replaced(text)
            tries.append(time.process_time() - begun)
        return min(tries)

    small, large = piece * (20_000 // len(piece)), piece * (160_000 // len(piece))

    assert cost(large) < 30 * cost(small) + 0.02

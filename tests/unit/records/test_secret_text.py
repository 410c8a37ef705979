"""A text without the secrets in it, in base64 too."""

from base64 import b64encode, encodebytes

import pytest

from records.secret_text import replace_secrets
from tests.rooms.secret_samples import BASE64, made

KEY = "gh" + "p_" + made(36)


def replaced(text: str) -> str:
    return replace_secrets(text, lambda found: "[X]")


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "said", [KEY, f"OPENAI_API_KEY={KEY}\n", '{"password": "horse7battery"}', "PORT=1\nDB_PASSWORD=horsebattery"]
)
@pytest.mark.parametrize("around", ["{}", "data: {}", "echo {} | base64 -d", '"{}"', r"a:\n{}\nb", "x={}&y=1"])
def test_a_secret_in_base64(said, around):
    """The run is replaced as a whole, wherever it stands; what is around it stays."""
    assert replaced(around.format(encoded(said))) == around.format("[X]")


def test_base64_in_lines():
    """As programs break it: the key may go on in the next line, which is no text by itself."""
    lines = encodebytes((f"# a file of settings\nHOST=db1\nKEY={KEY}\n" * 2).encode()).decode()

    assert lines.count("\n") > 2
    assert replaced(f"here:\n{lines}and that is all") == "here:\n[X]\nand that is all"


@pytest.mark.parametrize(
    "text",
    [
        encoded("a harmless text of 12 words about the password policy and tokens"),
        encoded("a text that is none: \x00\x01 " + KEY),
        encoded("nicht nur ascii: \u00fc " * 3),
        made(400, BASE64),
        "internationalization/localization/AbstractSingletonProxyFactoryBean12",
    ],
)
def test_other_runs_stay(text):
    """Texts without a secret, media, digests, and long names."""
    assert replaced(f"1 {text} 2") == f"1 {text} 2"


def test_a_name_and_looks_are_known_here_too():
    """All ways are gone."""
    assert replaced(f"{KEY}; password: horse7battery") == "[X]; password: [X]"

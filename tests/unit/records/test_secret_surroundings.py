"""Secrets are known by what stands around them."""

import pytest

from records.secret_surroundings import has_digit, is_basic, replace_told
from tests.rooms.secret_samples import BASE64, HEX, UPPER, made


def replaced(text: str) -> str:
    return replace_told(text, lambda found: "[X]")


LOGIN = "dXNlcjpob3JzZTdiYXR0ZXJ5"
"""A user and a password."""


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"authorization=Basic%20{LOGIN}", "authorization=Basic%20[X]"),
        (f"authorization=Basic+{LOGIN}", "authorization=Basic+[X]"),
        (f"//registry.example/:_auth={LOGIN}", "//registry.example/:_auth=[X]"),
        ("machine h login ops password horse7battery", "machine h login ops password [X]"),
        ("mysqldump -u root -phorse7battery db", "mysqldump -u root -p[X] db"),
        ("curl -b 'session=horse7battery' http://h", "curl -b 'session=[X]' http://h"),
        ("my password is horse7battery, keep it", "my password is [X], keep it"),
        ("the password is wrong, the token is invalid2", "the password is wrong, the token is invalid2"),
        ("oauth: authorizationServer, auth=basic", "oauth: authorizationServer, auth=basic"),
        ("mysql -u root -p db", "mysql -u root -p db"),
    ],
)
def test_logins_in_headers_queries_files_and_commands(text, left):
    """In base64 as a query has it, and where a program's own file or flag puts them."""
    assert replaced(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"my API key is {made(40)}.", "my API key is [X]."),
        (f"the token is {made(32, HEX)}", "the token is [X]"),
        ("the next page token is " + made(32, HEX), "the next page token is " + made(32, HEX)),
        ("the cache key is " + made(32, HEX), "the cache key is " + made(32, HEX)),
        ("the API key is in_the_settings_of_version_2", "the API key is in_the_settings_of_version_2"),
        ("AK" + "IA" + made(16, UPPER) + " | " + made(40, BASE64), "AK" + "IA" + made(16, UPPER) + " | [X]"),
        (
            "AK" + "IA" + made(16, UPPER) + " at " + made(40, HEX),
            "AK" + "IA" + made(16, UPPER) + " at " + made(40, HEX),
        ),
        ('get(u, auth=("ops", "horse7battery"))', 'get(u, auth=("ops", "[X]"))'),
        (f"https://{made(40)}@git.example/a.git", "https://[X]@git.example/a.git"),
        ("https://" + made(32, HEX) + "@o1.example/1", "https://" + made(32, HEX) + "@o1.example/1"),
        (f"{{'key': '{made(32, HEX)}', 'username': 'joe'}}", "{'key': '[X]', 'username': 'joe'}"),
    ],
)
def test_what_is_said_of_it_makes_it_a_secret(text, left):
    """A sentence that calls it a key, the id beside it, the place of a login: ids and digests stay."""
    assert replaced(text) == left


def test_a_login_in_base64():
    """User and password, as in `Authorization: Basic`; padding may be that of a URL."""
    assert is_basic(LOGIN) and is_basic(LOGIN + "%3D%3D")
    assert not is_basic("understanding") and not is_basic("!")


def test_a_digit():
    """Any of the ten."""
    assert all(has_digit(f"a{digit}b") for digit in "0123456789") and not has_digit("ab")

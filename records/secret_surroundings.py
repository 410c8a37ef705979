"""Secrets that are known by what stands around them: in links, headers, cookies, commands, and sentences that say so.

Source: RFC 7617 (Basic), RFC 6265 (cookies), RFC 3986 (user information in links); the manuals of the commands.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Callable

_SAID = re.compile(
    r"[Pp]assword (?:is|was) "
    r"(?P<value>(?=[^\s0-9]{0,64}[0-9])(?=[^\sA-Za-z]{0,64}[A-Za-z])[^\s,;]{8,128})"
)
_KEY_VALUE = (
    r"(?P<value>(?:[a-f0-9]{32,128}|(?=[A-Za-z_\-]{0,99}[0-9])(?=[a-z0-9_\-]{0,60}[A-Z])(?=[A-Z0-9_\-]{0,60}[a-z])"
    r"[A-Za-z0-9_\-]{20,512})(?![A-Za-z0-9_\-]))"
)
_SAID_KEY = re.compile(
    r"key is (?:(?<=[Aa][Pp][Ii] key is )|(?<=access key is )|(?<=secret key is )|(?<=private key is ))" + _KEY_VALUE
)
_SAID_TOKEN = re.compile(r"oken is (?<!page token is )" + _KEY_VALUE)
_AUTH = re.compile(r"""auth\\?["']?\s?[:=]\s?\\?["']?(?P<value>(?P<basic>[A-Za-z0-9+/]{6,}={0,2})(?![A-Za-z0-9+/=]))""")
_AWS_PAIR = re.compile(
    r"A[KS]IA[A-Z0-9]{16}[^A-Za-z0-9]{1,12}(?:[A-Za-z]{1,24}[^A-Za-z0-9]{1,8}){0,4}"
    r"(?P<value>(?=[A-Za-z+/]{0,39}[0-9])(?=[a-z0-9+/]{0,39}[A-Z])[A-Za-z0-9+/]{40})(?![A-Za-z0-9+/=])"
)
"""The secret key behind its id, as tables and files have them."""
_PYTHON_LOGIN = re.compile(
    r"""auth=\(\s{0,3}\\?["'][^"'\s]{1,64}["'],\s{0,3}\\?["'](?P<value>[^"'\s\\]{3,128})\\?["']"""
)
_COLON, _COMMA = r"""\\?["']\s{0,3}:\s{0,3}\\?["']""", r"""\\?["'],\s{0,8}\\?["']"""
_KAGGLE = (
    re.compile(rf"""username{_COLON}[^"'\\\s]{{1,64}}{_COMMA}key{_COLON}(?P<value>[0-9a-f]{{32}})(?![0-9A-Za-z])"""),
    re.compile(rf"""["']key{_COLON}(?P<value>[0-9a-f]{{32}}){_COMMA}username\\?["']"""),
)
_MARKED: tuple[tuple[str, str, re.Pattern[str]], ...] = (
    ("0", "earer ", re.compile(r"earer (?P<value>(?=[A-Za-z_\-.~+/]{0,200}[0-9])[A-Za-z0-9_\-.~+/]{16,}={0,2})")),
    ("", "asic", re.compile(r"asic (?P<value>(?P<basic>[A-Za-z0-9+/]{6,}={0,2})(?![A-Za-z0-9+/=]))")),
    (":", "://", re.compile(r"""://(?P<value>[^\s/:@"'<>]{0,64}:[^\s/@"'<>]{1,128})@""")),
    (
        "/",
        "hook",
        re.compile(
            r"hook(?:s\.slack\.com/(?=services|workflows|triggers)|s/(?=[0-9]{8})|b2/)(?P<value>[A-Za-z0-9_@/\-]{30,})"
        ),
    ),
    ("=", "=", re.compile(r"sig=(?<![A-Za-z]sig=)(?P<value>[A-Za-z0-9%+/=_\-]{20,})")),
    ("=", "=", re.compile(r"ignature=(?P<value>[A-Za-z0-9%+/=_\-]{32,})")),
    (
        ":",
        "ookie: ",
        re.compile(r"ookie: (?P<value>[\w!#$%&'*+.^`|~\-]{1,64}=\S{4,}(?:; ?[^\s=;]{1,64}(?:=[^\s;]*)?)*)"),
    ),
    *((sign, "auth", _AUTH) for sign in ":="),
    (
        "",
        "asic",
        re.compile(r"asic(?:%20|\+)(?P<value>(?P<basic>[A-Za-z0-9+/]{6,}(?:={0,2}|(?:%3[dD]){1,2}))(?![A-Za-z0-9+/=]))"),
    ),
    ("", "machine ", re.compile(r"machine \S{1,200}\s{1,8}login \S{1,200}\s{1,8}password (?P<value>\S{1,200})")),
    ("-", "mysql", re.compile(r"""mysql[a-z]{0,8}\b[^\n]{0,200}?\s-p(?P<value>[^\s"'\-][^\s"']{3,127})""")),
    ("-", "curl", re.compile(r"""\s(?:-b|--cookie)[ =]["']?[^\s"'=;]{1,64}=(?P<value>[^\s"'=]{4,512})""")),
    *(("0", mark, _SAID) for mark in ("word is ", "word was ")),
    ("0", "key is ", _SAID_KEY),
    ("0", "oken is ", _SAID_TOKEN),
    ("0", "IA", _AWS_PAIR),
    ("=", "auth", _PYTHON_LOGIN),
    (":", "://", re.compile(r"://(?P<value>(?=[A-Za-z_\-]{0,99}[0-9])[A-Za-z0-9_\-]{36,})@")),
    *((":", "username", pattern) for pattern in _KAGGLE),
    ("-", "sshpass", re.compile(r"""sshpass\s+-p\s{0,4}["']?(?P<value>[^\s"']{3,128})""")),
    (
        "-",
        "docker",
        re.compile(r"""docker\s+login\s[^\n]{0,200}?(?:-p|--password)[ =]["']?(?P<value>[^\s"']{3,128})"""),
    ),
    (
        "$",
        "$",
        re.compile(
            r"""(?P<value>\$(?<![\w$]\$)(?:2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}
            |(?:[156y]|apr1)\$(?:[a-z0-9]{1,10}=?[0-9]*\$)?[./A-Za-z0-9]{1,24}\$[./A-Za-z0-9]{22,86}
            |argon2(?:id|i|d)\$v=[0-9]{1,3}\$[a-z0-9=,]{5,60}\$[A-Za-z0-9+/]{8,64}\$[A-Za-z0-9+/]{20,128}))""",
            re.VERBOSE,
        ),
    ),
    ("-", "curl", re.compile(r"""\s(?:-u|--user)[ =]["']?[^\s:"']{1,64}:(?!//)(?P<value>[^\s"']{3,128})""")),
)  # fmt: skip
"""A sign ("0": any digit, "": none) and a part of the text without which the pattern finds nothing; its group `value`
is the secret. A sign is found ten times as fast as a part, and most texts lack most of them."""
_BY_MARK = tuple(
    (*known, tuple(pattern for sign, mark, pattern in _MARKED if (sign, mark) == known))
    for known in dict.fromkeys((sign, mark) for sign, mark, _ in _MARKED)
)
"""The same, so that no part is looked for twice."""


def replace_told(text: str, replace: Callable[[str], str]) -> str:
    """The text with each secret in it replaced that its surroundings tell of."""
    digits = has_digit(text)
    for sign, mark, patterns in _BY_MARK:
        if (digits if sign == "0" else sign in text) and mark in text:
            for pattern in patterns:
                text = pattern.sub(lambda match: _with_value(match, replace), text)
    return text


def has_digit(text: str) -> bool:
    """Whether one of 0 to 9 is in it. Ten looks for a sign are faster than one for a class of them."""
    return (
        "0" in text or "1" in text or "2" in text or "3" in text or "4" in text
        or "5" in text or "6" in text or "7" in text or "8" in text or "9" in text
    )  # fmt: skip


def _with_value(match: re.Match[str], replace: Callable[[str], str]) -> str:
    """The match with its group `value` replaced; as it is where that says nothing secret."""
    if match.groupdict().get("basic") and not is_basic(match["basic"]):
        return match[0]
    start, end = match.start("value") - match.start(), match.end("value") - match.start()
    return match[0][:start] + replace(match["value"]) + match[0][end:]


def is_basic(found: str) -> bool:
    """Whether it is a user and a password, as in the header `Authorization`."""
    found = found.replace("%3d", "=").replace("%3D", "=").rstrip("=")
    try:
        plain = b64decode(found + "=" * (-len(found) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return b":" in plain and plain.isascii() and not any(byte < 0x20 for byte in plain)

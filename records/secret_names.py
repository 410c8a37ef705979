"""Names that say of their value that it is a secret: fields of JSON, and names in front of a value in a text.

A name is read word by word, as programmers join words: `apiKey`, `X-Api-Key` and `OPENAI_API_KEY` end in the same two.
What counts tokens or cuts text is no secret: `max_tokens`, `token_count`, `next_page_token`, `eos_token`, `token`
beside `logprob`. Neither is what only says that a secret is meant: `"password": "string"`, `${API_KEY}`.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from records.secret_surroundings import is_basic


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+")

_SECRETS = _set(
    "password passwd passphrase passcode passwort pwd psk secret authorization cookie jwt credential credentials "
    "otp totp cvv cvc cvv2 phpsessid jsessionid apikey accesskey secretkey privatekey clientsecret passwords secrets "
    "cookies apikeys kennwort contrasena senha \u5bc6\u7801 \u043f\u0430\u0440\u043e\u043b\u044c"
)
"""Last words of names of secrets; the last two are Chinese and Russian."""
_ENDINGS = ("password", "passwd", "passphrase", "apikey", "accesskey", "secretkey", "privatekey", "secret")
_TOKENS = ("accesstoken", "authtoken", "apitoken", "refreshtoken", "sessiontoken", "bearertoken", "idtoken")
"""Last words, run together with what is before them."""
_KEYS = _set(
    "admin api access secret private signing encryption decryption account master shared auth authorization "
    "subscription deploy license client service ssh rsa hmac webhook app application shared preshared "
    "openai anthropic azure mistral cohere deepgram assemblyai elevenlabs kaggle datadog algolia mailgun okta asana"
)
"""What stands before `key` in names of secrets: what it is for, and makers whose keys have no looks of their own."""
_ACCOUNTS = _set(
    "db database user admin root smtp mail mysql pg postgres redis mongo rabbitmq ftp ssh ldap ssl key login sudo wifi"
)
"""What stands before `pass` in names of passwords; alone it is a ticket or a test's result."""
_PAIRS = frozenset(
    {
        ("connection", "string"), ("pass", "word"), ("pass", "phrase"), ("pass", "code"), ("security", "code"),
        ("auth", "code"), ("authorization", "code"), ("recovery", "code"), ("backup", "code"), ("recovery", "codes"),
        ("backup", "codes"), ("password", "hash"), ("key", "base"), ("auth", "header"), ("seed", "phrase"),
        ("session", "cookie"), ("api", "keys"), ("access", "keys"), ("access", "tokens"), ("refresh", "tokens"),
        ("auth", "tokens"), ("api", "tokens"), ("bearer", "tokens"), ("private", "keys"), ("github", "pat"),
        ("gitlab", "pat"), ("de", "passe"), *((before, "pass") for before in _ACCOUNTS),
    }
)  # fmt: skip
_PLAIN_TOKENS = _set(
    "page next prev previous continuation continue cursor pagination paging sync resume start starting begin end stop "
    "eos bos eot pad unk sep mask cls special first last per input output prompt completion reasoning thinking cached "
    "total max min new num n image audio video text tool word decoded sampled draft accepted generated predicted each "
    "one single extra added current logprob top usd ms s cost price budget target of"
)
"""What stands before `token` where it is a piece of text, a count or a place in a list."""
_TRAILING = _set("value plaintext base64 b64 confirm confirmation repeat current new old")
_BESIDE_TOKEN = _set(
    "tokens token_ids logprob logprobs top_logprobs bytes rank start end offset label tag pos lemma score prob "
    "token_id index"
)
"""Fields beside a `token` that is a piece of text."""
_SAYS_NOTHING = re.compile(
    r"""(?ix)\s* (?: | str | string | text | bytes? | num(?:ber)? | int(?:eger)? | float | bool(?:ean)? | object | array
      | any | null | none | nil | true | false | undefined | required | optional | auto | default | basic | bearer | n/a
      | include | omit | same-origin
      | password | secret | token | [*x.•·…\-_?]+
      | \$\{ [^{}]* \} | \$[A-Za-z_][A-Za-z0-9_]* | %[A-Za-z_]+% | \{\{ .* \}\} | <[^<>]*> | \{[A-Za-z_]*\}
      | \[ [A-Z]+ _? [A-Za-z0-9]* \] | \(?redacted\)? | process\.env\..* | os\.(?:environ|getenv).* | your[-_ ].*
    ) \s*"""
)
"""Values that are none: types, masks, references, examples' blanks and our own placeholders."""
_OURS = re.compile(r"\[[A-Z]+_[0-9]+\]")
"""Our own placeholders, as `redact.py` writes them."""
_SCHEMA = frozenset(
    {"type", "description", "anyOf", "oneOf", "allOf", "$ref", "enum", "properties", "title", "format", "items"}
)
"""Fields of a JSON Schema: what it describes has a secret's name, and is none."""
_PAIR_NAMES = ("name", "key", "header", "field", "Name", "Key")
_PAIR_VALUES = ("value", "Value", "val")
_TELLING = frozenset({*_PAIR_VALUES, "kty", "pass", "auth", "kind", "username"})
"""Fields of which something beside them tells."""
_LOGINS = frozenset({"user", "username", "login", "email", "host", "User", "Username"})
"""Fields beside which `pass` is a password, and no result."""


class SecretNames(dict[str, bool]):
    """Which names are secrets': `names["api_key"]`. It remembers what it was asked: the same few names come all day.

    `more`: names of one's own; `fewer`: names that are none, whatever they sound like.
    """

    __slots__ = ("_fewer", "_more")

    def __init__(self, more: tuple[str, ...] = (), fewer: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._more = frozenset(map(_folded, more))
        self._fewer = frozenset(map(_folded, fewer))

    def __missing__(self, name: str) -> bool:
        if len(name) > _LONGEST_NAME:
            return False
        if len(self) >= _MOST_KNOWN:  # names come from apps
            self.clear()
        folded = _folded(name)
        self[name] = found = folded not in self._fewer and (folded in self._more or is_secret(name))
        return found

    def secret_fields(self, fields: Mapping[str, Any]) -> list[str]:
        """The names of those of an object's fields whose values are secrets."""
        found = [name for name in fields if self[name]]
        if found:
            found = [name for name in found if name != "token" or _BESIDE_TOKEN.isdisjoint(fields)]
        return found if _TELLING.isdisjoint(fields) else found + self._told_beside(fields)

    def may_tell(self, fields: Mapping[str, Any]) -> bool:
        """Whether what an object's fields hold may tell which of them are secrets: names alone do not."""
        return not _TELLING.isdisjoint(fields)

    def _told_beside(self, fields: Mapping[str, Any]) -> list[str]:
        """Those whose values are secrets by what stands beside them."""
        found: list[str] = []
        for value in _PAIR_VALUES:
            if value in fields:  # a header, a variable: its name stands beside it
                named = next((fields[name] for name in _PAIR_NAMES if name in fields), None)
                if isinstance(named, str) and self[named]:
                    found.append(value)
        if "kty" in fields and ("d" in fields or fields["kty"] == "oct"):  # a private key: RFC 7517
            found += [name for name in ("d", "p", "q", "dp", "dq", "qi", "k") if name in fields]
        if "pass" in fields and not _LOGINS.isdisjoint(fields):
            found.append("pass")
        if "username" in fields and _HEX_KEY.fullmatch(str(fields.get("key"))):  # of Kaggle
            found.append("key")
        if isinstance(login := fields.get("auth"), str) and is_basic(login):  # of Docker
            found.append("auth")
        if fields.get("kind") == "Secret":  # of Kubernetes
            found += [name for name in K8S_SECRETS if name in fields]
        return found

    def is_pair(self, items: list[Any]) -> bool:
        """Whether a list is a header or a variable: its name, and a value that may be a secret."""
        if len(items) != 2 or not isinstance(items[0], str) or not isinstance(items[1], str):
            return False
        if not self[items[0]]:
            return False
        value = items[1]
        return len(value) >= _SHORTEST_IN_PAIR and any(map(str.isdigit, value)) and any(map(str.isalpha, value))


K8S_SECRETS = ("data", "stringData")
_HEX_KEY = re.compile(r"[0-9a-f]{32}")
_SHORTEST_IN_PAIR = 8
_MOST_KNOWN = 4096
"""Names, texts, and objects by their names, that are known again at most: all come from apps."""
_LONGEST_NAME = 128


def know(known: set[Any], one: str | tuple[str, ...]) -> None:
    """Remember that it is no secret, beside others that were met of late."""
    if len(known) >= _MOST_KNOWN:
        known.clear()
    known.add(one)


def _folded(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())


def is_secret(name: str) -> bool:
    """Whether what is called so is a secret. What a placeholder of ours stands for names nothing: `"[SECRET_1]"`."""
    if "[" in name:
        name = _OURS.sub("", name)
    if not name.isascii():  # full-width letters, accents: what is meant is the letter
        name = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    words = [word.lower() for word in _WORDS.findall(name)]
    while len(words) > 1 and (words[-1].isdigit() or words[-1] in _TRAILING):
        words.pop()
    if not words:
        return False
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last == "token":
        return before not in _PLAIN_TOKENS
    if last == "key":
        return before in _KEYS
    return (
        last in _SECRETS
        or (before, last) in _PAIRS
        or last.endswith(_ENDINGS)
        or last.endswith(_TOKENS)
        or (last == "auth" and before != "no" and len(words) > 1)
    )


def is_placeholder(value: str) -> bool:
    """Whether a value with a secret's name is none: a type, a mask, a reference, a blank, a placeholder of ours."""
    return len(value) < 200 and _SAYS_NOTHING.fullmatch(value) is not None


def is_schema(fields: Mapping[str, Any]) -> bool:
    """Whether an object describes a value instead of being one."""
    return not _SCHEMA.isdisjoint(fields)


# Names in texts -----------------------------------------------------------------------------------------------------

_MARKS = ("pass", "pwd", "secret", "token", "key", "uthorization", "credential", "kennwort", "contrase", "senha")
_FOREIGN_MARKS = ("\u5bc6\u7801", "\u043f\u0430\u0440\u043e\u043b\u044c")
_NAMED = re.compile(
    r"""(?ix)
    (?P<name>passw(?:or)?d | passwort | passphrase | passcode | passe | pass | pwd | token | uthorization | credentials?
        | kennwort | contrase(?:[n\u00f1]|\\u00f1)a | senha | \u5bc6\u7801 | \u043f\u0430\u0440\u043e\u043b\u044c
        | secret(?:[_\-\ ]?(?:access)?[_\-\ ]?key(?:[_\-]?base)?)? | key(?:[_\-]?base)?) (?:[_\-]?[0-9])?
    (?: (?: \\?["'`]{0,2} | \*{2}) \s{0,3} (?P<sign> := | => | [:=\uff1a] | %3[aAdD] | >(?=\S) ) (?:\*{2})? \s{0,3}
      | \\?["'] \s{1,3} value \s{0,2} = \s{0,2} | (?P<flag>\ ) )
    (?P<quote>\\?["'`])? (?: (?:bearer|basic|token|digest|bot|apikey|api-key|ssws|geniekey|key|oauth) \s{1,2} )?
    (?P<value>(?:(?!&[A-Za-z_][\w.\-]{0,32}=)[^\s"'`,;<>{}()\[\]\\]){4,512})""",
)
_CODE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|/[\w./\-]*|[A-Za-z]:")


def replace_named(text: str, replace: Callable[[str], str]) -> str:
    """The text with each value replaced that stands behind a secret's name: `password=…`, `"api_key": "…"`."""
    is_ascii = text.isascii()
    if (
        ":" not in text and "=" not in text and ">" not in text and "--" not in text and "%3" not in text
        and (is_ascii or "\uff1a" not in text)
    ):  # fmt: skip
        return text
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters are longer in lower case
        lowered = text.translate(_LOWER)
    found: list[tuple[int, int]] = []
    for mark in _MARKS if is_ascii else _MARKS + _FOREIGN_MARKS:
        at = lowered.find(mark)
        while at >= 0:
            match = _NAMED.match(text, at)
            if match is not None and _is_named_secret(text, match):
                found.append(match.span("value"))
            at = lowered.find(mark, at + len(mark))
    if not found:
        return text
    pieces: list[str] = []
    done = 0
    for start, end in sorted(found):
        if start >= done:
            pieces += (text[done:start], replace(text[start:end]))
            done = end
    return "".join((*pieces, text[done:]))


def _is_named_secret(text: str, match: re.Match[str]) -> bool:
    at, value = match.start(), match["value"]
    before = text[max(0, at - 40) : at]
    words = _LAST_WORDS.search(before)
    name = (words[0] if words is not None else "") + match["name"].replace(r"\u00f1", "n")
    if " --" in name:  # what a flag belongs to is no part of its name
        name = name.rpartition(" ")[2]
    if match["flag"] and not name.startswith("--") and not name.rpartition(" ")[2].startswith("--"):
        return False
    if not is_secret(name) or is_placeholder(value):
        return False
    if name.lower().endswith(_QUOTED) and (match["quote"] or _is_set(text, match, name.lower())):
        return True
    if len(value) < 6 or not any(map(str.isdigit, value)) or _CODE.fullmatch(value):
        return False
    return name.lower().endswith(_QUOTED) or any(map(str.isalpha, value))


def _is_set(text: str, match: re.Match[str], name: str) -> bool:
    """Whether a program reads a value where it stands: there a password of letters alone is one, too."""
    value, rest = match["value"], text[match.end("value") : match.end("value") + 32]
    if match["sign"] == ">":
        return rest.startswith("</") and _OPEN_TAG.search(text, max(0, match.start() - 40), match.start()) is not None
    if text[match.end("name") : match.start("value")] != "=" or not name.endswith(_CHOSEN):
        return False
    if not _CHOSEN_VALUE.fullmatch(value) or value.isupper() or is_secret(value):  # a blank, another variable
        return False
    end = _END_OF_VALUE.match(rest)
    if end is None or (name.endswith("pwd") and not name.endswith("_pwd") and end[0] != ";"):  # a shell's folder
        return False
    return end[0] != ";" or text[: match.start()].rstrip().endswith(";") or _NEXT_PAIR.match(rest) is not None


_LOWER = {code: code + 32 for code in range(0x41, 0x5B)}
_OPEN_TAG = re.compile(r"<[\w:.\-]*\Z")
_CHOSEN = ("password", "passwd", "passphrase", "passcode", "pwd")
"""Names of what people choose: words, often."""
_CHOSEN_VALUE = re.compile(r"[A-Za-z0-9!#%*+?^][^\s/]{3,127}")
_END_OF_VALUE = re.compile(r"""\Z|[&;"'`<]|\\(?![nrt])|(?:\\[nrt]|\s)(?!\s*\))""")
"""Of a shell's variable, a query, a connection string: no call's argument."""
_NEXT_PAIR = re.compile(r";\s?[A-Za-z][A-Za-z ]{0,24}=")
_LAST_WORDS = re.compile(r"(?:[A-Za-z0-9]+ )?[A-Za-z0-9_\-]*\Z")
_QUOTED = (
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "secret_key",
    "secretkey",
    "api_key",
    "apikey",
    "passwort",
    "kennwort",
)
"""Names whose value is one of letters alone, too, if it stands in quotes, and of digits alone."""

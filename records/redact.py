"""What must not be kept, replaced: `mail anna@example.com` becomes `mail [EMAIL_1]`.

The same thing has the same placeholder all through an exchange, in its request and its answer, however it is written.
What was JSON stays JSON, also where it stands as text in a field (the arguments of a tool call).
Secrets are known by their looks (`secret_shapes.py`), by what stands around them (`secret_surroundings.py`), by the
names before them (`secret_names.py`), and in base64 (`secret_text.py`).
Pure, and linear in the text: each pattern is tried only where a cheap look says that it could match; short texts and
fields' names in which there was nothing are known again.

Source: ISO/IEC 7812-1 (cards, Luhn), ISO 13616 (IBAN, mod 97), ITU-T E.164 (phone numbers).
"""

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import is_not
from typing import Any, Literal, cast

import msgspec

from records.secret_names import K8S_SECRETS, SecretNames, is_placeholder, is_schema, know
from records.secret_shapes import RUN
from records.secret_surroundings import has_digit
from records.secret_text import replace_secrets

VERSION = "2"
"""Of the patterns: it stands in every record."""
Kind = Literal["email", "phone", "card", "iban", "secret"]
KINDS: tuple[Kind, ...] = ("secret", "email", "iban", "card", "phone")
"""In the order they are looked for: what belongs to a longer thing is taken with it."""

_NUMBERS = frozenset({"iban", "card", "phone"})
"""Kinds of which each has six digits in a row, separated or not."""
_SHORTEST = 6
_VALUES = frozenset({"value", "plain", "plaintext", "raw", "current", "new", "old"})
"""Fields of an object with a secret's name that hold it."""
_SMALLEST_SECRET = 100
"""Numbers below are counts, whatever they are called."""
_SCHEME = re.compile(r"(?i:bearer|basic|token|digest|bot|apikey|api-key|ssws|geniekey|key|oauth) +(?=\S)")
_SHORT = 64
_MOST_FIELDS = 32
_WORDS = re.compile(r"[A-Za-z .,!?'_]*")
"""Of short texts, most fields' by far: nothing of any kind is made of these alone."""
_CARD_NUMBER_MIN = 10**12
_LOCAL_PART = re.compile(r"[\w.%+'-]{1,64}$")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_DIGITS = re.compile(r"[0-9](?:[ ().\-/\u00a0\u2010-\u2015]{0,3}[0-9]){5}")
# What begins with a sign that is rare in words is found fast; what must not stand before that is looked at behind it.
_CARD = re.compile(r"\d(?<![\w.]\d)(?:[ \-\u00a0]?\d){12,22}(?!\w)")
_IBAN_DIGITS = re.compile(r"\d(?<=[A-Za-z]{2}\d)(?<![A-Za-z0-9][A-Za-z]{2}\d)\d(?=[ ]?[A-Za-z0-9])")
"""The two behind a country's two letters."""
_IBAN_TAIL = re.compile(r"(?:[ ]?[A-Za-z0-9]){10,30}")
_PHONE_BEGIN = re.compile(r"[+(\d](?<![\w+.\-/][+(\d])")
_PHONE = re.compile(
    r"""(?:
        (?:\+|00)[ ]?[1-9](?:[ .\-/()\u00a0\u2010-\u2015]{0,3}\d){6,14}            # +49 (0)30 1234567
      | (?:1[ .\-])?\(?[2-9]\d{2}\)?(?:[ .\-\u00a0]|(?<=\))){1,2}[2-9]\d{2}[ .\-\u00a0]\d{4}   # (415) 555-2671
      | \(?0[1-9]\d{0,3}\)?[ \-/.\u00a0]{1,3}\d(?:[ \-/.\u00a0]?\d){4,9}                # 030 1234567, 06 12 34 56 78
    )(?![\w\-/]|[.]\d)""",
    re.VERBOSE,
)
_DATE = re.compile(r"\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d{2})|\d{4}([./-])\d{1,2}\2\d{1,2}")
_CARD_LENGTHS = (16, 15, 14, 19, 18, 17, 13)
_CARD_ISSUER = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}"
    r"|35\d{14}|6(?:011|4[4-9]\d|5\d\d|2\d\d)\d{12,15}|(?:50|5[6-9]|6[0-9])\d{11,17}"
)
_IBAN_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 "
    "FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 "
    "LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 "
    "SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20"
)
_IBAN_LENGTH = {word[:2]: int(word[2:]) for word in _IBAN_LENGTHS.split()}


@dataclass(frozen=True, slots=True)
class Redactor:
    """Which kinds are replaced, and which fields hold secrets. One `begin()` per exchange."""

    kinds: frozenset[str] = frozenset(KINDS)
    names: SecretNames = field(default_factory=SecretNames)
    _plain: set[str] = field(default_factory=set[str], init=False, compare=False, repr=False)
    """Short texts with nothing in them: the same roles, models and programs come all day."""
    _shapes: set[tuple[str, ...]] = field(default_factory=set[tuple[str, ...]], init=False, compare=False, repr=False)
    """Names of objects of which none is a secret's, nor tells of another's."""

    def begin(self) -> "Redaction":
        """An exchange's own numbering of placeholders."""
        finders = _finders_of(self.kinds)
        return Redaction(finders, self.names if "secret" in finders else None, self._plain, self._shapes)


@dataclass(slots=True)
class Redaction:
    """What was replaced in one exchange."""

    _finders: Mapping[Kind, Callable[[str, "Replace"], str]]
    _names: SecretNames | None
    _plain: set[str]
    _shapes: set[tuple[str, ...]]
    counts: dict[str, int] = field(default_factory=dict[str, int])
    """By kind: replacements made, each occurrence counted."""
    _placeholders: dict[tuple[Kind, str], str] = field(default_factory=dict[tuple[Kind, str], str])
    _numbers: dict[Kind, int] = field(default_factory=dict[Kind, int])
    _fields: int = 0
    """Fields of objects seen so far."""

    def text(self, text: str) -> str:
        """`text` without what must not be kept; the same object where nothing was found."""
        is_short = len(text) < _SHORT
        if is_short and (len(text) < _SHORTEST or text in self._plain or _WORDS.fullmatch(text)):
            return text
        redacted = text
        has_digits = has_digit(text) and _DIGITS.search(text) is not None
        for kind, find in self._finders.items():
            if has_digits or kind not in _NUMBERS:
                redacted = find(redacted, self._placeholder)
        if redacted != text:
            return redacted
        if is_short:
            know(self._plain, text)
        return text

    def finds(self, text: str) -> bool:
        """Whether something in it must not be kept."""
        return any(find(text, lambda _kind, _found: "") != text for find in self._finders.values())

    def value(self, value: Any) -> Any:
        """A decoded JSON value without it; the same object where nothing was found."""
        kind = value.__class__
        if kind is str:
            return self._field(value)
        if kind is dict:
            return self._object(value)
        if kind is list:
            return self._list(value)
        if kind is int and value >= _CARD_NUMBER_MIN and "card" in self._finders:
            digits = str(value)
            return self._placeholder("card", digits) if _is_card(digits) else value
        return value

    def body(self, value: Any, raw: bytes) -> str:
        """The text of a JSON body, of which `value` was read: `raw` as it came where nothing was found."""
        fresh, is_whole = self._looked_at(value, raw)
        return raw.decode() if fresh is value and is_whole else _encoded(fresh)

    def _looked_at(self, value: Any, raw: str | bytes) -> tuple[Any, bool]:
        """The value redacted, and whether it is all of `raw`: of two fields of one name a reader sees the last."""
        before = self._fields
        fresh = self.value(value)
        colons = raw.count(":") if isinstance(raw, str) else raw.count(b":")
        return fresh, colons == self._fields - before

    def _object(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._fields += len(fields)
        shape = tuple(fields)
        return self._known(fields) if shape in self._shapes else self._strange(fields, shape)

    def _known(self, fields: dict[str, Any]) -> dict[str, Any]:
        """An object whose names say nothing of what it holds."""
        fresh = fields
        for key, item in fields.items():
            kind = item.__class__
            new = item if item is None or (kind is str and len(item) < _SHORTEST) else self.value(item)
            if new is not item:
                fresh = dict(fields) if fresh is fields else fresh
                fresh[key] = new
        return fresh

    def _strange(self, fields: dict[str, Any], shape: tuple[str, ...]) -> dict[str, Any]:
        """An object of names that were not seen together yet, or of which some say what it holds."""
        secrets = self._names.secret_fields(fields) if self._names is not None else ()
        fresh: dict[str, Any] = {}
        same, is_plain = True, not secrets and (self._names is None or not self._names.may_tell(fields))
        for key, item in fields.items():
            name = key if len(key) < RUN and key.isidentifier() else self.text(key)
            if key in secrets:
                new = self._secret(key, item)
            elif item is None or (item.__class__ is str and len(item) < _SHORTEST):  # most are
                new = item
            else:
                new = self.value(item)
            same = same and new is item and name is key
            is_plain = is_plain and name is key
            fresh[name] = new
        if is_plain and len(shape) <= _MOST_FIELDS and all(len(key) <= _SHORT for key in shape):
            know(self._shapes, shape)
        return fields if same else fresh

    def _list(self, items: list[Any]) -> list[Any]:
        fresh = [self.value(item) for item in items]
        if len(items) == 2 and self._names is not None and self._names.is_pair(items):
            fresh[1] = self._secret(items[0], items[1])
        return fresh if any(map(is_not, fresh, items)) else items

    def _secret(self, name: str, value: Any) -> Any:
        """The value of a field whose name says that it is a secret."""
        if isinstance(value, str):
            if is_placeholder(value):
                return value
            scheme = _SCHEME.match(value)
            begin = scheme.end() if scheme is not None else 0
            return value[:begin] + self._placeholder("secret", value[begin:])
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= _SMALLEST_SECRET:
            return self._placeholder("secret", str(value))
        if isinstance(value, list):
            items = cast(list[Any], value)
            fresh = [self.value(item) if isinstance(item, dict) else self._secret(name, item) for item in items]
            return fresh if any(new is not old for new, old in zip(fresh, items, strict=True)) else items
        if isinstance(value, dict) and not is_schema(cast(dict[str, Any], value)):
            return self._secrets_of(name, cast(dict[str, Any], value))
        return self.value(value)

    def _secrets_of(self, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        """An object with a secret's name: of cookies and credentials every text is one, of others the `value`."""
        every = name.lower().rstrip("s").endswith(("cookie", "credential", "password", "secret")) and name[-1] in "sS"
        every = every or name in K8S_SECRETS
        fresh = self.value(fields)
        for key, item in list(fresh.items()):
            if isinstance(item, str) and (every or key in _VALUES) and (new := self._secret(key, item)) is not item:
                fresh = fresh if fresh is not fields else dict(fields)
                fresh[key] = new
        return fresh

    def _field(self, text: str) -> str:
        """A field's text: JSON of its own, media, or words."""
        if len(text) < _SHORTEST or (text.startswith("data:") and ";base64," in text[:100]):
            return text
        if text[0] in "{[" and text.rstrip()[-1:] in ("}", "]"):
            try:
                inner = msgspec.json.decode(text)
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                return self.text(text)
            fresh, is_whole = self._looked_at(inner, text)
            return text if fresh is inner and (is_whole or self.text(text) == text) else _encoded(fresh)
        return self.text(text)

    def _placeholder(self, kind: Kind, found: str) -> str:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        known = self._placeholders.get((kind, found))
        if known is None:
            self._numbers[kind] = self._numbers.get(kind, 0) + 1
            known = self._placeholders[kind, found] = f"[{kind.upper()}_{self._numbers[kind]}]"
        return known


def _encoded(value: Any) -> str:
    return msgspec.json.encode(value).decode()


Replace = Callable[[Kind, str], str]
"""Kind and normalised text -> placeholder."""


def _emails(text: str, replace: Replace) -> str:
    at = text.find("@")
    if at < 0:
        return text
    pieces: list[str] = []
    done = 0
    while at >= 0:
        local = _LOCAL_PART.search(text, max(done, at - 64), at)
        domain = _DOMAIN.match(text, at + 1)
        if local and domain:
            found = text[local.start() : domain.end()].strip(".'")
            start = text.index(found, local.start())
            pieces += (text[done:start], replace("email", found.lower()))
            done = start + len(found)
        at = text.find("@", max(at + 1, done))
    return "".join((*pieces, text[done:]))


def _secrets(text: str, replace: Replace) -> str:
    return replace_secrets(text, lambda found: replace("secret", found))


def _ibans(text: str, replace: Replace) -> str:
    pieces: list[str] = []
    done = 0
    for digits in _IBAN_DIGITS.finditer(text):
        start = digits.start() - 2
        length = _IBAN_LENGTH.get(text[start : start + 2].upper())
        if length is None or start < done or not _IBAN_TAIL.match(text, digits.end()):
            continue
        end = _end_of(text, start, length)
        found = text[start:end].replace(" ", "").upper()
        if end and _is_iban(found):
            pieces += (text[done:start], replace("iban", found))
            done = end
    return "".join((*pieces, text[done:])) if pieces else text


def _end_of(text: str, start: int, length: int) -> int:
    """Where `length` characters that are no spaces end, if a word ends there; else 0."""
    at = start
    while length and at < len(text):
        length -= text[at] != " "
        at += 1
    return at if not length and not text[at : at + 1].isalnum() else 0


def _is_iban(found: str) -> bool:
    if not found.isascii() or not found.isalnum():
        return False
    return int("".join(str(int(char, 36)) for char in found[4:] + found[:4])) % 97 == 1


def _cards(text: str, replace: Replace) -> str:
    return _CARD.sub(lambda match: _card_in(match[0], replace), text)


def _card_in(found: str, replace: Replace) -> str:
    """The groups of digits in `found` with a card number among them replaced; `found` if there is none."""
    places = [at for at, char in enumerate(found) if char.isdigit()]
    for first, start in enumerate(places):
        if start and found[start - 1].isdigit():
            continue
        for length in _CARD_LENGTHS:
            last = first + length - 1
            if last >= len(places) or found[places[last] + 1 : places[last] + 2].isdigit():
                continue
            digits = "".join(found[at] for at in places[first : last + 1])
            if _is_card(digits):
                return found[:start] + replace("card", digits) + found[places[last] + 1 :]
    return found


def _is_card(digits: str) -> bool:
    if not _CARD_ISSUER.fullmatch(digits):
        return False
    total = sum(int(digit) for digit in digits[-1::-2])
    total += sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return total % 10 == 0


def _phones(text: str, replace: Replace) -> str:
    pieces: list[str] = []
    done = 0
    begin = _PHONE_BEGIN.search(text)
    while begin is not None:
        match = _PHONE.match(text, begin.start())
        if match is not None:
            pieces += (text[done : match.start()], _phone(match[0], replace))
            done = match.end()
        begin = _PHONE_BEGIN.search(text, match.end() if match is not None else begin.end())
    return "".join((*pieces, text[done:])) if pieces else text


def _phone(found: str, replace: Replace) -> str:
    digits = "".join(char for char in found if char.isdigit())
    if not 7 <= len(digits) <= 16 or _DATE.match(found):
        return found
    return replace("phone", digits)


_FINDERS: Mapping[Kind, Callable[[str, Replace], str]] = {
    "secret": _secrets,
    "email": _emails,
    "iban": _ibans,
    "card": _cards,
    "phone": _phones,
}


@functools.cache
def _finders_of(kinds: frozenset[str]) -> Mapping[Kind, Callable[[str, Replace], str]]:
    """Those of these kinds, in the order of KINDS."""
    return {kind: _FINDERS[kind] for kind in KINDS if kind in kinds}


_FIELD, _KEEP = "field:", "keep:"


def redactor_for(words: Iterable[str]) -> Redactor:
    """The redactor that `capture.redact` asks for: kinds, `field:NAME` for a field that holds a secret, `keep:NAME` for
    one that does not, whatever it sounds like.

    Raises:
        ValueError: there is no such kind.
    """
    asked = tuple(words)
    more = tuple(word.removeprefix(_FIELD) for word in asked if word.startswith(_FIELD))
    fewer = tuple(word.removeprefix(_KEEP) for word in asked if word.startswith(_KEEP))
    kinds = kinds_of(word for word in asked if not word.startswith((_FIELD, _KEEP)))
    return Redactor(kinds, SecretNames(more, fewer))


def kinds_of(names: Iterable[str]) -> frozenset[str]:
    """The kinds called `names`.

    Raises:
        ValueError: there is no such kind.
    """
    found = frozenset(names)
    if unknown := found - set(KINDS):
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}. hint: there are {', '.join(sorted(KINDS))}")
    return found

"""Whether two texts are written in different languages: by their script, and by the commonest small words.

A cheap look that would rather say nothing: short texts, mixed texts, code, and languages it does not know are never
called different.
"""

import re
from collections import Counter

_FEWEST_LETTERS = 30
_CLEAR_SHARE = 0.8
_FEWEST_WORDS = 6
_LEAST_SHARE = 0.12
_CLEAR_LEAD = 2
_MOST_CHARS = 4000

_SCRIPTS = {
    name: re.compile(f"[{first}-{last}]")
    for name, first, last in (
        ("greek", "\u0370", "\u03ff"),
        ("cyrillic", "\u0400", "\u052f"),
        ("hebrew", "\u0590", "\u05ff"),
        ("arabic", "\u0600", "\u06ff"),
        ("devanagari", "\u0900", "\u097f"),
        ("bengali", "\u0980", "\u09ff"),
        ("tamil", "\u0b80", "\u0bff"),
        ("thai", "\u0e00", "\u0e7f"),
        ("kana", "\u3040", "\u30ff"),
        ("han", "\u3400", "\u9fff"),
        ("hangul", "\uac00", "\ud7a3"),
    )
}
"""Letters of each; of every other script nothing is known but that it is letters: `latin`."""
_LATIN = re.compile("[\0-\u036f]+")
_KANA_IS_JAPANESE = 0.1
_WORD = re.compile(r"[^\W\d_]+")
_SMALL_WORDS = {
    "english": "the of and to is that it for was with as are this you be have not they from which or an we",
    "german": "der die das und ist nicht ein eine zu mit den von auf für sich dem des auch sie wird werden oder",
    "french": "le la les des est et une dans que pour pas sur qui avec vous nous sont du au ce cette plus",
    "spanish": "el la los las que y una para con por es del se está como más pero su son este lo al",
    "italian": "il che di è una per non con sono della gli del anche più si nel questo alla dei le ma ha",
    "portuguese": "o que não uma para com os é do da em você mais dos por se como seu são no na ao",
    "dutch": "de het een van en is niet dat op te zijn voor met die aan ook er maar worden deze wordt bij",
    "polish": "nie się na jest że do to jak ale po co tak od dla przez czy tym być może oraz które",
    "turkish": "bir ve bu için ile da de çok olarak daha olan gibi ne kadar ama en sonra var değil ya",
    "indonesian": "yang dan di untuk dengan ini dari adalah tidak dalam pada akan atau juga itu ke bisa dapat",
}
_LANGUAGES: dict[str, frozenset[str]] = {name: frozenset(words.split()) for name, words in _SMALL_WORDS.items()}


def differs(one: str, other: str) -> bool:
    """Whether both texts' languages are clear, and not the same."""
    ours, theirs = of(one), of(other)
    return bool(ours and theirs) and ours != theirs


def of(text: str) -> str:
    """The language or script of a text; empty: not clear."""
    beginning = text[:_MOST_CHARS]
    letters = sum(map(str.isalpha, beginning))
    if letters < _FEWEST_LETTERS:
        return ""
    foreign = _LATIN.sub("", beginning)
    found = {name: len(script.findall(foreign)) for name, script in _SCRIPTS.items()} if foreign else {}
    if found.get("kana", 0) >= _KANA_IS_JAPANESE * letters:
        found["kana"] += found.pop("han")
    found["latin"] = letters - sum(found.values())
    script = max(found, key=found.__getitem__)
    if found[script] < _CLEAR_SHARE * letters:
        return ""
    return _by_words(beginning) if script == "latin" else script


def _by_words(text: str) -> str:
    words = Counter(_WORD.findall(text.lower()))
    hits = Counter({name: sum(words[word] for word in small) for name, small in _LANGUAGES.items()})
    (best, most), (_, next_most) = hits.most_common(2)
    is_clear = most >= max(_FEWEST_WORDS, _LEAST_SHARE * words.total(), _CLEAR_LEAD * next_most)
    return best if is_clear else ""

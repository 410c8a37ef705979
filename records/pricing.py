"""Tokens to money. No price is ever made up: what the book does not know costs None.

The book is bundled with `genai-prices`; nothing here asks the network. It is read where an upstream may stand in it,
and nowhere else: with the HTTP client that comes along it takes half a second of whoever starts.
"""

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from records.wire.usage import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, PriceCalculation

_MILLION = 1_000_000
_WINDOW_S = 900.0
"""Prices change by the time of day at some upstreams, on the half hour."""
_ENTRIES = 1024
"""Prices remembered: model names come from apps, so there is no end to them."""
_VERSION = f"genai-prices {version('genai-prices')}"
BY_HOURS = "gpu-hours"
"""Where a price list's version stands otherwise: what the servers are paid by the hour."""
UNKNOWN_PROMPT_USD, UNKNOWN_COMPLETION_USD = 15.0, 75.0
"""Per million tokens, what a budget is charged for a call whose price nobody knows: as dear as the dearest model that
many people use. No record tells of it: costs that are not known are not told."""
_BYTES_PER_TOKEN = 3
_TIERS = frozenset({"flex", "priority", "batch"})
_PLAIN = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
_PER_EVENT = frozenset({"web_searches_kcount", "storage_searches_kcount"})
"""Tool calls of the upstream's own, which no usage field counts."""


@dataclass(frozen=True, slots=True)
class Override:
    """What an upstream's model costs, whatever the book says. USD per million tokens."""

    upstream: str
    model: str
    """Empty: every model of the upstream."""
    prompt_usd: float
    completion_usd: float
    cached_usd: float | None = None
    """None: as the prompt."""
    cache_write_usd: float | None = None


@dataclass(frozen=True, slots=True)
class AnswerCost:
    """What an answer cost, and by which prices."""

    usd: float
    price_version: str


@dataclass(frozen=True, slots=True)
class PricedCall:
    """Who was asked for what, when."""

    upstream: str
    model: str
    at: float
    """Unix seconds."""
    service_tier: str = ""
    served_model: str = ""
    """As the answer names it: its price holds before the one of the model that was asked for."""


@dataclass(frozen=True, slots=True)
class _Rates:
    """USD per token."""

    prompt: float
    cached: float
    cache_write: float
    completion: float
    unknown: frozenset[str] = frozenset()
    """Kinds of tokens, as in `_kinds`, that no price is stated of."""

    def usd(self, usage: Usage) -> float:
        fresh = max(0, usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens)
        return (
            fresh * self.prompt
            + usage.cached_tokens * self.cached
            + usage.cache_write_tokens * self.cache_write
            + usage.completion_tokens * self.completion
        )


@dataclass(frozen=True, slots=True)
class _ByCall:
    """A price that is no plain one per token (by steps, by the time of day): the book reckons each call."""

    unknown: frozenset[str]
    """Kinds of tokens that no price is stated of."""


@dataclass(slots=True)
class PriceBook:
    """Prices by upstream and model: what is paid by the hour, then overrides, then the book.

    The book is read here, if an upstream may stand in it, and not at the first call: others are being timed then.
    """

    upstreams: Mapping[str, str]
    """Name -> base URL: whose price list a model is looked up in."""
    overrides: Sequence[Override] = ()
    hourly: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    """Upstreams that are paid by the hour, and what an answer costs there of late; None: unknown (`gpu_hours.py`)."""
    own: Collection[str] = ()
    """Servers of one's own that no price is stated of: a call more costs no money."""
    _found: dict[tuple[str, str, str, int], _Rates | _ByCall | None] = field(
        default_factory=dict[tuple[str, str, str, int], _Rates | _ByCall | None], init=False
    )

    _stated: dict[tuple[str, str], _Rates] = field(default_factory=dict[tuple[str, str], _Rates], init=False)
    """The overrides, by upstream and model."""

    def __post_init__(self) -> None:
        if any(name not in self.hourly and may_be_listed(url) for name, url in self.upstreams.items()):
            _book()
        for one in self.overrides:
            cached = one.prompt_usd if one.cached_usd is None else one.cached_usd
            written = one.prompt_usd if one.cache_write_usd is None else one.cache_write_usd
            rates = _Rates(
                one.prompt_usd / _MILLION, cached / _MILLION, written / _MILLION, one.completion_usd / _MILLION
            )
            self._stated.setdefault((one.upstream, one.model), rates)

    def cost(self, asked: PricedCall, usage: Usage) -> AnswerCost | None:
        """What `usage` cost; None: nobody here knows."""
        if asked.upstream in self.hourly:
            usd = self.hourly[asked.upstream]
            return None if usd is None else AnswerCost(usd, BY_HOURS)
        own = self._override(asked)
        if own is not None:
            return AnswerCost(own.usd(usage), "override")
        price, model = None, asked.model
        if asked.served_model and asked.served_model != asked.model:
            price = self._price(asked, asked.served_model)
            model = asked.served_model if price is not None else model
        price = self._price(asked, model) if price is None else price
        if price is None:
            return None
        if price.unknown and not price.unknown.isdisjoint(_kinds(usage)):
            return None
        if isinstance(price, _Rates) and not (usage.audio_prompt_tokens or usage.audio_completion_tokens):
            return AnswerCost(price.usd(usage), _VERSION)
        calculation = self._calculate(asked, model, usage)
        return None if calculation is None else AnswerCost(float(calculation.total_price), _VERSION)

    def charge_usd(self, upstream: str, usd: float | None, usage: Usage | None, *, sent: int, got: int) -> float:
        """What a budget is charged for a call that cost `usd`; None: nobody knows, and it is not free for that.

        Servers of one's own are paid all the same. Elsewhere it is taken to be as dear as `UNKNOWN_PROMPT_USD` says, by
        its tokens, or by the bytes `sent` and `got`.
        """
        if upstream in self.hourly:
            return 0.0
        if usd is not None or upstream in self.own:
            return usd or 0.0
        return _estimate_usd(usage, sent, got)

    def is_hourly(self, upstream: str) -> bool:
        """Whether its servers are paid by the hour, whatever they answer."""
        return upstream in self.hourly

    def _override(self, asked: PricedCall) -> _Rates | None:
        """The operator's price: of the model that answered, of the one that was asked, of any."""
        if not self._stated:
            return None
        for name in (asked.served_model or asked.model, asked.model, ""):
            if (found := self._stated.get((asked.upstream, name))) is not None:
                return found
        return None

    def _price(self, asked: PricedCall, model: str) -> _Rates | _ByCall | None:
        key = (asked.upstream, model, asked.service_tier, int(asked.at // _WINDOW_S))
        if key not in self._found:
            if len(self._found) >= _ENTRIES:
                self._found.clear()
            calculation = self._calculate(asked, model, Usage(1, 0))
            self._found[key] = None if calculation is None else _rates(calculation.model_price)
        return self._found[key]

    def _calculate(self, asked: PricedCall, model: str, usage: Usage) -> "PriceCalculation | None":
        url = self.upstreams.get(asked.upstream)
        if not url or not model or not may_be_listed(url):
            return None
        counted = {
            "input_tokens": usage.prompt_tokens,
            "output_tokens": usage.completion_tokens,
            "cache_read_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "input_audio_tokens": usage.audio_prompt_tokens,
            "output_audio_tokens": usage.audio_completion_tokens,
        }
        tier = asked.service_tier
        book = _book()
        try:
            return book.calc_price(
                book.Usage(**{name: count for name, count in counted.items() if count}),
                model,
                provider_api_url=url,
                genai_request_timestamp=datetime.fromtimestamp(asked.at, UTC),
                price_context={"service_tier": tier} if tier in _TIERS else None,
            )
        except LookupError:
            return None


@cache
def may_be_listed(url: str) -> bool:
    """Whether the book may have a price of what this server answers: it names providers, and no address is a name."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return True  # an address of brackets that is none: the book says what it makes of it
    if host == "localhost":
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


@cache
def _book() -> ModuleType:
    """The book, with its prices unpacked."""
    import genai_prices  # noqa: PLC0415 -- the lazy door to a heavy package: see above
    from genai_prices import data_snapshot  # noqa: PLC0415

    data_snapshot.get_snapshot()
    return genai_prices


def _estimate_usd(usage: Usage | None, sent_bytes: int, got_bytes: int) -> float:
    asked = usage.prompt_tokens if usage is not None else sent_bytes / _BYTES_PER_TOKEN
    said = usage.completion_tokens if usage is not None else got_bytes / _BYTES_PER_TOKEN
    return (asked * UNKNOWN_PROMPT_USD + said * UNKNOWN_COMPLETION_USD) / _MILLION


_OF_KIND = {
    "prompt": "input_mtok", "completion": "output_mtok", "audio in": "input_audio_mtok",
    "audio out": "output_audio_mtok",
}  # fmt: skip
"""What the price of a kind of tokens is called. Speech is dearer than text, and some models are paid by the hour or by
the letter: where a kind has no price, what it cost is unknown, not nothing and not the price of text."""


def _kinds(usage: Usage) -> list[str]:
    """The kinds of tokens in a usage."""
    counts = {
        "prompt": usage.prompt_tokens - usage.audio_prompt_tokens,
        "completion": usage.completion_tokens - usage.audio_completion_tokens,
        "audio in": usage.audio_prompt_tokens,
        "audio out": usage.audio_completion_tokens,
    }
    return [kind for kind, count in counts.items() if count > 0]


def _unknown(price: "ModelPrice") -> frozenset[str]:
    """The kinds of tokens that a price says nothing of."""
    return frozenset(kind for kind, name in _OF_KIND.items() if getattr(price, name, None) is None)


def _rates(price: "ModelPrice") -> _Rates | _ByCall:
    """A plain price per token where that says it all; otherwise the book reckons."""
    known = {name: value for name, value in vars(price).items() if value is not None and name not in _PER_EVENT}
    audio = {name for name in known if "audio" in name}
    if any(name not in (*_PLAIN, *audio) or not isinstance(value, Decimal) for name, value in known.items()):
        return _ByCall(_unknown(price))
    prompt = float(known.get("input_mtok", 0)) / _MILLION
    return _Rates(
        prompt=prompt,
        cached=float(known["cache_read_mtok"]) / _MILLION if "cache_read_mtok" in known else prompt,
        cache_write=float(known["cache_write_mtok"]) / _MILLION if "cache_write_mtok" in known else prompt,
        completion=float(known.get("output_mtok", 0)) / _MILLION,
        unknown=_unknown(price),
    )

"""Tokens to money, by a book that needs no network."""

import re
import socket
import subprocess
import sys

import pytest
from genai_prices.data import providers

from records.pricing import AnswerCost, Override, PriceBook, PricedCall
from records.wire.usage import Usage

AT = 1_795_000_000.0
UPSTREAMS = {"openai": "https://api.openai.com/v1", "vllm": "http://127.0.0.1:8000/v1"}


def usd(usage: Usage, model: str = "gpt-4o-2024-11-20", **fields: str) -> float:
    cost = PriceBook(UPSTREAMS).cost(PricedCall("openai", model, AT, **fields), usage)
    assert cost is not None
    return cost.usd


def test_tokens_cost_what_the_book_says():
    """gpt-4o: $2.50 a million in, $1.25 cached, $10 out; reasoning is part of what is out."""
    assert usd(Usage(1_000_000, 0)) == pytest.approx(2.5)
    assert usd(Usage(1_000_000, 0, cached_tokens=400_000)) == pytest.approx(0.6 * 2.5 + 0.4 * 1.25)
    assert usd(Usage(0, 1_000_000, reasoning_tokens=900_000)) == pytest.approx(10.0)


def test_service_tiers_have_their_own_prices():
    """Flex processing is half price."""
    assert usd(Usage(1000, 100), "gpt-5.1", service_tier="flex") == pytest.approx(
        usd(Usage(1000, 100), "gpt-5.1", service_tier="default") / 2
    )


def test_the_model_that_answered_sets_the_price():
    """An alias is priced as what the answer names; where nobody knows that name, as what was asked for."""
    alias = usd(Usage(1_000_000, 0), "my-alias", served_model="gpt-4o-2024-11-20")
    assert alias == pytest.approx(2.5)
    assert usd(Usage(1_000_000, 0), "gpt-4o", served_model="relay-7") == pytest.approx(2.5)


def test_an_override_holds_for_the_name_that_was_asked_and_for_the_one_that_answered():
    """Whichever of both an operator states."""
    book = PriceBook(UPSTREAMS, (Override("vllm", "a", 1.0, 0.0),))
    for call in (PricedCall("vllm", "a", AT, served_model="b"), PricedCall("vllm", "b", AT, served_model="a")):
        assert book.cost(call, Usage(1_000_000, 0)) == AnswerCost(1.0, "override")


def test_of_two_overrides_the_one_of_the_model_that_answered_holds():
    """However they are listed, and before the one for all models; without its name the asked one's holds."""
    overrides = (
        Override("vllm", "", 9.0, 0.0),
        Override("vllm", "asked", 1.0, 0.0),
        Override("vllm", "answers", 2.0, 0.0),
    )
    for listed in (overrides, overrides[::-1]):
        book = PriceBook(UPSTREAMS, listed)
        for served, price in (("answers", 2.0), ("other", 1.0), ("", 1.0)):
            cost = book.cost(PricedCall("vllm", "asked", AT, served_model=served), Usage(1_000_000, 0))
            assert cost == AnswerCost(price, "override")


def test_hours_hold_before_every_list():
    """What is paid by the hour is not paid by the token as well; until its cost is known it is unknown, never 0."""
    book = PriceBook(UPSTREAMS, (Override("vllm", "", 9.0, 0.0),), {"vllm": 0.25, "openai": None})
    assert book.cost(PricedCall("vllm", "a", AT), Usage(1_000_000, 0)) == AnswerCost(0.25, "gpu-hours")
    assert book.cost(PricedCall("openai", "gpt-4o", AT), Usage(1_000_000, 0)) is None


@pytest.mark.parametrize(
    ("upstream", "model"), [("openai", "no-such-model"), ("openai", ""), ("vllm", "gpt-4o"), ("gone", "gpt-4o")]
)
def test_unknown_prices_are_unknown(upstream, model):
    """A model or an upstream that is not in the book costs nothing known, not nothing."""
    assert PriceBook(UPSTREAMS).cost(PricedCall(upstream, model, AT), Usage(10, 10)) is None


@pytest.mark.parametrize(
    ("model", "usage"),
    [
        ("whisper-1", Usage(1000, 100)),
        ("tts-1", Usage(1000, 0)),
        ("gpt-4o-audio-preview", Usage(1000, 100, audio_prompt_tokens=900)),
        ("gpt-4o-audio-preview", Usage(1000, 100, audio_completion_tokens=90)),
        ("text-embedding-3-small", Usage(1000, 100)),
    ],
)
def test_a_kind_of_tokens_without_a_price_is_unknown(model, usage):
    """Tokens of a model that is paid by the hour or by the letter cost not nothing, and speech not what text does."""
    assert PriceBook(UPSTREAMS).cost(PricedCall("openai", model, AT), usage) is None


def test_kinds_that_are_not_there_need_no_price():
    """An embedding has no output, and most chats no speech; where speech has its price it is charged by that."""
    assert usd(Usage(1_000_000, 0), "text-embedding-3-small") == pytest.approx(0.02)
    assert usd(Usage(1_000_000, 1_000_000), "gpt-4o-audio-preview") == pytest.approx(12.5)
    assert usd(Usage(1_000_000, 0, audio_prompt_tokens=1_000_000), "gpt-audio") == pytest.approx(32.0)


def test_overrides_win():
    """What the settings say of a model stands above the book, for that model or for the whole upstream."""
    book = PriceBook(
        UPSTREAMS,
        (Override("openai", "gpt-4o", 1.0, 2.0, cached_usd=0.5), Override("vllm", "", 0.1, 0.2)),
    )

    usage = Usage(1_000_000, 1_000_000, cached_tokens=500_000)
    assert book.cost(PricedCall("openai", "gpt-4o", AT), usage) == AnswerCost(
        pytest.approx(0.5 + 0.25 + 2.0), "override"
    )
    assert book.cost(PricedCall("vllm", "anything", AT), usage) == AnswerCost(pytest.approx(0.3), "override")


def test_prices_say_which_book_they_are_from():
    """A cost can be told from one by another version's prices."""
    cost = PriceBook(UPSTREAMS).cost(PricedCall("openai", "gpt-4o", AT), Usage(1, 1))

    assert cost is not None
    assert cost.price_version.startswith("genai-prices ")


def test_tiered_prices_are_the_books_own():
    """A model that is dearer above a length is priced by the length."""
    book = PriceBook({"google": "https://generativelanguage.googleapis.com/v1beta/openai"})
    short, long = (book.cost(PricedCall("google", "gemini-2.5-pro", AT), Usage(n, 0)) for n in (100_000, 300_000))

    assert short is not None
    assert long is not None
    assert long.usd > 3.5 * short.usd


def test_names_that_apps_make_up_are_forgotten():
    """However many model names are asked for, the memory of their prices stays bounded."""
    book = PriceBook(UPSTREAMS)
    for number in range(3000):
        book.cost(PricedCall("openai", f"made-up-{number}", AT), Usage(1, 1))

    assert len(book._found) <= 1024


def test_no_network(monkeypatch):
    """The book is at hand: looking up a price opens no socket."""

    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    assert usd(Usage(1, 1)) > 0


def test_a_budget_takes_no_unknown_price_for_free():
    """A price that nobody knows is taken for a dear one, by tokens or by bytes; servers of one's own cost no more."""
    book = PriceBook(UPSTREAMS, (), {"gpu": 0.25}, own={"vllm"})

    assert book.charge_usd("openai", 0.5, None, sent=9, got=9) == 0.5
    assert book.charge_usd("openai", None, Usage(1_000_000, 0), sent=0, got=0) == 15.0
    assert book.charge_usd("openai", None, None, sent=0, got=3_000_000) == 75.0
    for own in ("vllm", "gpu"):
        assert book.charge_usd(own, None, Usage(1_000_000, 1_000_000), sent=9, got=9) == 0.0
    assert book.charge_usd("vllm", 0.1, None, sent=9, got=9) == 0.1


ADDRESSES = ["http://127.0.0.1:8000/v1", "https://10.0.0.7/v1", "http://[::1]:8000/v1", "http://localhost:8000/v1"]


@pytest.mark.parametrize("url", ADDRESSES)
def test_no_price_list_names_an_address(url: str):
    """So that the book need not be read for servers that are called by theirs."""
    assert not [provider.id for provider in providers if re.match(provider.api_pattern, url)]


def test_a_process_whose_servers_have_no_name_never_reads_the_book():
    """It would start later by as long as the book and its HTTP client take to be read, and keep both in memory."""
    program = f"""
import sys
from records.pricing import PriceBook, PricedCall
from records.wire.usage import Usage
upstreams = dict(enumerate({ADDRESSES!r}))
assert not [name for name in upstreams if PriceBook(upstreams).cost(PricedCall(name, "gpt-4o", 0.0), Usage(1, 1))]
sys.exit("genai_prices" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

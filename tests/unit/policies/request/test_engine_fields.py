"""Fields that only engines obey, and media that they would have to fetch."""

import json
from typing import Any

import msgspec
import pytest

from policies.request.engine_fields import ENGINE_FIELDS, engine_field, named_media
from tests.fakes.exchanges import chat_request


def asked(*parts: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": list(parts)}]}).encode()


@pytest.mark.parametrize(
    ("part", "how"),
    [
        ({"type": "image_url", "image_url": {"url": "https://10.0.0.1/latest"}}, "media_url"),
        ({"type": "image_url", "image_url": {"url": " HTTP://10.0.0.1/"}}, "media_url"),
        ({"type": "input_image", "image_url": "https://example.org/a.png"}, "media_url"),
        ({"type": "input_file", "file_url": "https://example.org/a.pdf"}, "media_url"),
        ({"type": "video_url", "video_url": {"url": "file:///etc/passwd"}}, "file_url"),
        ({"type": "video_url", "video_url": {"url": " File:/etc/passwd"}}, "file_url"),
        ({"type": "audio_url", "audio_url": {"url": ""}}, "media_url"),
        ({"type": "text", "text": [{"image_url": {"url": "ftp://x"}}]}, "file_url"),
        ({"type": "image_embeds", "image_embeds": "AAAA"}, "file_url"),
    ],
)
def test_named_media_is_seen(part: Any, how: str):
    """Whatever a server would have to fetch is seen, wherever it stands and however its name is spelled."""
    body = asked({"type": "text", "text": "Look:"}, part)

    assert named_media(body) == how
    assert named_media(body.replace(b"_url", b"\\u005furl").replace(b"_embeds", b"\\u005fembeds")) == how


@pytest.mark.parametrize(
    "body",
    [
        chat_request(),
        chat_request('what is "image_url": {"url": "https://x"}?'),
        asked({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}),
        asked({"type": "image_url", "image_url": None}),
        b'{"model": "m", "tools": [{"image_url": {"detail": "low"}}]}',
        b"[]",
    ],
)
def test_media_within_the_request_is_not(body: bytes):
    """Text about URLs, and media that came with the request, may be sent on."""
    assert named_media(body) is None


@pytest.mark.parametrize(
    ("url", "how"),
    [
        ("https://cdn.example.com/a.png", None),
        ("https://CDN.example.com:8443/a.png?w=1", None),
        ("https://a.b.example.org/", None),
        ("https://example.org/", "media_url"),
        ("https://cdn.example.com.evil.net/", "media_url"),
        ("https://cdn.example.com@evil.net/", "media_url"),
        ("https://evil.net\\@cdn.example.com/", "media_url"),
        ("https://cdn.example.com\t.evil.net/", "media_url"),
        ("https:cdn.example.com/", "media_url"),
        ("file://cdn.example.com/etc/passwd", "file_url"),
        ("gopher://cdn.example.com/", "file_url"),
    ],
)
def test_hosts_that_are_allowed(url: str, how: str | None):
    """A host is allowed by its whole name, and only in an address that all readers read alike; `file:` never is."""
    body = asked({"type": "image_url", "image_url": {"url": url}})

    assert named_media(body, ("cdn.example.com", "*.example.org")) == how
    assert (named_media(body, ("*",)) == "file_url") == (how == "file_url")


def test_the_worst_of_several_counts():
    """One address that is none of the web outweighs others."""
    parts = [{"image_url": {"url": url}} for url in ("https://a.example/", "file:///x", "data:,", "https://b.example/")]

    assert named_media(asked(*parts), ("a.example",)) == "file_url"


def test_what_cannot_be_read_is_not_guessed_at():
    """A body that is no JSON and speaks of media raises; one that does not is not even read."""
    with pytest.raises(msgspec.MsgspecError):
        named_media(b'{"image_url"')
    assert named_media(b"{") is None


@pytest.mark.parametrize("name", sorted(ENGINE_FIELDS))
def test_an_engines_field_is_seen(name: str):
    """Each by its name, unless it is null or the candidate is not sent it."""
    raw = json.dumps({"model": "m", name: [1]}).encode()

    assert engine_field(raw, {"model", name}) == name
    assert engine_field(raw, {"model", name}, (name,)) == ""
    assert engine_field(json.dumps({name: None}).encode(), {name}) == ""


def test_what_frontiers_have_is_no_engines():
    """OpenAI's own fields, and harmless ones of other providers, are nobody's secret language."""
    theirs = chat_request(temperature=1, top_k=40, max_tokens=5, repetition_penalty=1.1, reasoning_effort="low", seed=1)

    assert engine_field(theirs, msgspec.json.decode(theirs, type=dict[str, msgspec.Raw])) == ""

"""Requests that name media which is not in them."""

import json
from typing import Any

import pytest

from shadow.media import names_media
from tests.fakes.exchanges import chat_request


def asked(*parts: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": list(parts)}]}).encode()


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://10.0.0.1/latest"}},
        {"type": "image_url", "image_url": {"url": " HTTP://10.0.0.1/"}},
        {"type": "input_image", "image_url": "https://example.org/a.png"},
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
        {"type": "video_url", "video_url": {"url": "file:///etc/passwd"}},
        {"type": "audio_url", "audio_url": {"url": ""}},
        {"type": "text", "text": [{"image_url": {"url": "ftp://x"}}]},
    ],
)
def test_named_media_is_seen(part: Any):
    """Whatever a server would have to fetch is seen, wherever it stands."""
    assert names_media(asked({"type": "text", "text": "Look:"}, part))


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
    """Text about URLs, and media that came with the request, may be mirrored."""
    assert not names_media(body)


def test_what_cannot_be_read_is_not_guessed_at():
    """A body that is no JSON and speaks of media is taken to name some."""
    assert names_media(b'{"image_url"')

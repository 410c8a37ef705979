"""Media that a request does not carry but name: nobody is made to fetch it in the background.

Mirroring would otherwise let every app aim the model's server at an address of its choice. Media within the request
(`data:`) is no longer than the request.

Source: vLLM GHSA-rxc4-3w6r-4v47.
"""

import re
from typing import Any, cast

from records.wire.json_reader import UnreadableError, read

_MARK = re.compile(rb'"(?:image_url|video_url|audio_url|file_url)"')
_PLACES = frozenset({"image_url", "video_url", "audio_url", "file_url"})


def names_media(body: bytes) -> bool:
    """Whether a request has the URL of media that is not in it."""
    if _MARK.search(body) is None:
        return False
    try:
        waiting: list[Any] = [read(body)]
    except UnreadableError:
        return True  # it is not for us to guess what a server makes of it
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            fields = cast("dict[str, Any]", found)
            if any(_is_elsewhere(fields.get(place)) for place in _PLACES):
                return True
            waiting += fields.values()
        elif isinstance(found, list):
            waiting += cast("list[Any]", found)
    return False


def _is_elsewhere(value: object) -> bool:
    """`value` is a URL, or an object that has one."""
    if isinstance(value, dict):
        value = cast("dict[str, Any]", value).get("url")
    return isinstance(value, str) and not value.lstrip().lower().startswith("data:")

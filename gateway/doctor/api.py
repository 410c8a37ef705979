"""Whether OpenAI's API is where an upstream's URL says: what can be reached may still be asked at a wrong path.

Rules:
1. The list of models is asked for, with the upstream's own key if it has one, never a caller's. That is free.
2. Some engines have no such list. Then each of ENDPOINTS is sent an empty object, which no server can answer with a
   completion: any word but "there is nothing here" says that the path is right.
3. What cannot be told is said: a server that asks for a key before all else says nothing of its paths.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

import httpx

from gateway.config.settings import Upstream
from gateway.doctor.result import CheckResult
from gateway.transport.key_file import read_key
from gateway.transport.trust import trusting

ASK_S = 10.0
ENDPOINTS = ("chat/completions", "completions", "responses", "embeddings")
_ABSENT = frozenset({404, 405, 410, 501})
_KEY_WANTED = frozenset({401, 403})


def asked(subject: str, upstream: Upstream, environment: Mapping[str, str]) -> CheckResult:
    """What the API at its URL says of itself; to be asked of a server that can be reached."""
    url = upstream.url.rstrip("/")
    try:
        headers, has_key = _headers(upstream, environment)
        with _client(upstream, headers) as client:
            answer = client.get(f"{url}/models")
            models = _models(answer)
            if models is not None:
                return CheckResult("ok", subject, f"{url} answers: {_counted(models)}")
            if answer.is_success or answer.status_code in _ABSENT:
                return _without_list(subject, url, answer.status_code, client)
    except (httpx.LocalProtocolError, UnicodeError):  # their words quote what was to be sent
        return CheckResult("failure", subject, "its key or headers cannot be sent", "a key is one line of ASCII")
    except (httpx.HTTPError, OSError) as error:
        hint = "does it speak HTTP there? Its own log may say more"
        return CheckResult("failure", subject, f"{url}/models: {str(error) or type(error).__name__}", hint)
    if answer.status_code in _KEY_WANTED:
        return _key_wanted(subject, url, answer.status_code, has_key=has_key)
    if answer.is_redirect:
        to = answer.headers.get("location", "nowhere")
        hint = "name the server's own address as base_url: requests are not redirected"
        return CheckResult("warning", subject, f"{url}/models answers HTTP {answer.status_code}, to {to}", hint)
    hint = "the server's own log may say why"
    return CheckResult("warning", subject, f"{url}/models answers HTTP {answer.status_code}", hint)


def _without_list(subject: str, url: str, status: int, client: httpx.Client) -> CheckResult:
    for endpoint in ENDPOINTS:
        found = client.post(f"{url}/{endpoint}", json={})
        if found.is_client_error and found.status_code not in _ABSENT:
            return CheckResult("ok", subject, f"{url} has {endpoint}, and no list of models: names are not checked")
    said = f"HTTP {status}" if status in _ABSENT else "no list of models"
    return CheckResult(
        "failure", subject, f"nothing of OpenAI's API is at {url}: {said} at /models, nothing at /{ENDPOINTS[0]}",
        "is the path of base_url right? Most end in /v1, and an app's /v1/x is asked for at base_url + /x",
    )  # fmt: skip


def _key_wanted(subject: str, url: str, status: int, *, has_key: bool) -> CheckResult:
    if has_key:
        hint = "is the key right, and may it list models?"
        return CheckResult("failure", subject, f"{url} refuses the upstream's own key: HTTP {status}", hint)
    told = f"{url} can be reached, and asks for a key (HTTP {status}): whether the path is right cannot be told without"
    return CheckResult("ok", subject, f"{told}. `crossfade doctor --send-test` asks with $OPENAI_API_KEY")


def _headers(upstream: Upstream, environment: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    """What our own request says, and whether a key is in it.

    Raises:
        OSError: the key file cannot be read.
    """
    key = environment.get(upstream.api_key_env or "", "")
    if upstream.api_key_file is not None:
        key = read_key(upstream.api_key_file).decode("ascii")
    own = {"authorization": f"Bearer {key}"} if key else {}
    has_key = bool(key) or any("key" in name.lower() or name.lower() == "authorization" for name in upstream.headers)
    return own | dict(upstream.headers), has_key


def _client(upstream: Upstream, headers: Mapping[str, str]) -> httpx.Client:
    trust = trusting(upstream.ca_file)
    uds = None if upstream.uds is None else str(upstream.uds)
    transport = httpx.HTTPTransport(verify=trust, uds=uds, proxy=upstream.proxy, trust_env=False)
    return httpx.Client(transport=transport, headers=headers, params=upstream.query, timeout=ASK_S, trust_env=False)


def _models(answer: httpx.Response) -> int | None:
    """How many models it lists; None: that is no list."""
    if not answer.is_success:
        return None
    try:
        found: Any = json.loads(answer.content)
    except (ValueError, RecursionError):
        return None
    listed = cast("dict[str, Any]", found).get("data") if isinstance(found, dict) else None
    return len(cast("list[Any]", listed)) if isinstance(listed, list) else None


def _counted(models: int) -> str:
    return f"{models:,} model{'' if models == 1 else 's'}"

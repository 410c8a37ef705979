"""What routing costs per request, from the body's bytes to the assigned variant.

python -m bench.routing   prints microseconds for chats of 1 KB and 32 KB, short turns or one long prompt: the best of
several rounds
"""

import json
import sys
import timeit
from collections.abc import Callable

from policies import assignment, matching
from policies.request.body import CHAT
from policies.routing import Eligible, Match, Route, Variant

HEADERS = {b"content-type": b"application/json", b"host": b"127.0.0.1"}
BASELINE = Variant("openai")
ROUTES = (
    *(Route(f"r{n}", BASELINE, match=Match(model=(f"model-{n}",))) for n in range(5)),
    Route(
        "triage",
        BASELINE,
        match=Match(model=("gpt-4o",)),
        eligible=Eligible(forbid=("images", "audio", "logprobs", "n>1")),
        candidate=Variant("vllm", "triage-7b"),
        weight_ppm=10_000,
    ),
)


def chat(size: int) -> bytes:
    """A conversation of about `size` bytes, without a user field: the unit is hashed from it."""
    messages = [{"role": "system", "content": "You triage support tickets. " * 6}]
    while len(json.dumps(messages)) < size - 200:
        role = "user" if len(messages) % 2 else "assistant"
        messages.append({"role": role, "content": "lorem ipsum dolor sit amet consectetur " * 6})
    body = {
        "model": "gpt-4o",
        "stream": True,
        "temperature": 0,
        "metadata": {"feature": "triage"},
        "messages": messages,
    }
    return json.dumps(body).encode()


def prompt(size: int, **fields: str) -> bytes:
    """A chat of about `size` bytes whose user turn is one long text: lines, and a quote here and there."""
    text = 'Lorem ipsum dolor sit amet, consectetur "adipiscing" elit.\n' + "Sed do eiusmod tempor incididunt.\n" * 40
    messages = [
        {"role": "system", "content": "You sum up documents."},
        {"role": "user", "content": (text * (size // len(text) + 1))[: size - 200]},
    ]
    return json.dumps({"model": "gpt-4o", "temperature": 0, "messages": messages} | fields).encode()


def call(raw: bytes) -> matching.Call:
    """The request as the data plane hands it over."""
    body = matching.read_body(raw)
    if body is None:
        raise SystemExit("the benchmark's own request cannot be read")
    return matching.Call(CHAT, HEADERS, body, body_bytes=len(raw), key_id="key")


def route(raw: bytes) -> str:
    """All of it: read, match, check, assign."""
    asked = call(raw)
    found = matching.find(ROUTES, asked)
    if found is None or matching.ineligible(found, asked) is not None:
        raise SystemExit("the benchmark's own request is not eligible")
    return assignment.assign(found, asked, "request").variant


def microseconds(work: Callable[[], object], *, times: int = 2000) -> float:
    """The best of seven rounds: the machine is shared."""
    return min(timeit.repeat(work, number=times, repeat=7)) / times * 1e6


def main() -> int:
    """Print the table."""
    sys.stdout.write("bytes               read   + match   + eligible and assigned (all)   us\n")
    bodies = (
        ("short turns", chat(1_024)),
        ("short turns", chat(32_768)),
        ("long prompt", prompt(32_768)),
        ("with a user", prompt(32_768, user="someone")),
    )
    for what, raw in bodies:
        read = microseconds(lambda raw=raw: matching.read_body(raw))
        matched = microseconds(lambda raw=raw: matching.find(ROUTES, call(raw)))
        whole = microseconds(lambda raw=raw: route(raw))
        sys.stdout.write(f"{len(raw):>6} {what} {read:>7.1f} {matched:>8.1f} {whole:>15.1f}\n")
    huge = b'{"model": "gpt-4o", "messages": [' + b",".join([b"{}"] * 5_000_000) + b"]}"
    spent_ms = min(timeit.repeat(lambda: matching.read_body(huge), number=1, repeat=5)) * 1e3
    sys.stdout.write(f"15 MB of empty objects: read in {spent_ms:.0f} ms\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

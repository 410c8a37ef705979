"""What it costs to serve a candidate: microseconds per adapted request and per streamed event, on one core.

python -m bench.adapt
"""

import timeit

from gateway.rewrite.answer import StreamAdapter
from gateway.rewrite.request import adapt_request
from gateway.rewrite.shapes import AnswerShape
from policies.routing import Variant
from records.wire.sse import Decoder

STUDENT = Variant("vllm", model="triage-7b")
REQUEST = (
    b'{"model":"gpt-4o","stream":true,"temperature":0.2,"store":true,"messages":'
    b'[{"role":"system","content":"You triage"},{"role":"user","content":"%b"}]}' % (b"hello " * 200)
)
CHUNK = (
    b'data: {"id":"chatcmpl-abc","object":"chat.completion.chunk","created":1700000000,"model":"triage-7b",'
    b'"choices":[{"index":0,"delta":{"content":" tok"},"logprobs":null,"finish_reason":null,"token_ids":null}]}\n\n'
)
DELTA = (
    b"event: response.output_text.delta\n"
    b'data: {"type":"response.output_text.delta","sequence_number":5,"item_id":"msg_1","output_index":0,'
    b'"content_index":0,"delta":" tok"}\n\n'
)
RUNS, REPEATS = 20_000, 7


def main() -> None:
    """Print the best of some repeats: what the code costs, without what else the machine does."""
    chat = StreamAdapter(AnswerShape("chat", "gpt-4o", stream=True), STUDENT)
    responses = StreamAdapter(AnswerShape("responses", "gpt-4o", stream=True), STUDENT)
    decoder = Decoder()
    for name, run in (
        ("request of 1.3 KB", lambda: adapt_request(REQUEST, "/v1/chat/completions", STUDENT, kind="vllm")),
        ("chat chunk", lambda: chat.feed(CHUNK)),
        ("Responses delta", lambda: responses.feed(DELTA)),
        ("of these, reading the event", lambda: decoder.feed(CHUNK)),
    ):
        best_s = min(timeit.repeat(run, number=RUNS, repeat=REPEATS)) / RUNS
        print(f"{name}: {best_s * 1e6:.2f} µs")


if __name__ == "__main__":
    main()

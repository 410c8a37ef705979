import json

import httpx

from gateway.demo.models import ModelServer, ScriptedAnswer, log_normal_s, model_of
from gateway.demo.tickets import BROKEN, GOOD, answer, ticket

CHAT = {"model": "m", "messages": [{"role": "user", "content": ticket(7).text}]}


async def _ask(server, **options):
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
        return await client.post("/v1/chat/completions", **options)


async def test_a_model_server_answers_a_chat_as_its_model_says():
    """An answer is a chat completion with the model's words, the asked model's name, and its tokens counted."""
    server = ModelServer(model_of(GOOD))
    await server.start()
    try:
        told = (await _ask(server, json=CHAT)).json()
    finally:
        server.stop()
    assert told["choices"][0]["message"]["content"] == answer(GOOD, ticket(7))
    assert told["model"] == "m"
    assert told["usage"]["total_tokens"] == told["usage"]["prompt_tokens"] + told["usage"]["completion_tokens"]
    assert server.answered == 1


async def test_a_model_server_streams_as_openai_does():
    """A streamed answer begins with the role, comes in pieces, and tells why it ends, its usage and its end."""
    server = ModelServer(model_of(GOOD))
    await server.start()
    try:
        text = (await _ask(server, json=CHAT | {"stream": True})).text
    finally:
        server.stop()
    *events, done = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    chunks = [json.loads(event) for event in events]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert done == "[DONE]"
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert "".join(delta.get("content", "") for delta in deltas) == answer(GOOD, ticket(7))
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] > 0


async def test_another_model_takes_its_place_between_two_answers():
    """Replacing the model changes the next answer on the same port."""
    server = ModelServer(lambda _: ScriptedAnswer("one", 0))
    await server.start()
    try:
        before = (await _ask(server, json=CHAT)).json()
        server.model = lambda _: ScriptedAnswer("two", 0)
        after = (await _ask(server, json=CHAT)).json()
    finally:
        server.stop()
    assert [each["choices"][0]["message"]["content"] for each in (before, after)] == ["one", "two"]


async def test_what_is_no_ticket_gets_an_error_object():
    """Unknown messages are 404, what is no chat is 400, both as OpenAI error objects."""
    server = ModelServer(model_of(BROKEN))
    await server.start()
    try:
        unknown = await _ask(server, json={"model": "m", "messages": [{"role": "user", "content": "hello"}]})
        broken = await _ask(server, content=b"{")
    finally:
        server.stop()
    assert (unknown.status_code, broken.status_code) == (404, 400)
    assert unknown.json()["error"]["type"] == broken.json()["error"]["type"] == "invalid_request_error"


def test_times_are_log_normal():
    """Half of the times are below the median, and a draw at either end stays within a hundredfold of it."""
    assert log_normal_s(0.5, median_s=0.2, spread=0.4) == 0.2
    assert 0.002 < log_normal_s(0.0, median_s=0.2, spread=0.4) < 0.2 < log_normal_s(1.0, median_s=0.2, spread=0.4) < 20

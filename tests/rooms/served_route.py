"""One route that is served whole, and an app that asks it."""

import openai

from tests.rooms.serving import Serving
from tests.rooms.waiting import NO_TLS, PATIENCE_S

POLICY = """\
route: support-triage
match: {model: gpt-4o}
baseline: {upstream: openai, deterministic: true}
candidate: {upstream: vllm, model: triage-7b, revision: "1"}
compare: [json_fields]
stages: [shadow, 1%, 100%]
"""


def ask(serving: Serving, key: str = "sk-test") -> str:
    """What a new client of the SDK is answered."""
    with openai.OpenAI(
        base_url=f"http://127.0.0.1:{serving.port}/v1",
        api_key=key,
        max_retries=0,
        timeout=PATIENCE_S,
        http_client=openai.DefaultHttpxClient(verify=NO_TLS),
    ) as client:
        answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
    return answer.choices[0].message.content or ""

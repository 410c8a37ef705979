"""The journal's row of an exchange says of each thing what it is, and not what stands beside it."""

from gateway.proxy.admit import RoutingDecision
from gateway.proxy.body_copy import BodyCopy
from gateway.proxy.callers import Caller, Callers
from gateway.proxy.journal_row import ExchangeState, Timings, meta
from gateway.proxy.ports import WorkerPort
from gateway.proxy.request_facts import RequestFacts
from gateway.proxy.table_watch import ready
from gateway.transport.message import LENGTH_MARK, Preamble, RequestHead
from gateway.transport.outgoing import Reply
from gateway.transport.upstreams import UpstreamSet
from policies.routing import Key, Lease, Match, Route, Table, Upstream, Variant
from records.exchange import Attempt, Meta

ATTEMPT = Attempt("candidate", "vllm", 200, None, 0.5, 0.6, 0.7, 0.8, reused=True)
KEY = Key("key-id", "key-name", "hmac")
LINES = b"\r\nContent-Length: " + LENGTH_MARK + b"\r\nx-crossfade-no-train: 1\r\nx-stainless-retry-count: 3"
SERVING = ready(Table(1, Lease(1.0), (Upstream("elsewhere", "http://else/v1"),), "elsewhere"), UpstreamSet({}))


def asked() -> Preamble:
    """A request's head of which every line says something that the row says too."""
    return Preamble(b"POST /v1/chat/completions?a=b HTTP/1.1" + LINES, b"POST", b"/v1/chat/completions?a=b")


def known(key: Key | None) -> RequestFacts:
    """What follows from it, for a caller of our own."""
    made = RequestFacts(asked(), SERVING, Callers(bytes(32)))
    made.caller = Caller("key-id", key)
    return made


def kept(body: bytes, limit: int) -> BodyCopy:
    made = BodyCopy(limit)
    made.add(body)
    return made


def told(**fields: object) -> ExchangeState:
    """A life whose every fact is like no other."""
    route = Route(
        "triage", Variant("openai"), match=Match(), candidate=Variant("vllm", revision="r7"), weight_ppm=250_000
    )
    course = Timings(1_000.5)
    course.why, course.why_reason = "pinned", "because"
    course.started_s, course.head_s, course.usage = 0.25, 0.3, b'{"total_tokens":5}'
    course.attempts.append(ATTEMPT)
    course.note_chunk(4, 0.7)
    course.note_chunk(9, 0.8)
    plain: dict[str, object] = {
        "id": "the-id", "known": known(KEY), "course": course, "variant": "candidate", "status": 200,
        "request": RequestHead(asked(), 17, 5.0),
        "plan": RoutingDecision(route, "gpt-4o", variant="candidate", why="pinned", reason="because", unit="unit"),
        "reply": Reply(200, b"HTTP/1.1 200 OK\r\nanswered: yes"),
        "request_kept": kept(b"asked", 2), "answer_kept": kept(b"answered!", 3),
        "destination": SERVING.default,
    }  # fmt: skip
    worker, request = WorkerPort(), RequestHead(asked(), 17, 5.0)
    worker.serving = SERVING
    life = ExchangeState(worker, request, known(KEY), wall_s=1.0, ids=(b"id", "an id"), captured=True)
    for name, value in (plain | fields).items():
        setattr(life, name, value)
    return life


def test_each_fact_stands_in_its_place() -> None:
    """All fields of a row, by name."""
    life = told()
    row = meta(life, "complete", worker="w2", table_version=11, since_s=0.9)
    assert row == Meta(
        id="the-id", worker="w2", arrived_at=1_000.5, method="POST", target="/v1/chat/completions?a=b",
        request_head=LINES.replace(LENGTH_MARK, b"17"), key_id="key-id", key_name="key-name", route="triage",
        variant="candidate",
        why="pinned", reason="because", upstream="vllm", model="gpt-4o", unit="unit", weight_ppm=250_000,
        table_version=11, no_train=True, pinned=True, retry_count=3, status=200,
        response_head=b"\r\nanswered: yes", outcome="complete", attempts=[ATTEMPT], overhead_s=0.25, first_byte_s=0.7,
        total_s=0.9, request_bytes=5, request_sha256=life.request_kept.sha256(), response_bytes=9,
        response_sha256=life.answer_kept.sha256(), chunk_ends=[4, 9], chunk_times_us=[700_000, 800_000],
        table_revision="r7", usage=b'{"total_tokens":5}',
    )  # fmt: skip
    assert row.request_sha256 != row.response_sha256 != ""


def test_what_did_not_happen_is_empty() -> None:
    """Without a route, an attempt, a key or an answer the row says so, and names whom it would have asked."""
    row = meta(
        told(course=Timings(1.0), known=known(None), plan=RoutingDecision(), reply=None, variant="gateway"),
        "refused", worker="w", table_version=1, since_s=0.4,
    )  # fmt: skip
    assert (row.route, row.weight_ppm, row.table_revision, row.key_name) == ("", 0, "", "")
    assert (row.upstream, row.attempts, row.response_head) == ("elsewhere", [], b"")
    assert (row.overhead_s, row.first_byte_s, row.pinned) == (0.4, None, False)


def test_a_cookie_of_the_answer_is_not_kept() -> None:
    """Set-Cookie is cut out of the row's response head, and nothing else is."""
    reply = Reply(200, b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nserver: x")
    row = meta(told(reply=reply), "complete", worker="w", table_version=1, since_s=0.9)
    assert row.response_head == b"\r\nserver: x"

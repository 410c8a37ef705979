"""Model output, prompts, names and headers are text, whatever stands in them: 500 payloads stay inert."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.console.render import Renderer, code, environment, static_files, when, word
from gateway.console.words import plain
from gateway.node.datadir import DataDir
from policies.routing import Lease, Route, Table, Upstream, Variant, encode
from tests.fakes.exchanges import chat_answer, chat_request, head
from tests.rooms.console_house import PageText, house, read, stand, visitor
from tests.rooms.payloads import PAYLOADS

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
OURS = {"script": 1, "iframe": 0, "img": 0, "object": 0, "embed": 0, "base": 0, "meta": 2, "style": 0, "video": 0}
"""How often an element stands on each of our pages."""


def check_inert(page: PageText) -> None:
    """No element that a page of ours does not have, no handler, no address that runs anything."""
    tags = [tag for tag, _ in page.tags]
    assert {tag: tags.count(tag) for tag in OURS} == OURS
    for tag, attrs in page.tags:
        assert not [name for name in attrs if name.startswith("on") or name in ("style", "srcdoc", "formaction")], tag
        for name in ("href", "src", "action"):
            address = attrs.get(name) or "/"
            assert address.startswith(("/", "#", "data:,")), (tag, address)
            assert not address.startswith("//"), (tag, address)


def test_a_template_is_compiled_once() -> None:
    """Whoever renders pages in a process shares what was compiled of them."""
    page = environment().get_template("routes.html")
    assert Renderer().environment.get_template("routes.html") is page


def seen(text: str) -> str:
    """A text as a page shows it."""
    return plain(text)


@pytest.mark.parametrize(
    "where",
    [
        "<p>{{ x }}</p>", '<p title="{{ x }}">a</p>', "{{ x|cut(4000) }}", "{{ word(x, 'pass') }}", "{{ x|code }}",
        "{{ word('`' ~ x ~ '`'|code, 'pass') }}",
    ],
)  # fmt: skip
def test_payloads_are_text_in_every_place(where: str) -> None:
    """In text, in an attribute, through a filter and in a word with an icon a payload adds no element."""
    template = environment().from_string(where)
    for payload in PAYLOADS:
        page = read(template.render(x=payload))
        assert {tag for tag, _ in page.tags} <= {"p", "span", "svg", "path", "code"}, payload
        assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)], payload
        if where.startswith("<p>"):
            assert page.plain == seen(payload)


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("`crossfade explain a<b>` says why", "<code>crossfade explain a&lt;b&gt;</code> says why"),
        ("one ` alone", "one ` alone"),
        ("`a` and ` alone", "<code>a</code> and ` alone"),
        ("no <b>code</b>", "no &lt;b&gt;code&lt;/b&gt;"),
    ],
)
def test_a_sentence_shows_its_commands_as_code(sentence: str, shown: str) -> None:
    """What stands between two backticks is code, without them; one alone is a character; the rest is escaped text."""
    assert code(sentence) == shown
    assert shown in word(code(sentence), "pass")


@pytest.fixture
def spoiled(tmp_path: Path) -> Iterator[tuple[Path, list[tuple[str, list[str]]]]]:
    """Exchanges whose every free text is a payload: prompts, answers, tools, models, user agents."""
    size = 100
    with house(tmp_path) as found:
        listed: list[tuple[str, list[str]]] = []
        for start in range(0, len(PAYLOADS), size):
            part = list(PAYLOADS[start : start + size])
            tool = {"type": "function", "function": {"name": part[0], "parameters": {}}}
            call = {
                "id": "c",
                "type": "function",
                "function": {"name": part[1], "arguments": json.dumps({part[2]: part[3]})},
            }
            request = chat_request("\n".join(part), model=part[4], tools=[tool], user=part[5])
            answer = chat_answer("\n".join(part), tool_calls=[call])
            agent = "".join(letter for letter in part[6] if " " <= letter <= "~")
            name = found.ask(
                request=request, response=answer, model=part[4], request_head=head(("user-agent", agent)),
                key_name=part[7], reason=part[8], why="fallback",
            )  # fmt: skip
            found.compare(
                name, chat_answer(json.dumps({part[9]: part[10]})), reason=part[11], metric=part[12],
                scores_json=json.dumps({part[13]: {"q": 0.5, part[14]: part[15]}}), judge_json=json.dumps(part[16]),
                judge_cost_usd=0.1,
            )  # fmt: skip
            listed.append((name, part))
        found.record()
        stand(found.data)
        yield found.data.root, listed


async def test_payloads_stay_inert_on_every_page(spoiled: tuple[Path, list[tuple[str, list[str]]]]) -> None:
    """Recorded by the real recorder, they are shown letter by letter, and nothing of them is an element."""
    root, listed = spoiled
    variant = Variant(EVIL, EVIL, EVIL)
    upstreams = (Upstream("openai", "http://h"), Upstream(EVIL, "http://h"))
    routes = (Route("triage", Variant("openai", EVIL), candidate=variant), Route(EVIL, Variant("openai")))
    (root / "routing.json").write_bytes(encode(Table(7, Lease(1.0), upstreams, "openai", routes=routes)))
    async with visitor(DataDir(root)) as client:
        for path in ("/", "/routes/triage", "/pairs", "/traffic", "/cost?by=model", "/unrouted", "/system", "/data"):
            check_inert(read((await client.get(path)).text))
        for name, part in listed:
            for mode in ("side", "inline", "calls", "raw"):
                check_inert(read((await client.get(f"/pairs/{name}?mode={mode}")).text))
            shown = read((await client.get(f"/traffic/{name}")).text)
            check_inert(shown)
            missing = [payload for payload in part if seen(payload) not in shown.plain]
            assert missing == []


async def test_a_search_that_is_a_payload(tmp_path: Path) -> None:
    """What somebody types is said back as text, in errors and in the box itself."""
    with house(tmp_path) as found:
        async with visitor(found.data) as client:
            for name in ("q", "route", "view", "sort", EVIL):
                for path in ("/", "/pairs", "/traffic", "/audit"):
                    check_inert(read((await client.get(path, params={name: EVIL})).text))
            check_inert(read((await client.get("/routes/%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E")).text))


def test_static_files_are_ours_alone() -> None:
    """One stylesheet and one script, of ours, short: no line of them is somebody else's, and nothing loads more."""
    files = static_files()
    assert set(files) == {"console.css", "console.js", "icon.svg"}
    script = files["console.js"].content.decode()
    assert len(script.splitlines()) <= 200
    for never in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "import("):
        assert never not in script
    for text in (script, files["console.css"].content.decode()):
        assert "//" not in text.replace("// ", "").replace("/* ", "")
        assert "@import" not in text
    assert "url(" not in files["console.css"].content.decode()


def test_a_forgotten_word_is_an_error() -> None:
    """A template that says what nobody gave fails in its test, instead of saying nothing."""
    with pytest.raises(Exception, match="undefined"):
        environment().from_string("{{ nothing_of_the_kind }}").render()
    assert "<time" in when(0.0, 10.0)
    assert word("a<b", "pass") == word("a<b", "pass")
    assert Renderer().page("sign_in", target="/", problem=EVIL, theme="").count("<script") == 0

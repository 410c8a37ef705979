"""Every file that a setting or a policy names: where a pipe stands that nobody writes to, its reader is not held up."""

import asyncio
import inspect
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
from pydantic import BaseModel

from gateway.config import policy_file, settings_file
from gateway.config.quantities import LocalPath
from gateway.config.settings import Settings, Tls
from gateway.config.state_url import server
from gateway.config.yaml_file import YamlFileError
from gateway.control.exporter.collector import Collector
from gateway.control.publish.table import base_table
from gateway.control.state.port import StateDownError
from gateway.control.state.redis_link import Link
from gateway.doctor import checks
from gateway.node.datadir import DataDirError, prepare
from gateway.supervisor.programs import read_secrets
from gateway.transport.key_file import read_key
from gateway.transport.server_certificate import ServerCertificate
from gateway.transport.trust import trusting
from policies.language.base import PolicyPath
from policies.schema import Policy
from shadow import scorer
from tests.rooms.policy_files import READY, written


class Pipe:
    """Knows whether anybody opened it to read, and sends whoever did on."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path, self.was_opened, self._over = path, False, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Pipe":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.002):
            try:
                os.close(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                continue  # nobody reads
            self.was_opened = True


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    with Pipe(tmp_path / "pipe") as found:
        yield found


def places(model: Any, wanted: Any, path: str = "") -> Iterator[str]:
    """The fields of a model, and of those within it, that are of the wanted kind."""
    for name, kind in get_type_hints(model, include_extras=True).items():
        yield from _within(kind, wanted, f"{path}.{name}".lstrip("."))


def _within(kind: Any, wanted: Any, path: str) -> Iterator[str]:
    if kind == wanted or (get_origin(kind) is Annotated and set(get_args(wanted)) <= set(get_args(kind))):
        yield path
    elif inspect.isclass(kind) and issubclass(kind, BaseModel):
        yield from places(kind, wanted, path)
    else:
        for each in get_args(kind):
            if not isinstance(each, str):
                yield from _within(each, wanted, path)


def _secrets(settings: Settings) -> None:
    read_secrets(settings, prepare(settings.data), {})


def _upstream(settings: Settings) -> Any:
    return settings.upstreams["up"]


def _otel(settings: Settings) -> Collector:
    assert settings.otel is not None
    return Collector(settings.otel.endpoint, settings.otel.headers_file, settings.otel.ca_file)


def _served(tls: Any) -> None:
    assert isinstance(tls, Tls)
    ServerCertificate(tls.cert, tls.key)


def _asked(settings: Settings) -> None:
    link = Link(server("rediss://127.0.0.1:1/0"), None, str(settings.state_ca_file), lambda: 0.0)
    with link.call():
        link.ask(("PING",))


OTEL = "otel: {{endpoint: https://127.0.0.1:1/v1/traces, {field}: {pipe}}}"
TLS = "server: {{{field}: {{cert: {cert}, key: {key}}}}}"
UPSTREAM = "upstreams: {{up: {{base_url: https://127.0.0.1:1, {field}: {pipe}}}}}\ndefault_upstream: up"
ON_SERVER = "state: rediss://127.0.0.1:1/0\n{field}: {pipe}"
SETTINGS: dict[str, tuple[str, Callable[[Settings], object]]] = {
    "server.tls.cert": (TLS, lambda settings: _served(settings.server.tls)),
    "server.tls.key": (TLS, lambda settings: _served(settings.server.tls)),
    "server.admin_tls.cert": (TLS, lambda settings: _served(settings.server.admin_tls)),
    "server.admin_tls.key": (TLS, lambda settings: _served(settings.server.admin_tls)),
    "server.admin_token_file": ("server: {{{field}: {pipe}}}", _secrets),
    "server.admin_viewer_token_file": (
        "server: {{admin_token_file: {plain}, {field}: {pipe}}}", _secrets,
    ),
    "upstreams.api_key_file": (UPSTREAM, lambda settings: read_key(_upstream(settings).api_key_file)),
    "upstreams.background_key_file": (UPSTREAM, lambda settings: read_key(_upstream(settings).background_key_file)),
    "upstreams.ca_file": (UPSTREAM, lambda settings: trusting(_upstream(settings).ca_file)),
    "keys.pepper_file": ("keys: {{{field}: {pipe}}}", _secrets),
    "capture.journal_key_file": ("capture: {{{field}: {pipe}}}", _secrets),
    "state_key_file": (ON_SERVER, _secrets),
    "state_password_file": (ON_SERVER, _secrets),
    "state_ca_file": (ON_SERVER, _asked),
    "otel.headers_file": (OTEL, lambda settings: asyncio.run(_otel(settings).post(b""))),
    "otel.ca_file": (OTEL, lambda settings: asyncio.run(_otel(settings).post(b""))),
}  # fmt: skip
"""By the place of a file: settings in which it is named, and what reads it."""
NO_FILES = {"data", "policies", "upstreams.uds"}
"""Folders and a socket."""


def test_every_file_of_the_settings_is_known_here() -> None:
    """A setting that names another file says below what reads it."""
    assert set(places(Settings, LocalPath)) == SETTINGS.keys() | NO_FILES


@pytest.mark.parametrize("place", SETTINGS)
def test_a_pipe_in_the_settings_holds_nobody_up(place: str, tmp_path: Path, pipe: Pipe) -> None:
    """Its reader ends without having opened it, and so does `crossfade doctor`."""
    text, read = SETTINGS[place]
    (tmp_path / "plain").write_text("0123456789abcdef" * 4)
    *_, above, field = ("", *place.split("."))
    pair = {each: pipe.path if each == field else tmp_path / "plain" for each in ("cert", "key")}
    filled = text.format(
        field=above if field in pair else field, pipe=pipe.path, plain=tmp_path / "plain", cert=pair["cert"],
        key=pair["key"],
    )  # fmt: skip
    (tmp_path / "crossfade.yaml").write_text(f"{filled}\ndata: {tmp_path}/data\n")
    settings = settings_file.load(tmp_path / "crossfade.yaml", {})
    base_table(settings, tmp_path)
    try:
        read(settings)
    except (OSError, DataDirError, StateDownError) as error:
        assert str(pipe.path) in str(error) or "no file" in str(error), error
    list(checks.files(settings, {}))
    assert not pipe.was_opened


POLICIES: dict[str, dict[str, str]] = {
    "candidate.system_prompt": {"candidate": "{upstream: vllm, model: m, revision: r, system_prompt: pipe}"},
    "candidates.system_prompt": {
        "candidate": "[{name: small, upstream: vllm, model: m, revision: r, system_prompt: pipe}, "
        "{name: large, upstream: vllm, model: l, revision: r}]"
    },
    "compare.judge.rubric": {"compare": "[{judge: {upstream: openai, model: gpt-5, rubric: pipe}}]"},
    "compare.promptfoo.file": {"compare": "[{promptfoo: {file: pipe}}]"},
    "compare.python.ref": {"compare": "[{python: {ref: 'pipe.py:score'}}]"},
    "compare.schema_.file": {"compare": "[{json_fields: {}}, {schema: {file: pipe}}]"},
}
"""By the place of a file: lines of a policy in which it is named."""


def test_every_file_of_a_policy_is_known_here() -> None:
    """A policy's word that names another file stands below."""
    assert set(places(Policy, PolicyPath)) == POLICIES.keys()


@pytest.mark.parametrize("place", POLICIES)
def test_a_pipe_in_a_policy_holds_nobody_up(place: str, tmp_path: Path) -> None:
    """Its policy is refused, or its comparator says why it does not work; nobody opens it."""
    text = written(**POLICIES[place])
    if place.startswith("candidates"):
        text = text.replace("candidate: ", "candidates: ")
    (tmp_path / "p.yaml").write_text(text)
    loaded = policy_file.read_file(tmp_path / "p.yaml")
    with Pipe(tmp_path / ("pipe.py" if place.endswith("ref") else "pipe")) as pipe:
        said: list[str] = []
        for each in policy_file.contenders(loaded):
            try:
                policy_file.with_files(READY, each)
            except YamlFileError as error:
                said.append(str(error))
        for comparator in loaded.policy.compare:
            said += _of_comparator(comparator.model_dump(by_alias=True, exclude_none=True), tmp_path)
        assert "no file" in "".join(said)
        assert not pipe.was_opened


def _of_comparator(options: dict[str, Any], folder: Path) -> Iterator[str]:
    """What those say who run it."""
    for name, own in options.items():
        if name in ("promptfoo", "schema"):
            yield scorer.unfit(name, own["file"], folder)
        if name in ("promptfoo", "python"):
            try:
                scorer.own(name, own, folder, not_ready=lambda why: None)
            except OSError as error:
                yield str(error)

import sys
from pathlib import Path

import pytest

from gateway.config.settings import Settings
from gateway.config.settings_file import SettingsError, load


def read(tmp_path: Path, otel: str) -> Settings:
    path = tmp_path / "crossfade.yaml"
    path.write_text(f"data: d\notel: {otel}\n", "utf-8")
    return load(path, {})


def test_traces_are_off_unless_a_collector_is_named(tmp_path: Path) -> None:
    """Nothing is told by itself; with a collector no words are, in OpenTelemetry's terms, of all traces."""
    assert load(None, {}).otel is None
    otel = read(tmp_path, "{endpoint: 'http://collector:4318/v1/traces'}").otel
    assert otel is not None
    assert (otel.content, otel.conventions, otel.sample, otel.service_name) == (
        False,
        ("gen_ai",),
        1_000_000,
        "crossfade",
    )


def test_all_of_it_may_be_stated(tmp_path: Path) -> None:
    """Paths begin at the file's own folder."""
    otel = read(
        tmp_path,
        "{endpoint: 'https://c/v1/traces', headers_file: h, ca_file: ca.pem, conventions: [gen_ai, openinference], "
        "content: true, sample: 5%, service_name: shop}",
    ).otel
    assert otel is not None
    assert (otel.headers_file, otel.ca_file) == (tmp_path / "h", tmp_path / "ca.pem")
    assert (otel.conventions, otel.sample, otel.content) == (("gen_ai", "openinference"), 50_000, True)


@pytest.mark.parametrize(
    ("otel", "expected"),
    [
        ("{}", "2:7: `otel.endpoint` is missing"),
        ("{endpoint: 'collector:4318'}", "2:18: otel.endpoint: not a URL"),
        ("{endpoint: 'http://c:4318'}", "2:18: otel.endpoint: the whole URL of OTLP over HTTP"),
        ("{endpoint: 'http://u:planted@c/v1/traces'}", "2:18: otel.endpoint: no credentials in a URL"),
        ("{endpoint: 'http://c/v1/traces', conventions: [genai]}", "2:54: otel.conventions.0: must be `gen_ai`"),
        ("{endpoint: 'http://c/v1/traces', conventions: []}", "2:53: otel.conventions: is empty"),
        ("{endpoint: 'http://c/v1/traces', sample: 2}", "2:48: otel.sample: "),
        ("{endpoint: 'http://c/v1/traces', headers: {a: b}}", "2:40: `headers` is no key here"),
    ],
)
def test_what_is_refused(tmp_path: Path, otel: str, expected: str) -> None:
    """What is wrong is said with its place, and without a secret."""
    with pytest.raises(SettingsError) as error:
        read(tmp_path, otel)
    assert f"crossfade.yaml:{expected}" in str(error.value)
    assert "planted" not in error.value.brief


def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that nothing could be sent to is refused at the start; without one the extra is not missed."""
    monkeypatch.setitem(sys.modules, "opentelemetry.proto", None)  # as if it were not installed
    with pytest.raises(SettingsError, match=r"crossfade\.yaml:2:7: otel: .*not installed"):
        read(tmp_path, "{endpoint: 'http://c/v1/traces'}")
    assert load(None, {}).otel is None

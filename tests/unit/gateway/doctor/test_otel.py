from pathlib import Path

from gateway.config.settings import Settings
from gateway.doctor.otel import traces
from gateway.doctor.result import CheckResult
from tests.fakes.otlp import FakeCollector


def looked(url: str, **fields: object) -> CheckResult:
    (found,) = traces(Settings.model_validate({"otel": {"endpoint": url, **fields}}))
    return found


def test_no_collector_is_no_finding() -> None:
    """Who wants no traces is told nothing of them."""
    assert list(traces(Settings())) == []


def test_a_collector_that_takes_spans_is_fine(tmp_path: Path) -> None:
    """It is asked with the file's headers, and sent no span."""
    (tmp_path / "headers").write_text("x-key: 7\n")
    collector = FakeCollector()
    with collector.serving() as url:
        assert looked(url, headers_file=tmp_path / "headers").level == "ok"
    assert (collector.spans, collector.headers[0]["x-key"]) == ([], "7")


def test_a_collector_that_does_not_is_a_failure_with_a_hint() -> None:
    """What it answered is said, or that nobody did."""
    with FakeCollector(status=401).serving() as url:
        refused = looked(url)
    assert (refused.level, "status 401" in refused.message, "headers_file" in refused.hint) == ("failure", True, True)
    gone = looked(url)
    assert (gone.level, "ConnectError" in gone.message) == ("failure", True)

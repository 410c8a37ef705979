"""`deploy/serving`: files that are started on machines with a GPU; what can be said of them without one."""

from pathlib import Path

import pytest
import yaml

SERVING = Path(__file__).parents[2] / "deploy" / "serving"
FILES = sorted(SERVING.glob("*.yml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_serving_file_is_safe_to_start(path: Path):
    """A pinned image, loopback alone, no key in the file, a health check that waits for weights, models read-only."""
    (service,) = yaml.safe_load(path.read_text("utf-8"))["services"].values()

    assert ":" in service["image"]
    assert "latest" not in service["image"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["healthcheck"]["start_period"] == "20m"
    assert all(str(volume).endswith(":ro") for volume in service["volumes"])
    said = " ".join(map(str, service["command"])) + str(service["environment"])
    assert "api-key=sk" not in said.lower()
    assert service["environment"]["HF_HUB_OFFLINE"] == "1"
    port = service["ports"][0].rpartition(":")[2]
    assert f":{port}/" in str(service["healthcheck"]["test"])


def test_every_file_is_in_the_readme():
    """And nothing else is."""
    told = (SERVING / "README.md").read_text("utf-8")
    assert all(f"`{path.name}`" in told for path in [*FILES, SERVING / "custom_server.py"])


def test_triton_reports_the_queue_that_is_looked_at():
    """Its vLLM backend's own metrics are on: else requests that wait there are seen by nobody."""
    assert 'key: "REPORT_CUSTOM_METRICS" value: { string_value: "true" }' in (
        SERVING / "triton" / "config.pbtxt"
    ).read_text("utf-8")


def test_the_custom_server_is_as_short_as_it_says():
    """Sixty lines of code, without its docstrings and blank lines."""
    text = (SERVING / "custom_server.py").read_text("utf-8")
    code = text.split('"""')[::2]
    assert sum(bool(line.strip()) for part in code for line in part.splitlines()) <= 60

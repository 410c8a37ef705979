"""What the docs tell an operator is done as it stands there; `make operator-path` does it in a fresh clone."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.acceptance import prometheus_server
from tests.acceptance.first_hour import ROOT, SET_UP
from tests.acceptance.operator_path import play
from tools import prometheus


@pytest.mark.slow
@pytest.mark.skipif(not prometheus_server.is_installed(), reason="no Prometheus: make prometheus")
def test_the_docs_lead_an_operator_to_an_alert_a_restore_and_an_upgrade(tmp_path: Path):
    """Prometheus scrapes, an alert fires and ends, a lost data directory is restored, a new version started."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for name in ("README.md", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    found = prometheus.found("prometheus")
    assert found is not None
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "prometheus").symlink_to(found.parents[2])
    left_out = SET_UP | {"make prometheus": "it is here already", "git pull": "this is no clone"}
    assert play(tmp_path, left_out).took[-1][0] == "crossfade status"

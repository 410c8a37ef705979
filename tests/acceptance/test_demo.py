"""The demo, played to its end: what it promises to show is what comes out."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_S = 3600.0
"""Of a machine with ten times as much to do: the demo itself gives up when nothing moves, and says why."""


@pytest.mark.slow
def test_the_demo_shows_a_migration_a_rollback_and_a_rejection():
    """It climbs every stage in order, rolls the broken upload back, rejects the next revision, and no request fails."""
    command = [sys.executable, "-m", "gateway.cli.main", "demo", "--pace", "60"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, cwd=ROOT, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "\x1b" not in told.stdout
    moves = re.findall(r"^ \d+:\d\d  (\S+ → \S+|ROLLBACK|REJECTED)", told.stdout, re.MULTILINE)
    assert moves == ["shadow → 10%", "10% → 25%", "25% → 50%", "50% → 100%", "ROLLBACK", "REJECTED"]
    assert re.search(r"0 of [\d,]+ requests failed", told.stdout)

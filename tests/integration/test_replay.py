"""What real SDKs send reaches the upstream's socket unchanged, and what upstreams answer the app's."""

from pathlib import Path

import pytest

from tests.faults.replay import CORPUS, corpus, own_cases, replay

REDUCED = 12
"""Every 12th row: about 300, of every resource. `make replay` sends them all."""


@pytest.mark.slow
async def test_real_requests_pass_byte_for_byte(tmp_path: Path) -> None:
    """Requests recorded from the official SDK, and their answers in every framing, pass unchanged and are captured."""
    if not CORPUS.exists():
        pytest.skip("the recorded requests of ../shared/data are not here")
    found = await replay(corpus(REDUCED), tmp_path)
    assert found.unlike == []
    assert found.held()


@pytest.mark.slow
async def test_what_the_corpus_lacks_passes_byte_for_byte(tmp_path: Path) -> None:
    """Other methods, chunked and encoded uploads, odd targets, headers and bodies pass unchanged and are captured."""
    found = await replay(own_cases() * 6, tmp_path)
    assert found.unlike == []
    assert found.held()

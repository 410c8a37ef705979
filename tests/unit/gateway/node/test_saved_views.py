"""Pages with their filters, kept by name."""

from pathlib import Path

import pytest

from gateway.node import database, saved_views
from gateway.node.saved_views import MOST, SavedView, ViewRefusedError, is_ours


def test_views_are_kept_by_name(tmp_path: Path) -> None:
    """A name has one view, the last; removing it says whether there was one; both stand in the audit log."""
    state = database.connect(tmp_path / "state.db", saved_views.SCHEMA)
    for url in ("/pairs?view=broken", "/pairs?view=better"):
        saved_views.keep(state, SavedView("mine", url, 1.0), by="ada")
    assert saved_views.stored(state) == [SavedView("mine", "/pairs?view=better", 1.0)]
    assert saved_views.remove(state, "mine", by="ada", at=2.0)
    assert not saved_views.remove(state, "mine", by="ada", at=2.0)
    assert [entry.action for entry in database.read_audit(state)] == ["views.keep", "views.keep", "views.remove"]
    state.close()


@pytest.mark.parametrize(
    ("name", "url"),
    [("", "/pairs"), ("n" * 61, "/pairs"), ("a\nb", "/pairs"), ("a", "https://evil.example"), ("a", "//evil.example"),
     ("a", "/\\evil.example"), ("a", "/" + "x" * 1000), ("a", "javascript:alert(1)"), ("a", "/a\tb")],
)  # fmt: skip
def test_what_is_no_view(tmp_path: Path, name: str, url: str) -> None:
    """A view without a name or of a page that is not ours is refused with a hint, and not kept."""
    state = database.connect(tmp_path / "state.db", saved_views.SCHEMA)
    with pytest.raises(ViewRefusedError, match="hint"):
        saved_views.keep(state, SavedView(name, url, 1.0), by="ada")
    assert saved_views.stored(state) == []
    state.close()


def test_views_are_bounded(tmp_path: Path) -> None:
    """There are so many and no more; one that is there can still be changed."""
    state = database.connect(tmp_path / "state.db", saved_views.SCHEMA)
    for number in range(MOST):
        saved_views.keep(state, SavedView(f"v{number}", "/", 1.0), by="ada")
    with pytest.raises(ViewRefusedError, match="remove one"):
        saved_views.keep(state, SavedView("more", "/", 1.0), by="ada")
    saved_views.keep(state, SavedView("v0", "/cost", 1.0), by="ada")
    assert len(saved_views.stored(state)) == MOST
    state.close()


def test_which_addresses_are_ours() -> None:
    """A path of the same port, and nothing a browser would take for another one."""
    assert is_ours("/pairs?q=status%3A5xx")
    assert not any(is_ours(url) for url in ("", "pairs", "//x", "/\\x", "/a\\b", "/\n", "http://x/"))

"""A session's cookie: who made it, what it says, and that nobody else can make one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin import sessions
from gateway.admin.auth import digest

KEY = digest("a-token-of-some-length")


@given(st.text(max_size=80))
def test_nothing_else_is_a_session(value: str) -> None:
    """No text that we did not seal is anybody's session, and none breaks the reading."""
    assert sessions.role_of(value, KEY, now=0.0) is None
    assert sessions.read(f"{sessions.COOKIE}={value}; {sessions.COOKIE}=x") == ""


@pytest.mark.parametrize("change", [("viewer", "operator"), (".", ":"), ("4", "5")])
def test_a_changed_session_is_none(change: tuple[str, str]) -> None:
    """A role or an end that was edited does not fit its seal."""
    value = sessions.sealed(KEY, "viewer", now=4444.0)
    assert sessions.role_of(value, KEY, now=4444.0) == "viewer"
    changed = value.replace(*change)
    assert changed != value
    assert sessions.role_of(changed, KEY, now=4444.0) is None


def test_cookies_go_to_us_alone() -> None:
    """Scripts cannot read it, other sites cannot send it, without TLS it is marked so only where TLS is."""
    plain, secure = (sessions.header("v", is_secure=each) for each in (False, True))
    assert plain == "crossfade_session=v; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200"
    assert secure == f"{plain}; Secure"
    assert "Max-Age=0" in sessions.header("", is_secure=False)


def test_a_forms_word_is_one_sessions() -> None:
    """Two sessions' forms carry two words; so do two processes' forms."""
    words = {sessions.form_word(key, session) for key in (b"a" * 32, b"b" * 32) for session in ("s", "t", "")}
    assert len(words) == 6

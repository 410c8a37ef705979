"""Which endpoints a candidate has, learnt of what it answers."""

from policies.candidate_paths import AGAIN_S, CandidatePaths

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"


def test_a_path_that_is_refused_beside_one_that_is_answered_is_missing() -> None:
    """An engine without an endpoint is asked for it no more, and it is told once."""
    paths = CandidatePaths()
    paths.answered(CHAT)
    assert not paths.lacks(RESPONSES, 1.0)
    assert paths.refused(RESPONSES, 1.0)
    assert paths.refused(RESPONSES, 2.0)
    assert paths.lacks(RESPONSES, 3.0)
    assert not paths.lacks(CHAT, 3.0)
    assert (paths.take_news(), paths.take_news()) == ([RESPONSES], [])


def test_who_refuses_all_paths_is_broken() -> None:
    """Where nothing was ever answered, no path is excused."""
    paths = CandidatePaths()
    assert not paths.refused(CHAT, 1.0)
    assert not paths.refused(RESPONSES, 1.0)
    assert not paths.lacks(RESPONSES, 2.0)
    assert paths.take_news() == []


def test_a_path_that_was_there_is_not_excused() -> None:
    """Who answered on a path and then does not know it has lost its model, or its mind."""
    paths = CandidatePaths()
    paths.answered(CHAT)
    paths.answered(RESPONSES)
    assert not paths.refused(CHAT, 1.0)
    assert not paths.lacks(CHAT, 1.0)


def test_a_missing_path_is_tried_again_now_and_then() -> None:
    """An upgraded engine is found by one request, and serves the path from then on."""
    paths = CandidatePaths()
    paths.answered(CHAT)
    paths.refused(RESPONSES, 0.0)
    assert paths.lacks(RESPONSES, AGAIN_S - 1)
    assert not paths.lacks(RESPONSES, AGAIN_S)
    assert paths.lacks(RESPONSES, AGAIN_S + 1)
    paths.answered(RESPONSES)
    assert not paths.lacks(RESPONSES, AGAIN_S + 2)

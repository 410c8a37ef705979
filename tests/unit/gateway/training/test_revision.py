"""The next revision of a candidate, written into its policy."""

from pathlib import Path

import pytest

from gateway.config.yaml_file import YamlFileError
from gateway.training.revision import with_revision, write_revision
from tests.rooms.policy_files import READY, SHORT, written


def test_only_the_revision_and_the_model_change():
    """Comments, order and all other lines stay as they were written."""
    text = f"# ours\n{SHORT}# end\n"
    found, loaded = with_revision(text, "p.yaml", "2026-12-01", "triage-7b-2", READY)

    assert found == text.replace("2026-11-18", "2026-12-01").replace("triage-7b", "triage-7b-2")
    assert (loaded.policy.candidate.revision, loaded.policy.candidate.model) == ("2026-12-01", "triage-7b-2")


@pytest.mark.parametrize("revision", ["1", "1.0", "true", "a b", "it's", 'say "x"', "r#2: x", "2026-12-01", "null"])
@pytest.mark.parametrize("old", ["r1", "'r 1'", '"r1"'])
def test_any_word_is_read_again_as_it_was_meant(revision: str, old: str):
    """Whatever the old one's quotes, the new one is text again, with nothing of it lost."""
    text = written(candidate=f"{{upstream: vllm, model: m, revision: {old}, set: {{temperature: 0}}}}")
    found, loaded = with_revision(text, "p.yaml", revision, "m", READY)

    assert loaded.policy.candidate.revision == revision
    assert loaded.policy.candidate.set == {"temperature": 0}
    assert len(found.splitlines()) == len(text.splitlines())


def test_a_policy_that_does_not_begin_in_the_shadow_is_refused(tmp_path: Path):
    """A new revision would get traffic before anything is known of it: nothing is written."""
    path = tmp_path / "p.yaml"
    path.write_text(written(stages="[1%, 100%]"))
    with pytest.raises(YamlFileError, match="make `shadow` the first stage"):
        write_revision(path, "r2", "m", READY)
    assert path.read_text() == written(stages="[1%, 100%]")


def test_a_value_that_is_no_word_on_its_line_is_left_alone():
    """Folded text and anchors are the user's own: it says where, and what to do."""
    text = written(candidate="{upstream: vllm, model: m, revision: &r r1}", more="notify: []")
    with pytest.raises(YamlFileError, match=r"p\.yaml:.*candidate.revision cannot be replaced"):
        with_revision(text, "p.yaml", "r2", "m", READY)


def test_the_file_is_replaced_whole(tmp_path: Path):
    """The new policy stands in the file, and nothing else is left in the folder."""
    path = tmp_path / "p.yaml"
    path.write_text(SHORT)
    write_revision(path, "r2", "m", READY)

    assert "revision: r2" in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


def test_of_several_candidates_none_is_guessed():
    """Which of them was trained nobody says: it is refused at their line, and nothing is written."""
    each = [f"{{name: {name}, upstream: vllm, model: {name}, revision: r1}}" for name in "ab"]
    several = f"candidates: [{', '.join(each)}]"
    text = "\n".join(several if line.startswith("candidate:") else line for line in SHORT.splitlines())
    with pytest.raises(YamlFileError, match=r"p\.yaml:4:\d+: there are several candidates"):
        with_revision(text, "p.yaml", "r2", "m", READY)


def test_a_policy_that_counts_its_retrains_counts_one_more():
    """All of them share alpha, and this is the next; the same revision again is none."""
    text = written(more="gates: {retrain: 2}  # of ours")
    found, loaded = with_revision(text, "p.yaml", "r9", "m", READY)

    assert loaded.policy.gates.retrain == 3
    assert "gates: {retrain: 3}  # of ours" in found
    assert with_revision(found, "p.yaml", "r9", "m", READY)[0] == found

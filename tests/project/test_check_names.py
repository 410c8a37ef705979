"""What `tools/check_names.py` refuses: a public class name that stands for two things."""

from pathlib import Path

from tools.check_names import ALLOWED, classes, complaints

ROOT = Path(__file__).parents[2]


def written(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name / "module.py"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return root


def test_a_name_that_stands_twice_is_refused_with_both_places(tmp_path: Path) -> None:
    """Across packages and within classes; private names, those of users' scripts and of other folders do not count."""
    found = classes(
        written(
            tmp_path,
            gateway="class Plan:\n    pass\n\nclass _Own:\n    pass\n",
            shadow="class Outer:\n    class Plan:\n        pass\n\nclass _Own:\n    pass\n",
            tests="class Outer:\n    pass\n",
            **{"gateway/recipes": "class Plan:\n    pass\n"},
        )
    )
    assert found == {"Plan": ["gateway/module.py:1", "shadow/module.py:2"], "Outer": ["shadow/module.py:1"]}
    assert list(complaints(found, {})) == [
        "Plan stands for 2 things: gateway/module.py:1, shadow/module.py:2. hint: one word each"
    ]


def test_what_is_allowed_is_two_sides_of_a_wall() -> None:
    """An allowed name may stand twice, and no third time; one that stands once is allowed too many."""
    assert list(complaints({"Stage": ["a:1", "b:1"]}, {"Stage": "a wall"})) == []
    assert len(list(complaints({"Stage": ["a:1", "b:1", "c:1"]}, {"Stage": "a wall"}))) == 1
    assert list(complaints({"Stage": ["a:1"]}, {"Stage": "a wall"})) == [
        "Stage is allowed to stand twice (a wall), and does not. hint: take it out of ALLOWED"
    ]


def test_the_four_packages_have_one_word_per_class() -> None:
    """The code as it is passes, and every allowed name says why."""
    assert list(complaints(classes(ROOT), ALLOWED)) == []
    assert all(ALLOWED.values())

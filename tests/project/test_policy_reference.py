"""The reference of the policy language says what the code says."""

from policies.matching import Reason
from policies.schema import Policy
from tools import policy_reference


def test_every_section_and_key_is_there_with_its_meaning() -> None:
    """Nested ones, lists and stages too; no meaning and no reason is left blank."""
    page = policy_reference.page()
    paths = [path for path, _ in policy_reference.sections(Policy, "")]

    assert {"", "match.system_prompt", "compare[].judge", "stages[].WEIGHT", "gates.latency.relative"} <= set(paths)
    assert all(f"## `{path}`" in page for path in paths if path)
    assert not [line for line in page.splitlines() if line.endswith("|  |")]
    assert all(f"| `{reason}` |" in page for reason in Reason)


def test_defaults_are_written_as_in_a_policy() -> None:
    """With their units."""
    page = policy_reference.page()

    for row in ("| `sample` | `25%` |", "| `close_after` | `30m` |", "| `budget` | `$20/day` |", "| `alpha` | `0.05` |",
                "| `by` | `[user, conversation]` |", "| `revision` | required |"):  # fmt: skip
        assert row in page

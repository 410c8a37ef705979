"""The README's picture of the demo: what of its output is drawn, and how."""

from xml.etree import ElementTree

from tools.record_demo import MOST_LINES, chosen, picture

PLAYED = """\
 An app sorts tickets.

 0:12  serving; its metrics: http://127.0.0.1:1/metrics
 0:27  r1, trained well, wants the traffic
       weight   ░░░ 0%   [shadow] 10%
       holds    In the shadow: 13 conversations are open.
 0:57  shadow → 10%    r1: Moved up to 10 %: every check passed
                       on 540 conversations.
 1:12  r1, trained well, wants the traffic
       weight   █░░ 10%
 2:12  ROLLBACK        r1: Rolled back: <HTTP 5xx>.
""".splitlines()


def test_moves_and_one_look_are_drawn() -> None:
    """The look before the first move, then every move with the lines that belong to it."""
    drawn = chosen(PLAYED)
    assert [line.split()[0] for line in drawn if line.strip()] == [
        "0:27", "weight", "holds", "0:57", "on", "2:12",
    ]  # fmt: skip
    assert len(chosen(PLAYED * 40)) == MOST_LINES


def test_the_picture_is_whole() -> None:
    """SVG that a browser reads, a line of text for each line, none of it taken for markup."""
    lines = chosen(PLAYED)
    texts = [each.text or "" for each in ElementTree.fromstring(picture(lines)).iter() if each.tag.endswith("text")]  # noqa: S314 -- our own
    assert texts == lines

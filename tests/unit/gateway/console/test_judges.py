"""`/judge`: whether a judge is trusted, and what people say of it."""

import json
from pathlib import Path

from tests.fakes.exchanges import chat_answer
from tests.rooms.console_house import house, read, visitor


async def test_the_page_says_whether_a_judge_is_trusted(tmp_path: Path) -> None:
    """A judge's state stands first, then controls, places and people; the verdicts to look at lead to their pairs."""
    with house(tmp_path) as home:
        async with visitor(home.data) as client:
            assert "No judge was asked" in read((await client.get("/judge")).text).words
            told = {"orders": ["baseline", "candidate"], "trust": "suspended: 5 of the last 9 hidden controls wrong"}
            home.compare(home.ask(), chat_answer("a"), judge_json=json.dumps(told), control=False, judge_cost_usd=0.5)
            home.record()
            page = read((await client.get("/judge")).text)
            csv = (await client.get("/judge.csv")).text
    assert "suspended 5 of the last 9 hidden controls wrong" in page.words
    assert "$0.5000" in page.words
    assert "nobody has labelled random pairs" in page.words
    assert f"/pairs/{home.ids[0]}?asked=candidate" in page.links()
    assert csv.startswith("route,state,suspended,judged")

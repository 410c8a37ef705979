"""Saved views in the side bar."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rooms.console_house import ORIGIN, ConsoleHouse, house, read, visitor

HERE = "/pairs?view=broken&since=24h"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ConsoleHouse]:
    with house(tmp_path) as found:
        yield found


async def test_a_page_is_kept_and_forgotten(home: ConsoleHouse) -> None:
    """Kept from its own page by name, a view stands in the side bar of all pages until it is forgotten there."""
    async with visitor(home.data) as client:
        word = read((await client.get(HERE)).text).forms()["word"]
        filled = {"word": word, "name": "<b>mine</b>", "url": HERE}
        kept = await client.post("/views", data=filled, headers={"origin": ORIGIN})
        assert (kept.status_code, kept.headers["location"]) == (303, HERE)
        page = read((await client.get("/cost")).text)
        assert HERE in page.links()
        assert "<b>mine</b>" in page.plain
        assert [each["name"] for each in (await client.get("/api/v1/views")).json()["views"]] == ["<b>mine</b>"]
        gone = await client.post(
            "/views/remove", data={"word": word, "name": "<b>mine</b>", "next": "//evil.example"},
            headers={"origin": ORIGIN},
        )  # fmt: skip
        assert (gone.status_code, gone.headers["location"]) == (303, "/")
        assert HERE not in read((await client.get("/cost")).text).links()


async def test_what_cannot_be_kept(home: ConsoleHouse) -> None:
    """Another site's page keeps nothing, nor does a form without our word; an address elsewhere is refused."""
    async with visitor(home.data) as client:
        word = read((await client.get(HERE)).text).forms()["word"]
        for filled, origin, status in (
            ({"word": word, "name": "a", "url": HERE}, "https://evil.example", 403),
            ({"word": "x", "name": "a", "url": HERE}, ORIGIN, 403),
            ({"word": word, "name": "a", "url": "https://evil.example"}, ORIGIN, 400),
        ):
            assert (await client.post("/views", data=filled, headers={"origin": origin})).status_code == status
        assert (await client.get("/api/v1/views")).json() == {"views": []}


async def test_views_over_the_api(home: ConsoleHouse) -> None:
    """Programs keep, list and remove views; one that is none is refused with a hint."""
    async with visitor(home.data) as client:
        kept = await client.post("/api/v1/views", json={"name": "a/b", "url": HERE})
        assert [each["url"] for each in kept.json()["views"]] == [HERE]
        refused = await client.post("/api/v1/views", json={"name": "b", "url": "//evil.example"})
        assert (refused.status_code, "hint" in refused.text) == (400, True)
        await client.post("/api/v1/views", json={"name": "b", "url": HERE})
        assert (await client.post("/api/v1/views/b/remove", json={})).json() == {"removed": True}
        assert (await client.post("/api/v1/views/b/remove", json={})).json() == {"removed": False}

"""The documentation as a site, read in a real Chromium from its folder, with no network."""

import os
import shutil
from collections.abc import Generator
from typing import Any

import pytest

from tests.rooms.waiting import PATIENCE_S, await_true
from tools import docs_site

CHROMIUM = shutil.which(os.environ.get("CHROMIUM", "chromium"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is here: apt-get install chromium"),
    pytest.mark.skipif(not docs_site.GENERATOR.is_made, reason="the site's generator is not here: make docs-site"),
]


def _refuse(route: Any) -> None:
    route.abort()


@pytest.fixture
def page() -> Generator[Any]:
    """A page that reaches nothing but files."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright is here: make setup")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = found.new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        page.route("http*://**", _refuse)
        yield page
        found.close()


def test_the_site_is_built_and_searched_from_its_folder(page: Any) -> None:
    """A word that is typed letter by letter is found on the pages that explain it, and a result leads there."""
    assert docs_site.main() == 0
    page.goto((docs_site.BUILD / "site" / "index.html").as_uri())
    box = page.locator("input[placeholder=Search]:visible")
    await_true(lambda: page.keyboard.press("/") or box.count(), "a place to type in")
    box.press_sequentially("holdback")
    page.get_by_text("results").first.wait_for()
    page.get_by_text("Words of explain").first.click()
    page.wait_for_url("**/glossary.html*")
    assert "the share kept on the baseline for good" in page.inner_text("article")

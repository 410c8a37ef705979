"""Saved views: pages with their filters, in the side bar; those that come with the console cannot be removed."""

from gateway.admin.view_pages import SavedViewView
from gateway.console.ask import Ask, AskError, ConsolePage, Shown
from gateway.console.rollout import BY
from gateway.node.database import StateError
from gateway.node.saved_views import ViewRefusedError, is_ours

BUILT_IN = (
    ("disagreements", "/pairs?view=disagreements"), ("candidate broken", "/pairs?view=broken"),
    ("judge against comparator", "/pairs?view=against_judge"),
    ("errors, 24 h", "/traffic?since=24h&q=status%3A5xx"), ("fell back, 24 h", "/traffic?since=24h&why=fallback"),
)  # fmt: skip


def listed(ask: Ask) -> list[SavedViewView]:
    """The team's views; none, where the state cannot be read: the page is there all the same."""
    try:
        return ask.pages.saved.views().views
    except StateError:
        return []


def keep(ask: Ask) -> Shown:
    """Keep the page that the form stands on."""
    url = ask.form.get("url", "")
    try:
        ask.pages.saved.keep_as(ask.form.get("name", ""), url, by=BY)
    except ViewRefusedError as error:
        raise AskError(400, str(error)) from error
    return Shown("error", "", see=url)


def remove(ask: Ask) -> Shown:
    """Remove a view."""
    ask.pages.saved.remove_as(ask.form.get("name", ""), by=BY)
    back = ask.form.get("next", "/")
    return Shown("error", "", see=back if is_ours(back) else "/")


KEPT = ConsolePage("/views", keep, is_form=True)
REMOVED = ConsolePage("/views/remove", remove, is_form=True)

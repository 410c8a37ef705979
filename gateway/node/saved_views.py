"""Pages of the console with their filters, kept by name beside keys and audit: a team's, on this node."""

import sqlite3
from dataclasses import dataclass

from gateway.node.database import AuditEntry, audit, writing

MOST = 100
NAME = 60
"""Letters of a name at most."""
URL = 1000
SCHEMA = "CREATE TABLE IF NOT EXISTS views (name TEXT PRIMARY KEY, url TEXT NOT NULL, at REAL NOT NULL) STRICT;"


class ViewRefusedError(Exception):
    """A view that cannot be kept; the message says why."""


@dataclass(frozen=True, slots=True)
class SavedView:
    """One view."""

    name: str
    url: str
    """Path and query, of the admin port's own pages."""
    at: float


def keep(connection: sqlite3.Connection, view: SavedView, *, by: str) -> None:
    """Keep a view, in place of an earlier one of its name.

    Raises:
        ViewRefusedError: it leads elsewhere, has no name, or there are too many.
    """
    if not (0 < len(view.name) <= NAME) or not view.name.isprintable():
        raise ViewRefusedError(f"a view has a name of at most {NAME} letters. hint: name=slow requests")
    if not is_ours(view.url) or len(view.url) > URL:
        raise ViewRefusedError(f"a view is a page of the console, at most {URL} letters. hint: /pairs?view=broken")
    with writing(connection):
        known = [row[0] for row in connection.execute("SELECT name FROM views").fetchall()]
        if view.name not in known and len(known) >= MOST:
            raise ViewRefusedError(f"{MOST} views are kept. hint: remove one first")
        connection.execute("INSERT OR REPLACE INTO views VALUES (?, ?, ?)", (view.name, view.url, view.at))
        audit(connection, AuditEntry(view.at, by, "views.keep", view.name, view.url, ""))


def remove(connection: sqlite3.Connection, name: str, *, by: str, at: float) -> bool:
    """Remove a view. Returns whether there was one."""
    with writing(connection):
        gone = connection.execute("DELETE FROM views WHERE name = ?", (name,)).rowcount > 0
        if gone:
            audit(connection, AuditEntry(at, by, "views.remove", name, "", ""))
    return gone


def stored(connection: sqlite3.Connection) -> list[SavedView]:
    """All views, by name."""
    return [SavedView(*row) for row in connection.execute("SELECT name, url, at FROM views ORDER BY name").fetchall()]


def is_ours(url: str) -> bool:
    """Whether it leads to a page of the admin port, whatever a browser makes of it."""
    return url.startswith("/") and not url.startswith(("//", "/\\")) and url.isprintable() and "\\" not in url

"""The console's pages, in one list; the side bar beside it."""

from gateway.admin.api import Pages
from gateway.console import judges, label, pairs, readiness, report, rollout, routes, tables, traffic, views
from gateway.console.ask import ConsolePage

NAV = (
    ("Routes", "/"), ("Pairs", "/pairs"), ("Label", "/label"), ("Traffic", "/traffic"), ("Unrouted", "/unrouted"),
    ("Readiness", "/readiness"), ("Data", "/data"), ("Cost", "/cost"), ("Judge", "/judge"),
    ("System", "/system"), ("Audit", "/audit"), ("Keys", "/keys"),
)  # fmt: skip
PAGES: tuple[ConsolePage, ...] = (
    routes.PAGE, report.PAGE, rollout.PAGE, rollout.VERB, rollout.SAID, pairs.PAGE, pairs.ONE, label.PAGE, label.VOTED,
    traffic.PAGE, traffic.ONE, readiness.PAGE, judges.PAGE,
    tables.UNROUTED, tables.DATA, tables.COST, tables.SYSTEM, tables.AUDIT, tables.KEYS, tables.REVOKE, tables.REVOKED,
    tables.KILL, tables.KILLED, views.KEPT, views.REMOVED,
)  # fmt: skip


def live(pages: Pages, route: str | None, now: float) -> dict[str, str]:
    """What changes by itself, by its name in the pages."""
    found = routes.live(pages, now)
    if route is not None:
        found |= rollout.live(now, pages.operations.looks().get(route))
    return found

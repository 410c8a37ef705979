"""What the admin API has on saved views."""

import contextlib
import sqlite3
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from typing import Annotated

from fastapi import HTTPException
from pydantic import Field

from gateway.admin.rollouts import BY
from gateway.admin.views import PageView
from gateway.node import saved_views
from gateway.node.database import StateError, connect
from gateway.node.datadir import DataDir
from gateway.node.saved_views import SavedView, ViewRefusedError


class SavedViewView(PageView):
    """A page of the console with its filters, by name."""

    name: str
    url: str
    at: float


class SavedViewsView(PageView):
    """All saved views, by name."""

    views: list[SavedViewView]


class SavedViewOrderView(PageView):
    """A view to keep, in place of an earlier one of its name."""

    name: Annotated[str, Field(min_length=1, max_length=saved_views.NAME)]
    url: Annotated[str, Field(min_length=1, max_length=saved_views.URL)]


class RemovedView(PageView):
    """What became of a view's removal."""

    removed: bool
    """Whether there was one."""


@dataclass(frozen=True, slots=True)
class SavedViewPages:
    """The pages on saved views over one state."""

    data: DataDir
    wall: Callable[[], float]

    def views(self) -> SavedViewsView:
        """All views, by name."""
        with self._opened() as state:
            return SavedViewsView(views=[SavedViewView(**asdict(each)) for each in saved_views.stored(state)])

    def keep(self, body: SavedViewOrderView) -> SavedViewsView:
        """Keep a view; audited."""
        try:
            self.keep_as(body.name, body.url, by=BY)
        except ViewRefusedError as error:
            raise HTTPException(400, str(error)) from error
        return self.views()

    def remove(self, name: str) -> RemovedView:
        """Remove a view; audited."""
        return RemovedView(removed=self.remove_as(name, by=BY))

    def keep_as(self, name: str, url: str, *, by: str) -> None:
        """Keep a view in somebody's name.

        Raises:
            ViewRefusedError: it is none.
        """
        with self._opened() as state:
            saved_views.keep(state, SavedView(name, url, self.wall()), by=by)

    def remove_as(self, name: str, *, by: str) -> bool:
        """Remove one in somebody's name. Returns whether there was one."""
        with self._opened() as state:
            return saved_views.remove(state, name, by=by, at=self.wall())

    @contextlib.contextmanager
    def _opened(self) -> Generator[sqlite3.Connection]:
        connection = connect(self.data.state, saved_views.SCHEMA)
        try:
            yield connection
        except sqlite3.DatabaseError as error:
            raise StateError(f"{self.data.state}: {error}. hint: `crossfade doctor` says more") from error
        finally:
            connection.close()

"""`crossfade report ROUTE`: one route on one page, to send on: Markdown, or one HTML file that needs nothing else."""

import argparse
import importlib.metadata
import time

import duckdb
from fastapi import HTTPException

from gateway import clock
from gateway.admin.api import Pages
from gateway.admin.filters import FilterError
from gateway.admin.queries import RecordQueries, TooSlowError
from gateway.admin.report import report
from gateway.admin.rollouts import Operations
from gateway.cli import context
from gateway.cli.failure import failed, unreadable
from gateway.config.settings_file import SettingsError
from gateway.console.render import Renderer
from gateway.console.report import html_file, markdown
from gateway.control.operations.orders import OrderClock
from gateway.control.state.port import StateDownError
from gateway.node.database import StateError
from gateway.node.datadir import DataDirError
from gateway.supervisor.programs import hourly_prices
from records.store import Store

NO_PDF = (
    "A browser makes a PDF of the HTML; none is made here. hint: crossfade report {route} --html > report.html, then "
    "print that page, or chromium --headless --print-to-pdf=report.pdf report.html"
)


def run(arguments: argparse.Namespace) -> int:
    """Print it; 1: there is no such route, it cannot be read, or it is wanted as a PDF."""
    if arguments.shape == "pdf":
        return failed(NO_PDF.format(route=arguments.route), arguments)
    try:
        place, data = context.state(arguments)
        settings = context.settings(arguments)
        inputs = settings.readiness.inputs(hourly_prices(settings.prices), str(settings.policies))
        waits = OrderClock(clock.wall, clock.monotonic, time.sleep)
        operations = Operations(data, place, waits, importlib.metadata.version("crossfade"))
        pages = Pages(data, operations, RecordQueries(Store(data.records, context.warn_of_damage)), inputs)
        found = report(pages, arguments.route, arguments.since)
    except (SettingsError, DataDirError, FilterError, StateDownError, StateError, TooSlowError) as error:
        return failed(error, arguments)
    except HTTPException as error:
        return failed(f"{error.detail}. hint: `crossfade serve` writes one", arguments)
    except duckdb.Error as error:
        return unreadable(error, arguments)
    if found is None:
        return failed(f"There is no route called {arguments.route!r}. hint: `crossfade status` lists them", arguments)
    if arguments.json:
        print(found.model_dump_json())
    elif arguments.shape == "html":
        print(html_file(found, Renderer(), since=arguments.since))
    else:
        print(markdown(found, since=arguments.since), end="")
    return 0

"""`crossfade doctor`: checks this machine, the settings and the upstreams, and says what to do about each finding."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict

import httpx

from gateway.cli import context, layout
from gateway.cli.failure import failed
from gateway.config.settings import Settings
from gateway.config.settings_file import SettingsError
from gateway.doctor import checks as checkup
from gateway.doctor.archive import archive
from gateway.doctor.otel import traces
from gateway.doctor.result import CheckResult
from gateway.doctor.state import shared_state
from gateway.node.datadir import DataDir

SEND_S = 30.0
MARKS = {"ok": "ok  ", "warning": "WARN", "failure": "FAIL"}


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; 1 if anything fails."""
    found: list[CheckResult] = []
    for finding in findings(arguments):
        found.append(finding)
        if not arguments.json:
            print(layout.folded(f"{MARKS[finding.level]}  {finding.subject}: {finding.message}"))
            if finding.hint:
                print(layout.beside("      hint: ", finding.hint))
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in found]))
    failures = sum(finding.level == "failure" for finding in found)
    if failures:
        return failed(f"{failures} of {len(found)} checks failed", arguments)
    warnings = sum(finding.level == "warning" for finding in found)
    told = f"nothing failed; {layout.counted(warnings, 'warning')} above" if warnings else "all is well"
    print(told, file=sys.stderr)
    return 0


def findings(arguments: argparse.Namespace) -> Iterator[CheckResult]:
    """All findings, the quick ones first."""
    yield from checkup.machine()
    try:
        settings = context.settings(arguments)
    except SettingsError as error:
        yield CheckResult("failure", "settings", str(error))
        return
    yield CheckResult(
        "ok", "settings", f"{layout.counted(len(settings.upstreams), 'upstream')}, default {settings.default_name}"
    )
    data = DataDir(settings.data)
    yield from checkup.storage(settings, data)
    yield from checkup.files(settings, os.environ)
    yield from shared_state(settings, data, os.environ)
    yield from checkup.policies(settings)
    yield from checkup.ports(settings, data)
    yield from checkup.upstreams(settings, os.environ)
    yield from traces(settings)
    yield from archive(settings)
    if arguments.send_test:
        yield send_test(settings)


def send_test(settings: Settings) -> CheckResult:
    """Send one free request through the gateway to its default upstream."""
    server = settings.server
    scheme = "http" if server.tls in (None, "front-proxy") else "https"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(server.listen.host, server.listen.host)  # noqa: S104 -- compared
    url = f"{scheme}://{host}:{server.listen.port}/v1/models"
    key = os.environ.get("OPENAI_API_KEY", "")
    try:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        answer = httpx.get(url, headers=headers, timeout=SEND_S, trust_env=False)
    except httpx.HTTPError as error:
        return CheckResult("failure", "send-test", f"{url}: {error}", "start it: `crossfade serve`")
    request_id = answer.headers.get("x-crossfade-request-id")
    if request_id is None:
        hint = "something else listens on the data port; choose another in the settings"
        return CheckResult("failure", "send-test", f"{url} answered {answer.status_code}, but it is no Crossfade", hint)
    if answer.is_success:
        return CheckResult("ok", "send-test", f"{url} answered {answer.status_code} (request {request_id})")
    hint = (
        "set OPENAI_API_KEY to a key of that upstream"
        if answer.status_code == 401
        else "the upstream's own answer says why"
    )
    return CheckResult("failure", "send-test", f"{url} answered {answer.status_code} (request {request_id})", hint)

"""What `crossfade doctor` looks at: each look is a function that gives findings, each finding says what to do."""

import importlib.util
import os
import platform
import resource
import shutil
import socket
import ssl
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from gateway.config import policy_file as policy_text
from gateway.config.policies_home import policy_files
from gateway.config.quantities import Address
from gateway.config.settings import Settings, Tls, Upstream
from gateway.config.settings_file import policies_note
from gateway.config.surroundings import surroundings
from gateway.config.yaml_file import YamlFileError
from gateway.doctor.api import asked
from gateway.doctor.result import CheckResult
from gateway.node.datadir import FOREIGN_HINT, DataDir, is_held
from gateway.transport.trust import trusting
from policies.contenders import named_candidates
from records.named_file import read_named

CONNECT_S = 5.0
MIN_FREE_BYTES = 1024**3
MIN_FILES = 4096


def machine() -> Iterator[CheckResult]:
    """Python, the platform, and what the system lets us have."""
    yield CheckResult("ok", "python", platform.python_version())  # an older one than we need does not get this far
    match platform.system():
        case "Linux":
            yield CheckResult("ok", "platform", platform.platform())
        case "Darwin":
            hint = "fine for development; run production on Linux"
            yield CheckResult(
                "warning", "platform", "macOS: files are polled, and child processes may survive a crash", hint
            )
        case other:
            yield CheckResult("failure", "platform", f"{other} is not supported", "on Windows, use WSL2")
    told = (
        "compiled" if is_compiled() else "interpreted; a compiled one needs less CPU per request (docs/operations.md)"
    )
    yield CheckResult("ok", "data plane", told)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY or most >= MIN_FILES:
        yield CheckResult("ok", "open files", f"up to {'any number' if most == resource.RLIM_INFINITY else most}")
    else:
        hint = f"raise the limit to {MIN_FILES} or more (ulimit -n, LimitNOFILE=): each request needs two"
        yield CheckResult("warning", "open files", f"at most {most}", hint)


def files(settings: Settings, environment: Mapping[str, str]) -> Iterator[CheckResult]:
    """The files and variables the settings name."""
    named = [("server.admin_token_file", settings.server.admin_token_file)]
    for place, tls in (("server.tls", settings.server.tls), ("server.admin_tls", settings.server.admin_tls)):
        if isinstance(tls, Tls):
            named += [(f"{place}.cert", tls.cert), (f"{place}.key", tls.key)]
    for name, upstream in settings.upstreams.items():
        files = (("api_key_file", upstream.api_key_file), ("background_key_file", upstream.background_key_file))
        named += [(f"upstreams.{name}.{field}", path) for field, path in (*files, ("ca_file", upstream.ca_file))]
        for variable in (upstream.api_key_env, upstream.background_key_env):
            if variable and not environment.get(variable):
                yield CheckResult(
                    "failure", f"upstreams.{name}", f"${variable} is not set", "set it for `crossfade serve`"
                )
    if settings.otel is not None:
        named += [("otel.headers_file", settings.otel.headers_file), ("otel.ca_file", settings.otel.ca_file)]
    for subject, path in named:
        if path is not None:
            yield _file(subject, path)


def _file(subject: str, path: Path) -> CheckResult:
    try:
        content = read_named(path)
    except OSError as error:
        return CheckResult("failure", subject, f"{path}: {error.strerror}", "does it exist, and may this user read it?")
    if not content.strip():
        return CheckResult("failure", subject, f"{path} is empty", "put the secret or certificate into it")
    if "cert" not in subject and "ca_file" not in subject and path.stat().st_mode & (stat.S_IRWXO | stat.S_IWGRP):
        return CheckResult("warning", subject, f"{path} can be read by other users", f"chmod 600 {path}")
    return CheckResult("ok", subject, str(path))


def storage(settings: Settings, data: DataDir) -> Iterator[CheckResult]:
    """The data directory: whose it is, who may read it, and how much room there is."""
    root = data.root
    there = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        yield CheckResult(
            "failure", "data", f"{there} is not writable", "name another directory as `data` in the settings"
        )
        return
    foreign = data.foreign if os.access(root, os.R_OK | os.X_OK) else ""
    if foreign:
        yield CheckResult("failure", "data", f"{root} is no data directory: it holds {foreign!r}", FOREIGN_HINT)
        return
    if root.exists() and root.stat().st_mode & 0o077:
        yield CheckResult("warning", "data", f"{root} can be read by others: it holds prompts", f"chmod 700 {root}")
    else:
        yield CheckResult("ok", "data", str(root))
    free = shutil.disk_usage(there).free
    wanted = max(MIN_FREE_BYTES, settings.capture.disk_budget)
    if free >= wanted:
        yield CheckResult("ok", "disk", f"{_gib(free)} free")
    else:
        hint = "free some space, or lower capture.disk_budget; over it, bodies are left out first"
        yield CheckResult("warning", "disk", f"{_gib(free)} free, but the journal may take {_gib(wanted)}", hint)


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.1f} GiB"


def policies(settings: Settings) -> Iterator[CheckResult]:
    """Whether the policy files load."""
    around = surroundings(settings)
    if note := policies_note(settings):
        message, _, hint = note.partition(". hint: ")
        yield CheckResult("warning", "policies", message, hint)
    paths = policy_files(settings.policies)
    for path in paths:
        try:
            loaded = policy_text.read_file(path, around)
        except YamlFileError as error:
            yield CheckResult(
                "failure", "policies", str(error), "fix the file; until then its last good version stays in force"
            )
            continue
        yield CheckResult("ok", "policies", f"{path}: route {loaded.policy.route}")
        for warning in (*loaded.uncertifiable, *loaded.warnings):
            told = replace(warning, message=warning.message.removeprefix("warning: "), hint="")
            yield CheckResult("warning", "policies", str(told), warning.hint)
    if not paths:
        yield CheckResult(
            "ok", "policies", f"none in {settings.policies}: every request goes to {settings.default_name}"
        )


def ports(settings: Settings, data: DataDir) -> Iterator[CheckResult]:
    """Whether the ports are free, or ours."""
    ours = is_held(data)
    for subject, address in (("server.listen", settings.server.listen), ("server.admin", settings.server.admin)):
        yield _port(subject, address, ours=ours)


def _port(subject: str, address: Address, *, ours: bool) -> CheckResult:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with socket.create_server((address.host, address.port), family=family):
            pass
    except OSError as error:
        if ours:
            return CheckResult("ok", subject, f"{address}, in use by the Crossfade that serves here")
        hint = "stop what listens there, or choose another port in the settings"
        return CheckResult("failure", subject, f"{address}: {error.strerror}", hint)
    if ours:
        hint = "if you changed the port in the settings, reload: kill -HUP $(cat DATA/lock)"
        return CheckResult("warning", subject, f"{address}: a Crossfade runs, but on another port", hint)
    return CheckResult("ok", subject, f"{address} is free")


def upstreams(settings: Settings, environment: Mapping[str, str]) -> Iterator[CheckResult]:
    """Whether each upstream can be reached, has a certificate we trust, and has OpenAI's API at its path.

    One that no policy names, and that is not the default, gets no traffic: it fails nobody yet, and is a warning.
    """
    wanted = _wanted(settings)
    for name, upstream in settings.upstreams.items():
        subject = f"upstreams.{name}"
        found = _litellm(subject) if upstream.kind == "litellm" else _reach(subject, upstream)
        if found.level == "ok" and upstream.kind != "litellm":
            found = asked(subject, upstream, environment)
        if found.level == "failure" and name not in wanted:
            found = CheckResult("warning", subject, f"{found.message} (no policy names it yet)", found.hint)
        yield found


def _wanted(settings: Settings) -> set[str]:
    """The upstreams that get traffic: the default, and what policies name. A broken policy may name any."""
    around, wanted = surroundings(settings), {settings.default_name}
    for path in policy_files(settings.policies):
        try:
            policy = policy_text.read_file(path, around).policy
        except YamlFileError:
            return set(settings.upstreams)
        wanted |= {policy.baseline.upstream, *(each.upstream for _, each in named_candidates(policy))}
        wanted |= {str(getattr(each.options, "upstream", "")) for each in policy.compare}
    return wanted


def _litellm(subject: str) -> CheckResult:
    """Litellm itself reaches its provider; here it is enough that it is there."""
    if importlib.util.find_spec("litellm") is None:
        return CheckResult(
            "failure", subject, "litellm is not installed", 'install the extra `litellm` (README, "Install")'
        )
    return CheckResult("ok", subject, "through litellm")


def _reach(subject: str, upstream: Upstream) -> CheckResult:
    parts = urlsplit(upstream.url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with _connected(upstream, host, port) as sock:
            if parts.scheme != "https" or upstream.proxy is not None:
                return CheckResult("ok", subject, f"{upstream.proxy or upstream.url} can be reached")
            context = trusting(upstream.ca_file)
            with context.wrap_socket(sock, server_hostname=host) as wrapped:
                return CheckResult("ok", subject, f"{upstream.url} can be reached, {wrapped.version()}")
    except ssl.SSLCertVerificationError as error:
        hint = "check the host name; for a private certificate authority set ca_file"
        return CheckResult("failure", subject, f"{host}: {error.verify_message}", hint)
    except socket.gaierror as error:
        hint = "is the name right, and does DNS work here? Behind a forward proxy, set `proxy`"
        return CheckResult("failure", subject, f"{host}: {error.strerror}", hint)
    except OSError as error:
        hint = "is it running? Behind a forward proxy, set `proxy` (HTTP_PROXY and HTTPS_PROXY are not used)"
        return CheckResult("failure", subject, f"{host}:{port}: {error.strerror or error}", hint)


def _connected(upstream: Upstream, host: str, port: int) -> socket.socket:
    if upstream.uds is not None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(CONNECT_S)
        sock.connect(str(upstream.uds))
        return sock
    if upstream.proxy is not None:
        proxy = urlsplit(upstream.proxy)
        host, port = proxy.hostname or "", proxy.port or 80
    return socket.create_connection((host, port), timeout=CONNECT_S)


def is_compiled() -> bool:
    """Whether its modules are of machine code; False: Python's interpreter runs them."""
    found = importlib.util.find_spec("gateway.transport.server")
    return found is not None and found.origin is not None and not found.origin.endswith(".py")

"""`crossfade serve` whole, with nothing in any part's place, in front of a fake upstream.

What a test leaves as it found it is asked of one gateway, `shared`; who sets other settings, replaces processes or ends
the gateway has a `serving` of its own.
"""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from policies.routing import decode
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.served_route import POLICY, ask
from tests.rooms.serving import REAL, Serving, load
from tests.rooms.waiting import await_true

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def started(directory: Path, upstream: FakeUpstream) -> Iterator[Serving]:
    url = upstream.base_url
    settings = f"upstreams: {{openai: {{base_url: '{url}'}}, vllm: {{kind: vllm, base_url: '{url}'}}}}\n"
    with Serving(directory, settings + "keys: {mode: '${MODE:-passthrough}'}", worker=REAL) as running:
        running.await_ready()
        running.await_control()
        yield running


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    with in_thread(FakeUpstream(require_key=False)) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, upstream: FakeUpstream) -> Iterator[Serving]:
    with started(tmp_path_factory.mktemp("shared"), upstream) as running:
        yield running


@pytest.fixture
def serving(tmp_path: Path, upstream: FakeUpstream) -> Iterator[Serving]:
    with started(tmp_path, upstream) as running:
        yield running


def test_an_app_is_answered_and_the_exchange_recorded(shared: Serving) -> None:
    """The official SDK is answered through `crossfade serve`, and the exchange is on the admin API soon after."""
    before = chats(shared)
    assert ask(shared)
    await_true(lambda: chats(shared).keys() - before.keys(), "the exchange is recorded")
    (line,) = (line for id_, line in chats(shared).items() if id_ not in before)
    assert (line["model_requested"], line["status"], line["outcome"]) == ("gpt-4o", 200, "complete")
    shown = shared.admin(f"/api/v1/exchanges/{line['id']}").json()["record"]
    assert json.loads(shown["request_json"])["messages"] == [{"role": "user", "content": "hi"}]
    await_true(lambda: "crossfade_requests_total" in shared.admin("/metrics").text, "the recorder's metrics")
    assert line["id"] in shared.admin("/traffic.csv").text
    assert "hi" in shared.admin(f"/traffic/{line['id']}").text


def chats(serving: Serving) -> dict[str, dict[str, Any]]:
    """What was recorded, by id, but for requests of other tests that ask for no model."""
    lines = serving.admin("/api/v1/exchanges").json()["exchanges"]
    return {line["id"]: line for line in lines if line["model_requested"]}


def test_a_policy_comes_breaks_and_goes(shared: Serving) -> None:
    """A policy file is in force within a moment, a broken edit changes nothing and is shown, its removal ends it."""
    policy = shared.directory / "crossfade-policies" / "support-triage.yaml"
    policy.parent.mkdir()
    policy.write_text(POLICY)
    await_true(lambda: routes(shared) == ["support-triage"], "the route")
    policy.write_text(POLICY.replace("stages:", "stags:"))
    await_true(lambda: bool(shared.events("policy.not_loaded")), "the complaint")
    assert routes(shared) == ["support-triage"]
    status = shared.crossfade("status")
    assert "support-triage.yaml:6:1: `stags` is no key here" in status.stdout
    assert "did you mean `stages`?" in status.stdout
    policy.unlink()
    await_true(lambda: routes(shared) == [], "no route")


def test_who_is_well_is_told_as_nothing_else(shared: Serving) -> None:
    """`status` of a gateway that is well names each control process; neither it nor `kill` speaks of an ill disk."""
    names = {"controller", "recorder", "shadow", "admin"}

    def told() -> dict[str, Any]:
        return json.loads(shared.crossfade("status", "--json").stdout)

    await_true(lambda: {each["process"] for each in told()["control"]} == names, "all of the control plane is named")
    assert told()["blind_workers"] == []
    assert "in memory alone" not in shared.crossfade("status").stdout
    killed = shared.crossfade("kill", "--reason", "a try")
    shared.crossfade("kill", "--off")
    assert "of 1 workers" in killed.stderr
    assert "cannot say so" not in killed.stderr


def routes(serving: Serving) -> list[str]:
    return [route.name for route in decode((serving.data / "routing.json").read_bytes()).routes]


def test_doctor_sends_a_request_through(shared: Serving) -> None:
    """`crossfade doctor --send-test` asks for the models through the gateway, and all is well."""
    done = shared.crossfade("doctor", "--send-test", "--json")
    findings = {each["subject"]: each for each in json.loads(done.stdout)}
    assert (done.returncode, findings["send-test"]["level"]) == (0, "ok")
    assert httpx.get(f"http://127.0.0.1:{shared.port}/v1/models").headers["x-crossfade-request-id"]


def test_the_kill_switch_is_confirmed_with_the_control_plane_dead(shared: Serving) -> None:
    """`crossfade kill` acts, and every worker confirms it, with all processes of the control plane stopped."""
    with stopped(shared, "controller", "recorder", "shadow", "admin"):
        done = shared.crossfade("kill", "--json")
        assert (done.returncode, json.loads(done.stdout)["killed"]) == (0, True)
        assert len(json.loads(done.stdout)["confirmed"]) == 1
        assert "KILLED" in shared.crossfade("status").stdout
        shared.await_metric("crossfade_killed 1")
        assert ask(shared)
        assert shared.crossfade("kill", "--off").returncode == 0
        assert "KILLED" not in shared.crossfade("status").stdout


def test_no_secret_is_in_an_argument_or_an_environment(shared: Serving) -> None:
    """The journal's key and the pepper are in no child's command line and environment, and in no line of the log."""
    secrets = [(shared.data / name).read_text().strip() for name in ("journal.key", "pepper")]
    for each in shared.status()["processes"]:
        shown = Path(f"/proc/{each['pid']}/cmdline").read_bytes() + Path(f"/proc/{each['pid']}/environ").read_bytes()
        assert not any(secret.encode() in shown for secret in secrets)
    assert not any(secret in shared.log_path.read_text() for secret in secrets)


def test_only_this_user_can_read_the_data(shared: Serving) -> None:
    """Every file is 0600 and every directory 0700 at most."""
    found = dict(modes(shared.data))
    assert {shared.data, shared.data / "routing.json", shared.data / "journal.key"} <= found.keys()
    assert {path: oct(mode) for path, mode in found.items() if mode & 0o077} == {}


def modes(root: Path) -> Iterator[tuple[Path, int]]:
    """The access of a folder, and of all that is in it now."""
    for folder, _, files in os.walk(root):
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            with contextlib.suppress(FileNotFoundError):  # replaced meanwhile
                yield path, path.stat().st_mode


@contextlib.contextmanager
def stopped(serving: Serving, *slots: str) -> Iterator[None]:
    """These processes do nothing while this lasts, and go on where they were afterwards."""
    with contextlib.ExitStack() as goes_on:
        for slot in slots:
            pid = serving.pid_of(slot)
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            goes_on.callback(os.kill, pid, signal.SIGCONT)
        yield


def test_a_reload_under_load_fails_no_request(serving: Serving) -> None:
    """SIGHUP replaces the real workers under load, kept connections included, and not one request fails."""
    with load(serving.port, keep_alive=True, threads=2) as kept, load(serving.port, keep_alive=False, threads=2) as new:
        for round_ in range(1, 4):
            before = min(kept.answered, new.answered)
            serving.process.send_signal(signal.SIGHUP)
            await_true(lambda wanted=round_: len(serving.events("reload.done")) == wanted, "reload")
            await_true(
                lambda wanted=before + 20: min(kept.answered, new.answered) > wanted, "answers of the new workers"
            )
    assert (kept.failures, new.failures) == ([], [])


def test_a_killed_worker_refuses_nobody(serving: Serving) -> None:
    """SIGKILL of the only real worker costs what was under way on it, and refuses no connection."""
    with load(serving.port, keep_alive=False) as running:
        for _ in range(3):
            before, answered = serving.pid_of("worker-0"), running.answered
            assert before is not None
            os.kill(before, signal.SIGKILL)
            await_true(lambda gone=before: serving.pid_of("worker-0") not in (gone, None), "a new worker")
            await_true(lambda answered=answered: running.answered > answered + 20, "answers again")
    assert not [each for each in running.failures if "refused" in each.lower()]
    assert len(running.failures) <= 3 * running.threads


def test_a_worker_that_hangs_is_ended_and_replaced(serving: Serving) -> None:
    """Of two workers one is stopped for good: it is said, another takes its place, and the other is left alone."""
    serving.workers = 2
    serving.write_settings()
    serving.process.send_signal(signal.SIGHUP)
    serving.await_ready(2)
    await_true(lambda: serving.events("reload.done"), "two workers")
    hung, other = serving.pid_of("worker-0"), serving.pid_of("worker-1")
    assert hung is not None
    os.kill(hung, signal.SIGSTOP)
    await_true(lambda: serving.events("process.hangs"), "it is said")
    await_true(lambda: serving.pid_of("worker-0") not in (hung, None), "a new worker")
    serving.await_ready(2)
    await_true(lambda: hung in [event["pid"] for event in serving.events("process.ended")], "its end")
    (said,) = serving.events("process.hangs")
    assert (said["process"], said["pid"]) == ("worker-0", hung)
    assert serving.pid_of("worker-1") == other
    assert ask(serving)


def test_a_state_that_is_removed_is_put_back(serving: Serving) -> None:
    """While nobody can put it back, commands say what is so and name `kill`; then all is as it was, and it is told."""
    state, controller = serving.data / "state.db", serving.pid_of("controller")
    assert serving.crossfade("keys", "create", "ada").returncode == 0
    with stopped(serving, "controller"):
        state.unlink()
        refused = serving.crossfade("rollback", "support-triage", "--reason", "it fails")
        assert refused.returncode == 1
        assert f"state.db is gone while a gateway (pid {serving.process.pid}) serves" in refused.stderr
        assert "`crossfade kill` needs no state" in refused.stderr
        assert "state.db is gone" in serving.crossfade("status").stdout
        assert serving.crossfade("kill").returncode == 0
        assert serving.crossfade("kill", "--off").returncode == 0
    await_true(lambda: serving.events("state.put_back"), "it is put back")
    await_true(lambda: serving.pid_of("controller") not in (controller, None), "a controller that begins anew")
    assert "ada" in serving.crossfade("keys", "list").stdout
    assert ask(serving)


def test_virtual_keys_are_asked_for_and_revoked(serving: Serving, upstream: FakeUpstream) -> None:
    """With virtual keys, only a key that was made and not revoked is answered; the upstream never sees it."""
    serving.settings = serving.settings.replace("${MODE:-passthrough}", "virtual")
    serving.write_settings()
    serving.process.send_signal(signal.SIGHUP)
    await_true(lambda: bool(serving.events("reload.done")), "reload")
    made = serving.crossfade("keys", "create", "team-a")
    key = made.stdout.strip()
    assert key.startswith("cf-")
    with pytest.raises(openai.AuthenticationError):
        ask(serving, "cf-made-up")
    await_true(lambda: answers(serving, key), "the new key is known")
    assert serving.crossfade("keys", "revoke", "team-a").returncode == 0
    await_true(lambda: not answers(serving, key), "the revoked key is refused")
    assert key not in serving.log_path.read_text()


def answers(serving: Serving, key: str) -> bool:
    try:
        return bool(ask(serving, key))
    except openai.AuthenticationError:
        return False


def test_the_status_of_a_dead_gateway(serving: Serving) -> None:
    """Status is read from files: it knows the routes and that nothing serves, after everything was killed."""
    serving.process.kill()
    serving.process.wait()
    status = serving.crossfade("status", "--json")
    assert status.returncode == 1
    assert json.loads(status.stdout)["serving"] is False
    assert json.loads(status.stdout)["table"]["version"] == 1

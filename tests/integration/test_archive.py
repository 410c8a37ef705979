"""A gateway whose records have an archive: what the official SDK asked is in an S3, and comes back as a directory."""

import os
import signal
from pathlib import Path

import openai
import pytest

from gateway.cli.main import main
from records.archive.bucket import open_bucket
from records.archive.manifest import NAME
from records.store import Store
from tests.fakes.openai_answers import Speaker
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.object_storage import SECRET, s3
from tests.rooms.serving import REAL, Serving
from tests.rooms.waiting import PATIENCE_S, await_true

pytestmark = pytest.mark.slow

ASKED = "the heron stands in the shallows"


def test_what_an_app_asked_is_fetched_from_the_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`data: s3://…` is all it takes; the directory that `records fetch` makes is read by every command."""
    with s3() as url, in_thread(FakeUpstream(Speaker("kingfisher"), require_key=False)) as frontier:
        settings = f"data: {url}\nupstreams: {{openai: {{base_url: '{frontier.base_url}'}}}}"
        with Serving(tmp_path, settings, worker=REAL) as serving:
            serving.await_ready()
            base_url = f"http://127.0.0.1:{serving.port}/v1"
            with openai.OpenAI(base_url=base_url, api_key="sk-planted", timeout=PATIENCE_S, max_retries=0) as app:
                app.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": ASKED}])
            records = Store(serving.data / "records")
            await_true(lambda: len(records.ids()) == 1, "it is recorded")
            await_true(lambda: serving.events("archiver.begun"), "the archive is opened")
            os.kill(serving.pid_of("archiver") or 0, signal.SIGTERM)
            bucket, (node,) = open_bucket(url), [serving.events("archiver.begun")[0]["node"]]
            await_true(lambda: b"exchanges" in (bucket.get(f"{node}/{NAME}") or b""), "the list names its file")
            (found,) = records.ids()
            log = serving.log_path.read_text()
        assert main(["records", "fetch", url, "--to", str(tmp_path / "all")]) == 0
        assert f"crossfade records stats --data {tmp_path}/all" in capsys.readouterr().out
        assert main(["records", "tail", "--data", url]) == 1
        assert f"hint: fetch it first: crossfade records fetch {url} --to DIR" in capsys.readouterr().err
    assert main(["records", "show", found, "--data", str(tmp_path / "all")]) == 0
    assert ASKED in capsys.readouterr().out
    assert SECRET not in log

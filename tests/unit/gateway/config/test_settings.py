from pathlib import Path

import pytest

from gateway.cli.init import SETTINGS
from gateway.config.settings import Settings
from gateway.config.settings_file import SettingsError, find, load
from gateway.control.publish.table import base_table


def read(tmp_path: Path, text: str, **environment: str) -> Settings:
    path = tmp_path / "crossfade.yaml"
    path.write_text(text, "utf-8")
    return load(path, environment)


def refusal(tmp_path: Path, text: str, **environment: str) -> str:
    with pytest.raises(SettingsError) as error:
        read(tmp_path, text, **environment)
    return str(error.value).replace(str(tmp_path) + "/", "")


def test_no_file_at_all() -> None:
    """Without a file: loopback ports, one upstream with the caller's key, everything captured, one worker."""
    settings = load(None, {})
    assert (str(settings.server.listen), str(settings.server.admin)) == ("127.0.0.1:8080", "127.0.0.1:8081")
    assert settings.upstreams["openai"].base_url == "https://api.openai.com/v1"
    assert settings.upstreams["openai"].api_key_file is None
    assert (settings.default_name, settings.keys.mode, settings.capture.sample) == ("openai", "passthrough", 1_000_000)
    assert settings.data == Path("crossfade-data")


def test_a_wrong_word_of_the_command_line_is_its_own(tmp_path: Path) -> None:
    """What --listen says wrong is not complained of at the line of the file that it stands for."""
    path = tmp_path / "crossfade.yaml"
    path.write_text("server: {listen: '127.0.0.1:8080'}")
    with pytest.raises(SettingsError) as error:
        load(path, {}, {("server", "listen"): "99"})
    assert str(error.value).startswith("command line: listen: must be an address\n")
    assert "crossfade.yaml" not in str(error.value)


def test_the_file_init_writes_says_the_defaults(tmp_path: Path) -> None:
    """What `crossfade init` writes loads, and means what no file means, with a `vllm` beside it that nobody asks."""
    written, unwritten = read(tmp_path, SETTINGS), load(None, {})
    told = {"data", "policies", "upstreams", "default_upstream"}
    assert written.model_dump(exclude=told) == unwritten.model_dump(exclude=told)
    assert written.upstreams["openai"] == unwritten.upstreams["openai"]
    assert (list(written.upstreams), written.default_name) == (["openai", "vllm"], "openai")
    assert written.policies == tmp_path / unwritten.policies


@pytest.mark.parametrize(
    ("kind", "idle_s"),
    [("openai", 50.0), ("vllm", 2.0), ("sglang", 2.0), ("triton", 2.0), ("vllm, idle: 30s", 30.0)],
)
def test_connections_to_engines_are_kept_for_less_than_engines_keep_them(
    tmp_path: Path, kind: str, idle_s: float
) -> None:
    """What was not used is let go before a server closes it: an engine soon, a load balancer after a minute."""
    settings = read(tmp_path, f"upstreams: {{u: {{kind: {kind}, base_url: http://h/v1}}}}\ndefault_upstream: u\n")
    (upstream,) = base_table(settings, tmp_path).upstreams
    assert upstream.idle_s == idle_s


def test_the_documented_example(tmp_path: Path) -> None:
    """Every key of an upstream and of capture arrives with its unit."""
    settings = read(
        tmp_path,
        """
server: {listen: 127.0.0.1:9000, workers: 4, drain: 2m}
data: /var/lib/crossfade
upstreams:
  azure:
    base_url: https://x.openai.azure.com
    base_path: /openai/deployments/gpt
    query: {api-version: 2024-10-21}
    headers: {api-key: "${AZURE_KEY}"}
    proxy: http://proxy:3128
    ca_file: ca.pem
  vllm: {kind: vllm, base_url: http://127.0.0.1:8000/v1/, uds: /run/vllm.sock, connect: 500ms}
default_upstream: azure
keys: {mode: virtual}
capture: {sample: 50%, retention: 30d, disk_budget: 1GiB, max_body: 1MiB, binary: keep, honor_store_false: false}
prices: {models: {vllm: {"*": {prompt: 0.1, completion: 0.2}}}, candidate: {vllm: {gpu_usd_per_hour: 3.95}}}
lease_expired: keep
""",
        AZURE_KEY="planted",
    )
    azure, vllm = settings.upstreams["azure"], settings.upstreams["vllm"]
    assert azure.headers == {"api-key": "planted"}
    assert azure.query == {"api-version": "2024-10-21"}
    assert azure.ca_file == tmp_path / "ca.pem"  # from the file's own folder on
    assert (vllm.base_url, vllm.connect) == ("http://127.0.0.1:8000/v1", 0.5)
    assert settings.data == Path("/var/lib/crossfade")
    assert (settings.capture.sample, settings.capture.retention, settings.capture.max_body) == (
        500_000,
        2_592_000,
        2**20,
    )
    assert settings.server.drain == 120.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("state: redis://:pw@cache", "crossfade.yaml:1:8: state: no password in a URL"),
        ("state: postgres", "crossfade.yaml:1:8: state: sqlite, redis://host:6379/0"),
        ("state_password_file: p\nstate_password_env: P", "both state_password_file and state_password_env"),
        ("server:\n  workerz: 2", "crossfade.yaml:2:3: `workerz` is no key here"),
        ("server:\n  workerz: 2", "hint: did you mean `workers`?"),
        ("server:\n  workers: 0", "crossfade.yaml:2:12: server.workers: must be greater than or equal to 1"),
        ("upstreams: {a: {}}", "crossfade.yaml:1:16: upstreams.a: base_url is missing"),
        ("upstreams: {a: {kind: litellm}}", "upstreams.a: model is missing"),
        ("upstreams: {a: {base_url: 'http://h', model: m}}", "a model is named by a policy"),
        ("upstreams: {a: {kind: litellm, model: m, headers: {a: b}}}", "headers means nothing for kind: litellm"),
        ("upstreams: {a: {base_url: ftp://h}}", "not a URL: write it as https://host[:port]/v1"),
        ("upstreams: {a: {base_url: 'http://h/v1?x=1'}}", "a base URL has no query: put it under `query`"),
        ("upstreams: {'a b': {base_url: 'http://h'}}", "1:20: upstreams.a b: a name is made of"),
        ("upstreams: {a: {base_url: 'http://h', headers: {x: \"a\\r\\nb\"}}}", "upstreams.a.headers.x"),
        ("upstreams: {a: {base_url: 'http://h', proxy: 'socks5://p:1'}}", "a forward proxy is http://host:port"),
        ("upstreams: {a: {base_url: 'http://h', proxy: 'http://u:p@p:1'}}", "no credentials in a proxy's URL"),
        ("upstreams: {a: {base_url: 'http://h', api_key_file: f, api_key_env: E}}", "name one"),
        ("upstreams: {}", "upstreams"),
        ("upstreams: {a: {base_url: 'http://h'}, b: {base_url: 'http://h'}}", "hint: name one as default_upstream"),
        ("default_upstream: nope", "1:19: default_upstream: no upstream is called 'nope'"),
        ("capture: {retention: 30}", "capture.retention: must be a duration"),
        ("capture: {journal_retention: 2h}", "capture.journal_retention: must be less than or equal to 3600"),
        ("capture: {redact: [emial]}", "crossfade.yaml:1:20: capture.redact.0: must be one of email, phone"),
        ("capture: {redact: ['field: ']}", "crossfade.yaml:1:20: capture.redact.0: must be one of email, phone"),
        ("data: http://bucket", "hint: name a local one here, and the URL as `archive`"),
        ("data: s3://bucket\narchive: s3://other", "1:7: data: a URL, and no directory"),
        ("archive: /a/folder", "hint: write it as s3://bucket/prefix"),
        ("archive: s3://id:key@bucket", "no credentials and no options in a URL"),
        ("lease_expired: 'on'", "lease_expired: must be `baseline` or `keep`"),
        ("prices: {candidate: {nope: {gpu_usd_per_hour: 1}}}", "no upstream is called 'nope'"),
        ("prices: {models: {openai: {gpt-*: {prompt: 1, completion: 1}}}}", "gpt-*: is the price of no model: no name"),
        ("prices: {models: {openai: {m: {prompt: 1e300, completion: 1}}}}", "m.prompt: must be less than or equal to"),
        ("prices: {candidate: {openai: {gpu_usd_per_hour: 1e9}}}", "gpu_usd_per_hour: must be less than or equal to"),
        ("upstreams: {a: {base_url: '${HOST}'}}", "1:27: the environment has no HOST"),
        ("[1]", "settings are keys and values"),
        ("a: [", "not YAML"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    """Each mistake is refused at its line and column, and says what is meant or what to do."""
    assert expected in refusal(tmp_path, text)


PUBLIC = "server: {listen: '0.0.0.0:8080'"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PUBLIC + "}", "server.listen: 0.0.0.0:8080 is public and has no TLS"),
        ("server: {admin: '0.0.0.0:8081'}", "server.admin: 0.0.0.0:8081 is public"),
        ("server: {admin: '0.0.0.0:8081', admin_token_file: t}", "add admin_tls and admin_token_file"),
        ("server: {admin_viewer_token_file: t}", "without admin_token_file everybody may do all"),
        ("server: {admin: '0.0.0.0:8081', admin_tls: {cert: c, key: k}}", "add admin_tls and admin_token_file"),
        (
            PUBLIC + ", tls: front-proxy}\nupstreams: {openai: {base_url: 'http://h', api_key_file: f}}",
            "whoever reaches the port would spend it",
        ),
    ],
)
def test_open_doors_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    """No public admin port without TLS and a token, no public data port without TLS or with a key for everybody."""
    assert expected in refusal(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        PUBLIC + ", tls: front-proxy}",
        PUBLIC + ", tls: {cert: c, key: k}}",
        PUBLIC
        + ", tls: front-proxy}\nkeys: {mode: virtual}\nupstreams: {openai: {base_url: 'http://h', api_key_file: f}}",
        "server: {admin: '0.0.0.0:1', admin_tls: {cert: c, key: k}, admin_token_file: t}",
    ],
)
def test_closed_doors_are_fine(tmp_path: Path, text: str) -> None:
    """A public address is fine once it is guarded."""
    assert read(tmp_path, text)


def test_a_refusal_shows_no_secret(tmp_path: Path) -> None:
    """The value of a field that is wrong is not repeated, and the short form leaves the file's lines out."""
    path = tmp_path / "crossfade.yaml"
    path.write_text("upstreams: {a: {base_url: 'http://h', headers: {authorization: \"planted\\n\"}}}\n", "utf-8")
    with pytest.raises(SettingsError) as error:
        load(path, {})
    assert "planted" not in str(error.value)
    assert "planted" not in error.value.brief
    path.write_text("upstreams: {a: {base_url: 'http://user:planted@h'}}\n", "utf-8")
    with pytest.raises(SettingsError) as error:
        load(path, {})
    assert "planted" not in error.value.brief


def test_the_command_line_wins(tmp_path: Path) -> None:
    """What an option says replaces what the file says, and the rest of its section stays."""
    path = tmp_path / "crossfade.yaml"
    path.write_text("server: {listen: '127.0.0.1:1', workers: 3}", "utf-8")
    settings = load(path, {}, {("server", "listen"): "127.0.0.1:2", ("data",): "/elsewhere"})
    assert (settings.server.listen.port, settings.server.workers, settings.data) == (2, 3, Path("/elsewhere"))


def test_records_in_object_storage(tmp_path: Path) -> None:
    """A URL as `data` is the archive of the records; what processes work in stays local."""
    for text in ("data: s3://bucket/prefix/", "archive: s3://bucket/prefix"):
        settings = read(tmp_path, text)
        assert (settings.data, settings.archive) == (tmp_path / "crossfade-data", "s3://bucket/prefix")
    assert read(tmp_path, "data: /var/lib/crossfade\narchive: gs://bucket/a").archive == "gs://bucket/a"


def test_which_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The named file, or the environment's, or crossfade.yaml here, or none; a named one has to be there."""
    monkeypatch.chdir(tmp_path)
    assert find(None, {}) is None
    Path("crossfade.yaml").touch()
    assert find(None, {}) == Path("crossfade.yaml")
    Path("other.yaml").touch()
    assert find(None, {"CROSSFADE_CONFIG": "other.yaml"}) == Path("other.yaml")
    with pytest.raises(SettingsError, match=r"a folder, and no file(.|\n)*hint: name the crossfade.yaml in it"):
        find(str(tmp_path), {})
    with pytest.raises(SettingsError, match="no such file"):
        find("missing.yaml", {})


@pytest.mark.parametrize("name", ["CROSSFADE_CONFG", "CROSSFADE_CONFIGS", "CROSSFADE_CONFIG_"])
def test_a_misspelt_variable_is_told(name: str) -> None:
    """Who means to name the settings file is not served the defaults; what an orchestrator sets is nobody's mistake."""
    with pytest.raises(SettingsError, match=f"{name}: no variable of ours\n    hint: did you mean CROSSFADE_CONFIG?"):
        find(None, {name: "other.yaml"})
    for theirs in ("CROSSFADE_SERVICE_HOST", "CROSSFADE_PORT", "CROSSFADE_CACHE", "CROSSFADE_CONFIG_KEY"):
        find(None, {theirs: "10.0.0.1"})

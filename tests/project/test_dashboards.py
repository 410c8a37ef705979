"""What can be said of dashboards, rules and compose files without a Grafana, a Prometheus or a Docker."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.settings_file import load
from gateway.telemetry.metrics import BY_NAME
from tests.fakes import engine_pages
from tools import dashboards

DEPLOY = Path(__file__).parents[2] / "deploy"
METRIC = re.compile(r"(?:crossfade_|vllm:|sglang:|nv_)[a-z0-9_]+")
SUFFIXES = re.compile(r"_(bucket|sum|count)$")


def _engine_series() -> dict[str, set[str]]:
    """What engines show, by family: its labels."""
    found: dict[str, set[str]] = {}
    for page in engine_pages.PAGES.values():
        families = set(re.findall(r"^# TYPE (\S+)", page(), re.MULTILINE))
        for name, labels in re.findall(r"^([a-z_:0-9]+)\{(.*)\}", page(), re.MULTILINE):
            family = name if name in families else SUFFIXES.sub("", name)
            found.setdefault(family, set()).update(re.findall(r'(\w+)="', labels))
    return found


ENGINES = _engine_series()
KNOWN = {name: set(metric.labels) for name, metric in BY_NAME.items()} | ENGINES
PAGES = {name: json.loads(text) for name, text in dashboards.pages().items()}


def _panels() -> list[Any]:
    drawn = [(name, panel) for name, page in PAGES.items() for panel in page["panels"] if panel["type"] != "row"]
    return [pytest.param(panel, id=f"{name}-{panel['id']}") for name, panel in drawn]


def _metrics(expr: str) -> set[str]:
    named = METRIC.findall(expr)
    return {name if name in KNOWN else SUFFIXES.sub("", name) for name in named}


def test_the_files_are_what_the_code_says() -> None:
    """Making the dashboards again gives the same bytes; run tools/dashboards.py after a change."""
    assert {name: (dashboards.FOLDER / name).read_text("utf-8") for name in PAGES} == dashboards.pages()
    assert {path.name for path in dashboards.FOLDER.iterdir()} == set(PAGES)


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_panels_have_numbers_and_places_of_their_own(page: dict[str, Any]) -> None:
    """No two panels share an id or a cell of the grid, and none stands beyond its edge."""
    panels = page["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize("panel", _panels())
def test_each_panel_says_what_it_draws(panel: dict[str, Any]) -> None:
    """A panel asks the chosen source, has a unit, and its description ends with the metrics it draws, which exist."""
    about, *told = re.split(rf" (?={METRIC.pattern})", panel["description"])
    asked = set(itertools.chain.from_iterable(_metrics(target["expr"]) for target in panel["targets"]))
    assert about.endswith(".")
    assert set(told) == asked
    assert asked <= set(KNOWN)
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert all(target["datasource"]["uid"] == "${datasource}" for target in [panel, *panel["targets"]])
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("panel", _panels())
def test_queries_ask_only_for_labels_that_exist(panel: dict[str, Any]) -> None:
    """Each label a query selects or groups by is one of the metric's own, or one that Prometheus adds."""
    for target in panel["targets"]:
        labels = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)\s*\"", target["expr"]))
        for group in re.findall(r"by \(([^)]*)\)", target["expr"]):
            labels |= {label.strip() for label in group.split(",")}
        known = {label for name in _metrics(target["expr"]) for label in KNOWN[name]}
        assert labels <= known | {"job", "instance", "le"}, target["expr"]


@pytest.mark.parametrize("panel", _panels())
def test_queries_draw_no_series_that_is_none(panel: dict[str, Any]) -> None:
    """A 0 for where nothing is stands alone: `or vector(0)` would draw it beside series with labels, too."""
    for target in panel["targets"]:
        assert not re.search(r"or vector\(", target["expr"]), target["expr"]


@pytest.mark.parametrize("panel", _panels())
def test_sums_of_a_range_hold_what_series_began_with(panel: dict[str, Any]) -> None:
    """`increase` over the range never sees a series' first event: what it began with is added (tools/panels.py)."""
    for target in panel["targets"]:
        seen, begun = (target["expr"].count(text) for text in ("increase(", "min_over_time("))
        assert "[$__range]" not in target["expr"] or seen == 2 * begun, target["expr"]


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_variables_and_marks_ask_for_metrics_that_exist(page: dict[str, Any]) -> None:
    """Choices at the top and marks on every panel rest on metrics there are; every variable used is there."""
    variables = {variable["name"] for variable in page["templating"]["list"]}
    queries = [variable["definition"] for variable in page["templating"]["list"] if variable["type"] == "query"]
    queries += [mark["expr"] for mark in page["annotations"]["list"]]
    assert all(_metrics(query) <= set(KNOWN) for query in queries)
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(page)))
    assert used == variables


def test_alerts_rest_on_metrics_that_exist_and_say_what_to_do() -> None:
    """Each alert asks for metrics there are, has a severity, a summary and a description."""
    groups = yaml.safe_load((DEPLOY / "prometheus" / "rules" / "crossfade.yml").read_text("utf-8"))["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert _metrics(rule["expr"]) <= set(BY_NAME), rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "description"}


def _compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "docker-compose.yml").read_text("utf-8"))


def test_compose_mounts_what_is_there_and_publishes_nothing() -> None:
    """Every file it mounts exists, every port is published on loopback alone, every image has its version."""
    compose = _compose()
    for name, service in compose["services"].items():
        for mount in service["volumes"]:
            source = mount.replace("${CROSSFADE_POLICIES:-./compose/policies}", "./compose/policies").split(":")[0]
            if source.startswith("./"):
                assert (DEPLOY / source).exists(), mount
            elif not source.startswith("$"):
                assert source in compose["volumes"], mount
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        assert "build" in service or re.search(r":v?\d", service["image"]), name
        assert not service.get("privileged")


def test_compose_waits_for_a_gateway_that_is_ready() -> None:
    """Who needs the gateway waits for its image's check, which asks for readiness where the settings have the port."""
    assert _compose()["services"]["prometheus"]["depends_on"] == {"crossfade": {"condition": "service_healthy"}}
    admin = load(DEPLOY / "compose" / "crossfade.yaml", {}).server.admin
    [check] = re.findall(r"HEALTHCHECK.*\\\n +CMD (.*)", (DEPLOY.parent / "Dockerfile").read_text("utf-8"))
    assert f"http://{admin}/readyz" in check


def test_compose_keeps_the_admin_port_on_loopback() -> None:
    """Its settings load; Prometheus scrapes the admin port from inside the gateway's own network."""
    settings = load(DEPLOY / "compose" / "crossfade.yaml", {})
    assert settings.server.admin.is_loopback
    assert settings.upstreams["vllm"].kind == "vllm"
    compose = _compose()["services"]
    assert compose["prometheus"]["network_mode"] == "service:crossfade"
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    assert scraped[0]["static_configs"][0]["targets"] == [str(settings.server.admin)]
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text("utf-8"))
    assert source["datasources"][0]["url"] == "http://crossfade:9090"
    assert "127.0.0.1:9090:9090" in compose["crossfade"]["ports"]

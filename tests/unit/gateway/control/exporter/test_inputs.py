import os
from pathlib import Path

from gateway.control.exporter.boot import ExporterBoot
from gateway.control.exporter.inputs import ExporterInputs
from policies.routing import Lease, Table, Upstream, encode


def test_files_are_read_when_they_have_changed(tmp_path: Path) -> None:
    """Upstreams come from the routing table; one that is damaged or gone takes away none of what was read before."""
    routing = tmp_path / "routing.json"
    boot = ExporterBoot(
        journal="", journal_key="", pepper="00", records=str(tmp_path), routing=str(routing),
        plan=str(tmp_path / "shadow.json"), readers="", exposition="", endpoint="", service_name="s", version="1",
        gpu=str(tmp_path / "gpu.json"), content=True,
    )  # fmt: skip
    inputs = ExporterInputs(boot)
    inputs.look()
    assert (dict(inputs.terms.upstreams), inputs.terms.content) == ({}, True)

    table = Table(1, Lease(0.0), (Upstream("openai", "https://api.openai.com/v1"),), "openai")
    routing.write_bytes(encode(table))
    inputs.look()
    assert inputs.terms.upstreams["openai"].provider == "openai"
    assert inputs.maker.route_prices[""].baseline_upstream == "openai"
    terms = inputs.terms
    inputs.look()
    assert inputs.terms is terms

    routing.write_bytes(b"half")
    os.utime(routing, ns=(1, 1))
    inputs.look()
    assert inputs.terms.upstreams.keys() == {"openai"}

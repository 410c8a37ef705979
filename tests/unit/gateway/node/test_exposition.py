"""What another process of this node last said in its metrics."""

from pathlib import Path

from gateway.node.exposition import by_route


def test_a_gauge_is_read_by_route(tmp_path: Path) -> None:
    """Each route's value, of this gauge alone; nothing where nothing was said."""
    path = tmp_path / "shadow.prom"
    assert by_route(path, "shadow_queue") == {}
    path.write_text('crossfade_shadow_queue{route="a b"} 3\ncrossfade_shadow_queues{route="c"} 1\n')
    assert by_route(path, "shadow_queue") == {"a b": 3.0}

from gateway.proxy.serving import Watch
from gateway.proxy.table_watch import TableWatch


def test_scripts_from_outside_find_the_class_that_follows_the_table() -> None:
    """A check of the lease that was written against the first releases runs: it is the very class that workers use."""
    assert Watch is TableWatch

"""What holds for all tests."""

import signal


def pytest_configure() -> None:
    """Let Ctrl-C reach what tests start, though a shell that put the tests into the background had it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

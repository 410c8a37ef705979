"""How a process begins that the supervisor starts."""

import os
import signal

import pytest

from gateway.process import read_boot, say_ready, stop_asked


def test_the_boot_is_what_the_pipe_holds() -> None:
    """A process reads all that its supervisor wrote into the pipe it names."""
    ours, theirs = os.pipe()
    os.write(theirs, b'{"a": 1}')
    os.close(theirs)

    assert read_boot(["--boot-fd", str(ours)]) == b'{"a": 1}'


def test_without_a_pipe_nothing_begins() -> None:
    """Started by hand, without a boot pipe, a process says how it is used and ends with 2."""
    with pytest.raises(SystemExit) as ended:
        read_boot([])

    assert ended.value.code == 2


def test_ready_is_one_byte_and_the_end() -> None:
    """The supervisor reads one byte, and then that nothing more comes."""
    ours, theirs = os.pipe()

    say_ready(theirs)
    say_ready(-1)  # nobody asked

    assert os.read(ours, 10) == b"+"
    assert os.read(ours, 10) == b""
    os.close(ours)


def test_a_signal_asks_to_stop() -> None:
    """SIGTERM and SIGINT ask a process to end, and do not end it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        for number in before:
            stop = stop_asked()
            signal.raise_signal(number)

            assert stop.is_set()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

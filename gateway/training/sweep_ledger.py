"""What a sweep has come to so far, in its folder: cut off, it goes on where it was, and no hour is paid twice."""

from collections.abc import Mapping
from pathlib import Path
from threading import Lock

import msgspec

from gateway.training.sweep import SweepResult
from records.durable import replace

FILE = "sweep.json"


class _Written(msgspec.Struct):
    asked: dict[str, object]
    results: list[SweepResult]


class SweepLedger:
    """The results of one sweep, by configuration and share of its updates."""

    def __init__(self, folder: Path, asked: Mapping[str, object]) -> None:
        """`asked`: all that decides what a result is.

        Raises:
            ValueError: the folder is another sweep's, or holds something else.
            OSError: it cannot be read or made.
        """
        self._path, self._lock = folder / FILE, Lock()
        self._told = _Written(msgspec.json.decode(msgspec.json.encode(asked), type=dict[str, object]), [])
        folder.mkdir(parents=True, exist_ok=True)
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=_Written)
        except FileNotFoundError:
            found = None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ValueError(f"{self._path} is damaged. hint: another --out") from error
        if found is None:
            if any(folder.iterdir()):
                raise ValueError(f"{folder} is not empty. hint: another --out")
            replace(self._path, msgspec.json.encode(self._told))
        elif found.asked != self._told.asked:
            other = sorted(name for name, value in self._told.asked.items() if found.asked.get(name) != value)
            raise ValueError(
                f"{folder} is of a sweep with another {', '.join(other) or 'question'}. hint: another --out; the same "
                "words go on with it"
            )
        else:
            self._told = found

    def known(self, number: int, share: float) -> SweepResult | None:
        """What this configuration came to at this share; None: it was not trained so far."""
        return next((one for one in self._told.results if (one.number, one.share) == (number, share)), None)

    def keep(self, result: SweepResult) -> None:
        """Write down what a configuration came to.

        Raises:
            OSError: the disk refused.
        """
        with self._lock:
            self._told.results.append(result)
            replace(self._path, msgspec.json.encode(self._told))

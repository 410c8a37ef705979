"""Object storage behind five verbs: S3 and what speaks like it, Google's, Azure's, or a folder.

Who may use it is known from the surroundings, as other tools know it: `AWS_ACCESS_KEY_ID`, `AWS_REGION`,
`AWS_ENDPOINT_URL`, or what the machine is given. Every call has a deadline. Needs the extra `archive`.
"""

import importlib
import importlib.util
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

PACKAGE = "obstore"
"""What the extra brings."""
SCHEMES = ("s3", "gs", "az", "file")
CONNECT_S, CALL_S, RETRY_S = 5.0, 60.0, 20.0
"""Longest to connect, for one answer, and for all tries of one call; a file of 64 MiB has `CALL_S`."""
TRIES = 2
_PIECE_BYTES = 8 * 1024 * 1024
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")


class ArchiveError(Exception):
    """The archive cannot be used; the message says why, and shows no key."""


def lacking() -> str:
    """What has to be installed before an archive can be used; empty: nothing."""
    if importlib.util.find_spec(PACKAGE) is not None:
        return ""
    return f'an archive needs {PACKAGE}. hint: install the extra `archive` (README, "Install")'


def place_of(url: str) -> str:
    """An archive's URL as it is kept: without a slash at its end.

    Raises:
        ValueError: it is none.
    """
    scheme, slashes, place = url.partition("://")
    if not slashes or scheme not in SCHEMES or not place.strip("/"):
        raise ValueError("no archive. hint: write it as s3://bucket/prefix; gs://, az:// and file:/// are known, too")
    if "@" in place or "?" in place:
        raise ValueError("no credentials and no options in a URL. hint: state them in the surroundings, as AWS_REGION")
    return url.rstrip("/")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A place in object storage. Names are paths below it."""

    url: str
    _library: Any
    _place: Any

    def put(self, name: str, content: bytes | Path) -> None:
        """Put an object there, whole or not at all.

        Raises:
            FileNotFoundError: the file is not there.
            ArchiveError: it was not taken.
        """
        if isinstance(content, Path):
            content.stat()  # else storage and file could not be told apart
        self._do("put", name, content)

    def get(self, name: str) -> bytes | None:
        """An object's content; None: there is none.

        Raises:
            ArchiveError: it cannot be read.
        """
        try:
            return bytes(self._do("get", name).bytes())
        except FileNotFoundError:
            return None

    def fetch(self, name: str, path: Path) -> bool:
        """Write an object to a file; False: there is no such object.

        Raises:
            OSError: the disk refused.
            ArchiveError: it cannot be read.
        """
        try:
            found = self._do("get", name)
        except FileNotFoundError:
            return False
        with path.open("wb") as file:
            try:
                for piece in found.stream(min_chunk_size=_PIECE_BYTES):
                    file.write(piece)
            except self._library.exceptions.BaseError as error:
                raise ArchiveError(_plain(error)) from None
            file.flush()
            os.fsync(file.fileno())
        return True

    def delete(self, names: Sequence[str]) -> None:
        """Remove objects; what is not there is no error.

        Raises:
            ArchiveError: not all of them are gone.
        """
        for name in names:
            try:
                self._do("delete", name)
            except FileNotFoundError:
                continue

    def folders(self) -> list[str]:
        """The names of the folders in it.

        Raises:
            ArchiveError: it cannot be listed.
        """
        return sorted(str(each).rstrip("/") for each in self._do("list_with_delimiter", None)["common_prefixes"])

    def names(self, folder: str) -> list[str]:
        """The objects below a folder, however deep.

        Raises:
            ArchiveError: it cannot be listed.
        """
        try:
            return [str(meta["path"]) for page in self._library.list(self._place, folder) for meta in page]
        except self._library.exceptions.BaseError as error:
            raise ArchiveError(_plain(error)) from None

    def _do(self, verb: str, *arguments: Any) -> Any:
        try:
            return getattr(self._library, verb)(self._place, *arguments)
        except FileNotFoundError as error:
            if verb in ("put", "list_with_delimiter"):  # it is the bucket that is not there
                raise ArchiveError(_plain(error)) from None
            raise
        except (self._library.exceptions.BaseError, PermissionError) as error:
            raise ArchiveError(_plain(error)) from None


def open_bucket(url: str) -> Bucket:
    """The object storage at `url`; nothing is asked yet.

    Raises:
        ArchiveError: the extra is not installed, or the URL or the surroundings make no storage.
    """
    if missing := lacking():
        raise ArchiveError(missing)
    library, stores = importlib.import_module(PACKAGE), importlib.import_module(f"{PACKAGE}.store")
    client = {
        "allow_http": True,  # of an endpoint that an operator states with http://
        "connect_timeout": timedelta(seconds=CONNECT_S),
        "timeout": timedelta(seconds=CALL_S),
    }
    retry = {"max_retries": TRIES, "retry_timeout": timedelta(seconds=RETRY_S)}
    if url.startswith("file://") and not Path(url.removeprefix("file://")).is_dir():
        raise ArchiveError("no such folder. hint: make it, or mount what belongs there")
    try:
        if url.startswith("file://"):
            return Bucket(url, library, stores.LocalStore(url.removeprefix("file://")))
        return Bucket(url, library, stores.from_url(url, client_options=client, retry_config=retry))
    except (library.exceptions.BaseError, ValueError) as error:
        raise ArchiveError(_plain(error)) from None


def _plain(error: Exception) -> str:
    """What went wrong without the answer's text, in which a key may stand."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    if code is not None:
        return f"{code[1]} ({status[1]})" if status is not None else code[1]
    if status is not None:
        return f"HTTP {status[1]}"
    return "nobody answers" if "error sending request" in text else type(error).__name__

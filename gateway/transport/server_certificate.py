"""The certificate that a port shows, read anew when it was renewed: short-lived ones are, without anybody's word.

A context that is in use is never changed: certificate and key are two files, and between two writes they are no pair.
"""

import os
import ssl
from collections.abc import Sequence
from typing import Final

from records.named_file import require_file

LOOK_S: Final = 5.0
"""How often its files are looked at."""
NOT_RENEWED: Final = "the certificate before stays in use; mend the files and they are taken up at once"
"""What to do about a `problem`."""
_Stamp = tuple[int, int, int]


class ServerCertificate:
    """One port's. Handshakes that begin use `context` as it is then."""

    def __init__(self, cert: str | os.PathLike[str], key: str | os.PathLike[str], *, alpn: Sequence[str] = ()) -> None:
        """Read it.

        Raises:
            OSError: a file cannot be read, or the two do not fit each other.
        """
        self._files = (os.fspath(cert), os.fspath(key))
        self._alpn = list(alpn)
        self._stamps: list[_Stamp] = self._look()
        self.context = self._made()
        self.problem = ""
        """Why the newest files are not in use; empty: they are."""
        self._told = ""

    def news(self) -> str:
        """What is wrong with the newest files, if that has not been said yet; empty: nothing new is."""
        told, self._told = self._told, self.problem
        return self.problem if self.problem != told else ""

    def renew(self) -> bool:
        """Look at the files; True if there is another pair, which is shown from now on. Else the one before stays."""
        stamps = self._look()
        if stamps == self._stamps:
            self.problem = ""
            return False
        try:
            self.context = self._made()
        except OSError as error:
            self.problem = f"{', '.join(self._files)}: {error.strerror or error}"
            return False
        self._stamps, self.problem = stamps, ""
        return True

    def _look(self) -> list[_Stamp]:
        """What changes when one of the files does."""
        found: list[_Stamp] = []
        for path in self._files:
            try:
                seen = os.stat(path)
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((seen.st_mtime_ns, seen.st_ino, seen.st_size))
        return found

    def _made(self) -> ssl.SSLContext:
        for path in self._files:
            require_file(path)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self._files, password="")  # a key that has one is refused; nobody is asked for it
        if self._alpn:
            context.set_alpn_protocols(self._alpn)
        return context

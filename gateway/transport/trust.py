"""Whom a client believes: the system's certificate authorities, or those of a file that the settings name."""

import os
import ssl

from records.named_file import require_file


def trusting(ca_file: str | os.PathLike[str] | None) -> ssl.SSLContext:
    """A client's context.

    Raises:
        OSError: the file cannot be read, is no file, or holds no certificates (ssl.SSLError).
    """
    if ca_file is not None:
        require_file(ca_file)  # OpenSSL would wait for a pipe
    return ssl.create_default_context(cafile=ca_file)

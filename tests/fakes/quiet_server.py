"""A server of threads that says nothing on stderr of clients that hang up: on a busy machine a scrape times out."""

import http.server
import sys
from typing import Any


class QuietServer(http.server.ThreadingHTTPServer):
    """As the standard library's; any other fault is told."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

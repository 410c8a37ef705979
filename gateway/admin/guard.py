"""Checks access to each page of the admin port: the token's role, and where a request comes from."""

from dataclasses import dataclass

from fastapi import HTTPException, Request

from gateway import clock
from gateway.admin.auth import Access, Credentials, Door, is_elsewhere


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets through who may pass, for pages of one access class."""

    door: Door
    access: Access
    is_form: bool = False
    """Whether a browser sends it as a form: then the console checks where it comes from."""

    def __call__(self, request: Request) -> None:
        """Refuse, or do nothing.

        Raises:
            HTTPException: the caller may not see this.
        """
        if self.access in ("probe", "public"):
            return
        given, now = credentials(request), clock.wall()
        reason = self.door.refusal(given, now=now)
        if reason is not None:
            raise HTTPException(401 if self.door.token_sha256 is not None else 403, reason)
        if self.access == "operator":
            if self.door.role(given, now=now) != "operator":
                raise HTTPException(403, "this token only looks: sign in with the admin token to change anything")
            if not self.is_form:
                self._check_operator(request)

    def _check_operator(self, request: Request) -> None:
        """Refuse what another site's page can send without being asked first.

        Raises:
            HTTPException: it is not one of ours, or says nothing in JSON.
        """
        headers = request.headers
        if is_elsewhere(origin=headers.get("origin", ""), host=headers.get("host", "")):
            raise HTTPException(403, "a page of another site changes nothing here")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "send JSON: content-type: application/json")


def credentials(request: Request) -> Credentials:
    """What a request says of its sender."""
    headers = request.headers
    return Credentials(headers.get("host", ""), headers.get("authorization", ""), headers.get("cookie", ""))

"""What `crossfade doctor` looks at of the archive: whether this machine may write, read and remove there."""

import secrets
from collections.abc import Iterator

from gateway.config.settings import Settings
from gateway.doctor.result import CheckResult
from records.archive.bucket import ArchiveError, open_bucket

SUBJECT = "archive"


def archive(settings: Settings) -> Iterator[CheckResult]:
    """The archive, if there is one; what is written there for the look is removed."""
    if settings.archive is None:
        return
    name, content = f"doctor-{secrets.token_hex(4)}", secrets.token_bytes(8)
    try:
        bucket = open_bucket(settings.archive)
        bucket.put(name, content)
        is_same = bucket.get(name) == content
        bucket.delete([name])
    except ArchiveError as error:
        hint = "is the bucket there, and may this machine write, read and delete in it? AWS_REGION, AWS_ENDPOINT_URL?"
        yield CheckResult("failure", SUBJECT, f"{settings.archive}: {error}", hint)
        return
    if is_same:
        yield CheckResult("ok", SUBJECT, f"{settings.archive} takes records")
    else:
        hint = "is it one bucket, and nothing in between that caches?"
        yield CheckResult("failure", SUBJECT, f"{settings.archive} gives back something else", hint)

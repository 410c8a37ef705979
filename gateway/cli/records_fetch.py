"""`crossfade records fetch`: what all nodes archived, into a directory here that every reading command takes."""

import argparse
import json
import os
from dataclasses import asdict

from gateway.cli import layout
from gateway.cli.progress import progress
from gateway.config import settings_file
from gateway.node.datadir import DataDir, DataDirError, prepare
from records.archive.bucket import ArchiveError, open_bucket, place_of
from records.archive.reader import ArchiveFetch

_HINT = "are key, region and address in the surroundings? AWS_ACCESS_KEY_ID, AWS_REGION, AWS_ENDPOINT_URL"


def run(arguments: argparse.Namespace) -> int:
    """Do it.

    Raises:
        OSError, SettingsError, DataDirError: it cannot be done.
    """
    url = _archive(arguments)
    data = DataDir(arguments.to)
    try:
        with progress("bytes") as done:
            count = ArchiveFetch(open_bucket(url), data.records, done).run()
    except ArchiveError as error:
        hint = "" if "hint: " in str(error) else f". hint: {_HINT}"
        raise DataDirError(f"{url}: {error}{hint}") from None
    prepare(data.root)  # not before something is in it
    if arguments.json:
        print(json.dumps({"archive": url, "data": str(data.root)} | asdict(count)))
        return 0
    nodes, fetched = layout.counted(count.nodes, "node"), layout.counted(count.fetched, "file")
    print(f"{fetched} fetched ({count.fetched_bytes / 1e6:,.1f} MB), {count.removed} removed.")
    print(f"{data.root} has what {nodes} archived, in {layout.counted(count.files, 'file')}.")
    print(f"Next: crossfade records stats --data {data.root}")
    return 0


def _archive(arguments: argparse.Namespace) -> str:
    """The URL of the command line, or of the settings."""
    if arguments.archive is not None:
        try:
            return place_of(arguments.archive)
        except ValueError as error:
            raise DataDirError(f"{arguments.archive}: {error}") from None
    found = settings_file.load(settings_file.find(arguments.config, os.environ), os.environ).archive
    if found is None:
        raise DataDirError("no archive is named. hint: state `archive: s3://bucket/prefix` in crossfade.yaml, or here")
    return found

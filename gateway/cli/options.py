"""Options that commands have in common. Only argparse: `--help` loads nothing else."""

import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which Crossfade a command is about."""
    parser.add_argument("--config", metavar="FILE", help="the settings (default: crossfade.yaml here, if there is one)")
    parser.add_argument("--data", metavar="DIR", help="the data directory (default: what the settings say)")


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option of every command that reads."""
    parser.add_argument("--json", action="store_true", help="print JSON")

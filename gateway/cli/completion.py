"""`crossfade completion SHELL`: what a shell needs to complete commands and options, to be evaluated by it."""

import argparse
import importlib

from gateway.cli.arguments import command_line


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    print(importlib.import_module("shtab").complete(command_line(), shell=arguments.shell))
    return 0

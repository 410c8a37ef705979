"""The command `crossfade`: one module a command, loaded when it runs, so that `--help` is fast.

`main.py` finds the command, `arguments.py` has every command's options (argparse only), `context.py` says which
Crossfade a command is about. The top floor: may import everything; nobody imports it.
Data goes to stdout, talk to stderr; 0 is fine, 1 refused or failing, 2 bad usage. Begin: `main.py`.
"""

"""Follows the workers' journals: segment by segment, from where it last was.

`tail.py` reads one journal, `follower.py` all of a node, `cursors.py` keeps how far each reader came.
The lowest floor of the control plane: imports `records.journal` and the hall. Begin: `follower.py`.
"""

"""`crossfade demo`: an app, two replayed models, and a whole gateway between them, on this machine alone.

`story.py` is what happens, `sandbox.py` the gateway, `models.py` and `app.py` who speaks, `screen.py` what is shown.
May import everything but `cli`. Begin: `story.py`.
"""

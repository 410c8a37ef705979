"""`crossfade demo`: an app, two replayed models, and a whole gateway between them, on this machine alone.

`story.py` has the acts, `sandbox.py` the gateway, `models.py` and `app.py` both sides of it, `screen.py` the picture.
May import everything but `cli`. Begin: `story.py`.
"""

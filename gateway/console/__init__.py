"""The console: pages of the admin port, rendered here, and the process that serves them beside the API.

`app.py` is the web, `ask.py` what a page is asked and shows, `render.py` and `templates/` the HTML; each page is a file
that `pages.py` names; `words.py`, `drawing.py` and `differences.py` are pure. Above `admin`, whose API is its only
source. Begin: `pages.py`.
"""

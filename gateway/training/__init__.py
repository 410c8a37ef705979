"""From a dataset to the next candidate: training scripts that users own, the environment they run in, the preflight.

`recipes/` holds the scripts and is never imported: `render.py` writes them into the user's folder, `environment.py`
makes what they run in, `preflight.py` asks the engine, `revision.py` writes the next policy.
Begin: `gateway/cli/train.py`.
"""

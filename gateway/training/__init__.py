"""From a dataset to the next candidate: training scripts that users own, the environment they run in, the preflight.

`training_set.py` says whether a dataset may be trained on. `recipes/` holds the scripts, `inside/` what asks their
environment; neither is imported. `render.py` writes the scripts into the user's folder, `environment.py` makes what
they run in, `token_mask.py` tells what is learned of a row, `sweep.py` stops the weak of several ways to train,
`preflight.py` asks the engine, `revision.py` writes the next policy.
Begin: `gateway/cli/train.py`.
"""

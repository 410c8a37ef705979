"""Compares: which exchanges are mirrored, how answers are compared, what judges may say.

`sampling.py` chooses, `mirror.py` and `lanes.py` order the work, `score_pair.py` compares a pair, `pairing.py` makes
the evidence event. What runs it is `gateway/control/shadow`; `ports.py` is what it asks of its surroundings.
May import `records` and `policies`, never `gateway`. Begin: `score_pair.py`.
"""

"""The judge's questions, the reading of its verdicts, and its hidden tests. Pure: `shadow/judge.py` asks.

`prompt.py` is the question, `verdict.py` reads the answer, `controls.py` are the hidden pairs that
tell whether it can judge.
May import values of `policies`. Begin: `controls.py`.
"""

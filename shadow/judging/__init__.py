"""What a judge is asked and what its word is worth. Pure: who asks it is `shadow/judge.py`.

`prompt.py` is the question, `verdict.py` reads the answer, `controls.py` are the hidden pairs that
tell whether it can judge.
May import values of `policies`. Begin: `controls.py`.
"""

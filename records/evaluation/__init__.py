"""Evaluation sets: questions that no model may have been trained on, and what runs over them found.

sets.py    a set registered once: its rows, its hashes, its runs
files.py   JSONL, OpenAI Evals and promptfoo files -> rows
sample.py  recorded exchanges -> rows for a person to label

May import `records`. Begin: `sets.py`.
"""

"""Every metric, in one table: its name, its type, who computes it, what it says.

May import the hall only. Begin: `metrics.py`.
"""

"""What people ask and order, for the command line and the admin API alike.

`standings.py` says where rollouts stand, `orders.py` gives an operator's order to the leader,
`rollback_check.py` sees whether this node goes by a rollback,
`votes.py` shows feedback,
`rebuild.py` makes evidence again from the records, `readiness.py` says which routes are due for a fine-tune.
The top floor of the control plane.
Begin: `orders.py`.
"""

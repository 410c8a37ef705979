"""What all nodes know together: rollouts, orders, decisions, the leader's lease. SQLite for one, Redis for more."""

"""What is kept on this machine: the data directory, the local database, the kill file, secrets, keys.

May import `config` and the hall; starts no process and serves nobody. Begin: `datadir.py`, the map of the directory.
"""

"""From settings and policy files to the routing table that workers read.

`policy_folder.py` watches the files, `policy_compiler.py` compiles one, `weights.py` says how much a candidate gets,
`table.py` makes the whole, `publisher.py` writes it. May import `events`, `state`, `config`, `node`.
Begin: `publisher.py`.
"""

"""Files that people write: `crossfade.yaml` and the policy files, read whole or refused with file, line and column.

`settings.py` is what they may say (`readiness.py`, `otel.py` and `warm.py` are parts), `settings_file.py` and
`policy_file.py` read them, `surroundings.py` is what a policy learns of the settings, `yaml_file.py` and `problems.py`
say what is wrong and where, `policies_home.py` says which folder is read.
May import `policies`, `shadow` and the hall; knows no process. Begin: `settings.py`.
"""

"""The exporter process: from the journals to spans, and to a collector that speaks OTLP. No app waits for it.

`spans.py` makes spans of a row, `turns.py` what was said in them, `names.py` names all attributes, `otlp.py` writes
OTLP's messages, `collector.py` sends them. Only with `otel` in the settings; needs the extra `crossfade[otel]`.
May import `row_maker`, `prices`, `journals`. Begin: `process.py`, then `spans.py`.
"""

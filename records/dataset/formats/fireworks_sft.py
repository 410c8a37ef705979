"""`fireworks-sft`: OpenAI's chat rows within what Fireworks takes: three rows at least, `weight: 0` on earlier turns.

Source: Fireworks, "Supervised fine-tuning": dataset format.
"""

from dataclasses import replace

from records.dataset.formats.openai_sft import FORMAT as OPENAI

FORMAT = replace(OPENAI, least=3)

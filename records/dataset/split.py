"""Which split an example belongs to: by its conversation, so that no conversation stands in both."""

import hashlib
from typing import Literal

Split = Literal["train", "validation"]
PPM = 1_000_000


def split_of(conversation_id: str, salt: str, validation_ppm: int) -> Split:
    """The split of a conversation: the same in every build with this salt; a larger share moves none back."""
    digest = hashlib.sha256(f"{salt}\0{conversation_id}".encode()).digest()
    return "validation" if int.from_bytes(digest[:8], "big") % PPM < validation_ppm else "train"

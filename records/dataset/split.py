"""Which split an example belongs to: by its conversation, so that no conversation stands in both."""

import hashlib
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "validation"]
PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class SplitRule:
    """How conversations are split: by lot, or by when they began."""

    salt: str
    validation_ppm: int
    late: frozenset[str] | None = None
    """The conversations that began late enough to be validated on; None: the lot decides."""

    def split_of(self, conversation_id: str) -> Split:
        """The split of a conversation. By lot, it is the same in every build with this salt, and a larger share moves
        none back.
        """
        if self.late is not None:
            return "validation" if conversation_id in self.late else "train"
        digest = hashlib.sha256(f"{self.salt}\0{conversation_id}".encode()).digest()
        return "validation" if int.from_bytes(digest[:8], "big") % PPM < self.validation_ppm else "train"

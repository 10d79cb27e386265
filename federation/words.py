"""Six words that two people read to each other, to know that their nodes met each other and nobody between.

Both node ids and the invite's nonce go into one hash; the words are SLIP-39's, 1,024 made to be told apart by ear.
60 bits and a nonce that the inviter chose beforehand leave no room to search for a colliding key in one meeting.
"""

from __future__ import annotations

import hashlib
from typing import Final

from shamir_mnemonic.wordlist import WORDLIST

WORDS: Final = 6
_BITS_PER_WORD: Final = 10
_DOMAIN: Final = b"commonweave/1 six words"


def six_words(one: str, other: str, nonce: str) -> tuple[str, ...]:
    """The words for two node ids and a nonce; the order of the ids does not matter."""
    digest = hashlib.sha256()
    # Each part is preceded by its length, so no two different inputs make the same bytes.
    for part in (_DOMAIN, *sorted((one.encode(), other.encode())), nonce.encode()):
        digest.update(len(part).to_bytes(4) + part)
    number = int.from_bytes(digest.digest()) >> (256 - WORDS * _BITS_PER_WORD)
    indexes = [number >> (_BITS_PER_WORD * at) & 1023 for at in reversed(range(WORDS))]
    return tuple(str(WORDLIST[index]) for index in indexes)

"""CRC-32C (Castagnoli, RFC 3720 B.4) by numpy.

A CRC is linear over GF(2): the remainder of two halves is that of the first, moved over the length of the second, plus
that of the second. So all words of four bytes are worked through side by side, then pairs of them, pairs of pairs, and
so on; leading zeros change nothing.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]
_POLYNOMIAL = 0x82F63B78  # reflected


def crc32c(content: bytes) -> int:
    """CRC-32C of at least four bytes, as an unsigned number of 32 bits."""
    start = -len(content) % 4
    padded = np.zeros(start + len(content), np.uint8)
    padded[start:] = np.frombuffer(content, np.uint8)
    padded[start : start + 4] ^= 0xFF  # the register begins with ones
    state = _moved(padded.view("<u4").astype(np.uint32), _over(0))
    doublings = 0
    while len(state) > 1:
        if len(state) % 2:
            state = np.concatenate([np.zeros(1, np.uint32), state])
        state = _moved(state[0::2], _over(doublings)) ^ state[1::2]
        doublings += 1
    return int(state[0]) ^ 0xFFFFFFFF


def _moved(state: Words, over: Words) -> Words:
    """Apply a linear map, given by its image of each value of each byte, to many states."""
    octets = state.astype("<u4").view(np.uint8).reshape(-1, 4)
    moved: Words = over[0][octets[:, 0]]
    for place in range(1, 4):
        moved = moved ^ over[place][octets[:, place]]
    return moved


@lru_cache(64)
def _over(doublings: int) -> Words:
    """What 4 bytes of zeros, doubled so often, make of a state: shape (4, 256), by byte and its value."""
    values = np.arange(256, dtype=np.uint32)
    state = np.concatenate([values << np.uint32(8 * place) for place in range(4)])
    if doublings:
        half = _over(doublings - 1)
        return _moved(_moved(state, half), half).reshape(4, 256)
    for _ in range(32):
        state = (state >> np.uint32(1)) ^ np.where(state & np.uint32(1), np.uint32(_POLYNOMIAL), np.uint32(0))
    return state.reshape(4, 256)

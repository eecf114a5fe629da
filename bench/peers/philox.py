"""The laboratory's random streams, again, in numpy: what both sides draw weights and masks from.

The generator is Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as
1, 2, 3", SC 2011). A draw is a function of (seed, purpose, step, index) and of nothing else; the
layout is the one documented in `crates/model/src/random.rs`.

`python bench/peers/philox.py` checks this file against the authors' published answers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Words = NDArray[np.uint64]  # 32-bit words, held in 64 bits so that products do not wrap

MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
WEYL = (0x9E3779B9, 0xBB67AE85)
WORD = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
UNIT_53 = 2.0**-53


def fnv1a_32(text: str) -> int:
    """FNV-1a of `text`'s UTF-8 bytes, 32 bits: the counter word of a purpose."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def philox4x32_10(counter: tuple[Words, Words, Words, Words], key: tuple[int, int]) -> list[Words]:
    """Ten rounds over arrays of counters that share a key."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (p1 >> HALF) ^ c1 ^ np.uint64(k0),
            p1 & WORD,
            (p0 >> HALF) ^ c3 ^ np.uint64(k1),
            p0 & WORD,
        )
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return [c0, c1, c2, c3]


class Stream:
    """One named stream; every method takes an array of indices and draws them all."""

    def __init__(self, seed: int, purpose: str, step: int = 0) -> None:
        self.key = (seed & 0xFFFFFFFF, seed >> 32)
        self.purpose = fnv1a_32(purpose)
        self.step = step

    def block(self, index: ArrayLike) -> list[Words]:
        """The four words of each block."""
        i = np.asarray(index, dtype=np.uint64)
        step, purpose = np.full_like(i, self.step), np.full_like(i, self.purpose)
        return philox4x32_10((i & WORD, i >> HALF, step, purpose), self.key)

    def u64_at(self, index: ArrayLike) -> Words:
        """64 bits: half a block."""
        i = np.asarray(index, dtype=np.uint64)
        a, b, c, d = self.block(i // np.uint64(2))
        second = i % np.uint64(2) == 1
        return np.where(second, c, a) | np.where(second, d, b) << HALF

    def uniform_at(self, index: ArrayLike) -> NDArray[np.float64]:
        """Uniform on [0, 1), 53 bits."""
        return (self.u64_at(index) >> np.uint64(11)).astype(np.float64) * UNIT_53

    def below_at(self, index: int, n: int) -> int:
        """Uniform on 0..n by multiply and shift."""
        return int(self.u64_at(index)) * n >> 64

    def normal_at(self, index: ArrayLike) -> NDArray[np.float64]:
        """N(0, 1) by Box and Muller's transform, a block for each draw."""
        a, b, c, d = self.block(index)
        radius = np.sqrt(-2.0 * np.log(_open_unit(a, b)))
        return radius * np.cos(2.0 * np.pi * _open_unit(c, d))

    def mask_bits(self, element: ArrayLike) -> Words:
        """The 16 bits that decide an element of a dropout mask."""
        e = np.asarray(element, dtype=np.uint64)
        u = np.uint64
        words = self.block(e // u(128) * u(16) + e % u(16))
        word = np.choose((e // u(16) % u(4)).astype(np.intp), words)
        return word >> (u(16) * (e // u(64) % u(2))) & u(0xFFFF)

    def kept(self, element: ArrayLike, p: float) -> NDArray[np.bool_]:
        """Whether an element survives dropout with probability `p` of zeroing."""
        return self.mask_bits(element) >= mask_threshold(p)


def _open_unit(low: Words, high: Words) -> NDArray[np.float64]:
    """Two words as a number on (0, 1)."""
    bits = low | high << HALF
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * UNIT_53


def mask_stride(width: int) -> int:
    """How far apart rows of `width` elements stand in a mask's numbering."""
    return -(-width // 128) * 128


def mask_threshold(p: float) -> int:
    """What `mask_bits` is compared with; `p` is a 32-bit float in a spec."""
    return round(float(np.float32(p)) * 65536.0)


def keep_scale(p: float) -> float:
    """What kept elements are multiplied by: 1 / (1 - p), for the p that 16 bits can express."""
    return 65536.0 / (65536 - mask_threshold(p))


def row_mask(stream: Stream, rows: NDArray[np.int64], width: int, p: float) -> NDArray[np.bool_]:
    """The mask of the given rows, `rows.shape + (width,)`."""
    columns = np.arange(width, dtype=np.int64)
    return stream.kept(rows[..., None] * mask_stride(width) + columns, p)


PUBLISHED = [  # Random123's kat_vectors: counter, key, answer
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def check_published() -> None:
    """Fails unless the generator gives the published answers."""
    for counter, key, answer in PUBLISHED:
        words = tuple(np.asarray([word], dtype=np.uint64) for word in counter)
        found = tuple(int(word[0]) for word in philox4x32_10(words, key))
        assert found == answer, f"philox4x32-10: expected {answer}, found {found}"


if __name__ == "__main__":
    check_published()
    print("philox4x32-10 gives the published answers")

"""Damage to the bytes of a file: what copying, disks, spreadsheets and attackers do."""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

_HUGE = (2**31 - 1, 2**31, 2**32 - 1, 2**33, 2**40, 2**62, 2**63 - 1, 0, -1)
_WORDS = (b"-1", b"nan", b"inf", b"1e400", b"99999999999999999999", b"", b"\xff\xfe", b"\0", b"0.5")


def mutated(raw: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """Damaged copy of a file, and what was done; inside an archive as often as to its bytes."""
    if rng.random() < 0.5:
        if raw.startswith(b"\x1f\x8b"):
            try:
                inside, what = mutated(gzip.decompress(raw), rng)
            except (OSError, EOFError, zlib.error):
                return _damaged(raw, rng)
            return gzip.compress(inside, 1, mtime=0), f"unzipped, {what}"
        if raw.startswith(b"PK\x03\x04"):
            return _member_mutated(raw, rng)
    return _damaged(raw, rng)


def _damaged(raw: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    kinds = _OF_TEXT if _is_text(raw) and rng.random() < 0.7 else _OF_BYTES
    kind = kinds[rng.integers(len(kinds))]
    return kind(raw, rng), kind.__name__.strip("_")


def _member_mutated(raw: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w") as new:
        names = old.namelist()
        at = names[rng.integers(len(names))]
        what = ""
        for name in names:
            content = old.read(name)
            if name == at:
                content, what = _damaged(content, rng)
            new.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue(), f"{at}, {what}"


def _is_text(raw: bytes) -> bool:
    head = raw[:2000]
    return bool(head) and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head)


def _span(raw: bytes, rng: np.random.Generator, most: int = 4096) -> slice:
    """A span anywhere; every third begins in the header."""
    end = min(len(raw), 600) if rng.random() < 0.33 else len(raw)
    start = int(rng.integers(max(end, 1)))
    return slice(start, start + int(2 ** rng.uniform(0, np.log2(most))))


def _bits_flipped(raw: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(raw)
    for _ in range(int(rng.integers(1, 9)) if raw else 0):
        out[_span(raw, rng).start] ^= 1 << int(rng.integers(8))
    return bytes(out)


def _cut(raw: bytes, rng: np.random.Generator) -> bytes:
    return raw[: int(rng.integers(len(raw) + 1))]


def _zeroed(raw: bytes, rng: np.random.Generator) -> bytes:
    at = _span(raw, rng)
    n = len(raw[at])
    return raw[: at.start] + bytes(n) + raw[at.start + n :]


def _repeated(raw: bytes, rng: np.random.Generator) -> bytes:
    at = _span(raw, rng)
    return raw[: at.start] + raw[at] * int(rng.integers(2, 5)) + raw[at.stop :]


def _left_out(raw: bytes, rng: np.random.Generator) -> bytes:
    at = _span(raw, rng)
    return raw[: at.start] + raw[at.stop :]


def _exchanged(raw: bytes, rng: np.random.Generator) -> bytes:
    at = sorted(int(rng.integers(len(raw) + 1)) for _ in range(3))
    a, b, c = at
    return raw[:a] + raw[b:c] + raw[a:b] + raw[c:]


def _huge_number(raw: bytes, rng: np.random.Generator) -> bytes:
    """A field of 2, 4 or 8 bytes says a number that no file holds."""
    out = bytearray(raw)
    for _ in range(int(rng.integers(1, 4))):
        size = int(rng.choice([2, 4, 8]))
        at = _span(raw, rng).start // 2 * 2
        value = _HUGE[rng.integers(len(_HUGE))] & (2 ** (8 * size) - 1)
        order = "<" if rng.random() < 0.7 else ">"
        out[at : at + size] = struct.pack(order + {2: "H", 4: "I", 8: "Q"}[size], value)
    return bytes(out[: len(raw)])


def _noise(raw: bytes, rng: np.random.Generator) -> bytes:
    at = _span(raw, rng, 256)
    return raw[: at.start] + rng.bytes(len(raw[at])) + raw[at.start + len(raw[at]) :]


def _in_fields(change: Callable[[list[bytes], np.random.Generator], None]) -> Callable:
    """Damage to the fields of one or several lines."""

    def damage(raw: bytes, rng: np.random.Generator) -> bytes:
        separator = max(b"\t,;= :", key=lambda sign: raw.count(bytes([sign])))
        lines = raw.split(b"\n")
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(len(lines)))
            fields = lines[at].split(bytes([separator]))
            change(fields, rng)
            lines[at] = bytes([separator]).join(fields)
        return b"\n".join(lines)

    damage.__name__ = change.__name__
    return damage


@_in_fields
def _fields_exchanged(fields: list[bytes], rng: np.random.Generator) -> None:
    one, other = rng.integers(len(fields), size=2)
    fields[one], fields[other] = fields[other], fields[one]


@_in_fields
def _another_word(fields: list[bytes], rng: np.random.Generator) -> None:
    fields[rng.integers(len(fields))] = _WORDS[rng.integers(len(_WORDS))]


@_in_fields
def _field_left_out(fields: list[bytes], rng: np.random.Generator) -> None:
    del fields[rng.integers(len(fields))]


def _lines_repeated(raw: bytes, rng: np.random.Generator) -> bytes:
    lines = raw.split(b"\n")
    lines.insert(int(rng.integers(len(lines))), lines[int(rng.integers(len(lines)))])
    return b"\n".join(lines)


def _line_left_out(raw: bytes, rng: np.random.Generator) -> bytes:
    lines = raw.split(b"\n")
    del lines[int(rng.integers(len(lines)))]
    return b"\n".join(lines)


def _deep(raw: bytes, rng: np.random.Generator) -> bytes:
    """Brackets nested deeper than a parser follows, somewhere in the text."""
    at = int(rng.integers(len(raw) + 1))
    sign = [b"[", b'{"a":', b"(", b"<a>"][int(rng.integers(4))]
    return raw[:at] + sign * 20_000 + raw[at:]


_OF_BYTES = (
    *(_bits_flipped, _bits_flipped, _cut, _zeroed, _repeated, _left_out, _exchanged),
    *(_huge_number, _huge_number, _noise),
)
_OF_TEXT = (
    *(_fields_exchanged, _another_word, _another_word, _field_left_out),
    *(_lines_repeated, _line_left_out, _deep),
)

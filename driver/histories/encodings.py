"""From a file's bytes to text: byte order marks, UTF-16, compression, and a bound on what is unpacked."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import lz4.frame
import zstandard

from raftmon.setup.errors import InputError

__all__ = ["MOST_UNPACKED_BYTES", "open_packed", "text_of", "utf8_of"]

MOST_UNPACKED_BYTES = 4 << 30
"""A packed history may unpack to this much; more is refused before it fills the memory."""
_PACKED = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd", "lz4": b"\x04\x22\x4d\x18"}
_BOM = b"\xef\xbb\xbf"


def utf8_of(data: bytes, what: str = "the file") -> bytes:
    """``data`` without a UTF-8 byte order mark. Raises InputError for UTF-16 and UTF-32."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or (len(data) >= 8 and data[:64].count(0) * 3 >= len(data[:64])):
        raise InputError(f"{what} is UTF-16 or UTF-32, and histories are read as UTF-8: convert it (iconv -t UTF-8)")
    return data.removeprefix(_BOM)


def text_of(data: bytes, what: str = "the file") -> str:
    """``data`` as text; what is no UTF-8 becomes U+FFFD. Raises InputError for UTF-16 and UTF-32."""
    return utf8_of(data, what).decode("utf-8", errors="replace")


def _unpacker(kind: str, file: BinaryIO) -> BinaryIO:
    if kind == "zstd":
        unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        return cast(BinaryIO, unpacker.stream_reader(file, read_across_frames=True))
    if kind == "lz4":
        return cast(BinaryIO, lz4.frame.open(file, "rb"))
    return cast(BinaryIO, gzip.open(file, "rb"))


def open_packed(path: Path) -> tuple[BinaryIO, str | None]:
    """The file's bytes, unpacked if it is gzip, zstd or lz4, and what was wrong with the packing.

    Raises OSError, and InputError if it unpacks to more than MOST_UNPACKED_BYTES.
    """
    file = path.open("rb")
    magic = file.peek(4)[:4]
    kind = next((name for name, start in _PACKED.items() if magic.startswith(start)), None)
    if kind is None:
        return file, None
    unpacked = io.BytesIO()
    wrong = None
    with file, _unpacker(kind, file) as packed:
        read = getattr(packed, "read1", packed.read)  # read() of a damaged file loses what came before the damage
        try:
            while block := read(1 << 20):
                unpacked.write(block)
                if unpacked.tell() > MOST_UNPACKED_BYTES:
                    gigabytes = MOST_UNPACKED_BYTES >> 30
                    raise InputError(f"{path} unpacks to more than {gigabytes} GiB: unpack and split it by hand")
        except (EOFError, OSError, zlib.error, zstandard.ZstdError, RuntimeError) as error:
            wrong = f"the {kind} file is damaged ({error}); what came before is read"
    unpacked.seek(0)
    return unpacked, wrong

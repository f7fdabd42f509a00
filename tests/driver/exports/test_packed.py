"""Zips of runs that are damaged, encrypted or of another kind are refused in a sentence."""

import io
import random
import zipfile

from raftmon.driver.exports.packed import unpack
from raftmon.setup.errors import InputError


def packed():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("register/20261125T000000/config.json", "{}")
        archive.writestr("register/20261125T000000/history.jsonl", "x" * 5000)
    return made.getvalue()


def damaged(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        kind, at = rng.randrange(4), rng.randrange(len(data))
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del data[at : at + rng.randrange(1, 20)]
        else:
            data[at:at] = rng.randbytes(rng.randrange(1, 8))
    return bytes(data)


def test_a_damaged_zip_is_refused_or_read_and_never_a_failure_of_ours(tmp_path):
    whole, refused = packed(), 0
    for number in range(200):
        file = tmp_path / f"{number}.zip"
        file.write_bytes(damaged(whole, random.Random(number)))
        try:
            folder = unpack(file, tmp_path / f"{number}")
            assert folder.path.is_relative_to(tmp_path / f"{number}")
        except InputError:
            refused += 1
    assert 100 < refused < 200

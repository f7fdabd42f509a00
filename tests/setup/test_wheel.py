"""An installed wheel: built from an sdist, in a fresh venv outside any checkout, used in somebody's project folder.

The folder has files with the names of our rooms, and each raises on import: nothing of ours may be importable, or
shadowable, under another top-level name than ``raftmon``. The same is done as root and as an unprivileged user.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from raftmon.setup import sandbox
from raftmon.setup.servers import resolve

ROOT = Path(__file__).parents[2]
ROOMS = ("monitor", "adapters", "driver", "setup", "examples")
UNPRIVILEGED = 54321  # a user without an account, a home or a name
HOSTILE = ("setup.py", "monitor.py", "driver.py", "setup/__init__.py", "tests/__init__.py", "adapters/__init__.py")

RULES = """
from raftmon.rules import delay

def message(view):
    if view.kind == "MsgApp":
        return delay(1)
"""
TEST = """
from raftmon.testing import eventually

def test_a_write_is_read_elsewhere(cluster, monitor):
    cluster.client("n1").write("x", 1)
    eventually(lambda: cluster.client("n2").read("x") == 1, "the write on n2")
    assert monitor.stats()["packets"] > 0
"""


@pytest.fixture(scope="module")  # not session: a sandboxed test's child would tear it down as well
def built() -> Iterator[Path]:
    """A folder that every user can read, with ``source/``, ``raftmon-….tar.gz`` and the wheel made of it."""
    folder = Path(tempfile.mkdtemp(prefix="raftmon-wheel-test-"))
    try:
        folder.chmod(0o755)
        source = folder / "source"
        skipped = shutil.ignore_patterns(".*", "store", "build", "*.egg-info", "__pycache__", "*.so", "*.c")
        shutil.copytree(ROOT, source, symlinks=True, ignore=skipped)
        backend = "from setuptools import build_meta; build_meta.build_sdist('..')"
        run([sys.executable, "-c", backend], source)
        (archive,) = folder.glob("*.tar.gz")
        shutil.unpack_archive(archive, folder)
        unpacked = folder / archive.name.removesuffix(".tar.gz")
        command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, "."]
        run(command, unpacked, CFLAGS="-O0")  # how fast it is, is not asked here
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Installed:
    """A venv with the wheel; ``bin`` is its folder of commands."""

    bin: Path
    site: Path
    servers: Path


@pytest.fixture(scope="module")  # not session: a sandboxed test's child would tear it down as well
def installed(built: Path) -> Installed:
    """The wheel in a venv of its own; its dependencies are links to those that the tests run with."""
    venv = built / "venv"
    run([sys.executable, "-m", "venv", "--without-pip", venv], built)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(venv), "platbase": str(venv)}))
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "raftmon" not in entry.name and entry.suffix != ".pth":
            if entry.is_dir():
                shutil.copytree(entry, site / entry.name, copy_function=_link)
            else:
                _link(entry, site / entry.name)
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", venv / "bin" / "python"]
    run([*pip, "install", "-q", "--no-deps", "--no-index", wheel], built)
    shutil.copy(Path(sys.executable).with_name("pytest"), venv / "bin" / "pytest")
    script = (venv / "bin" / "pytest").read_text().splitlines()
    (venv / "bin" / "pytest").write_text("\n".join([f"#!{venv}/bin/python", *script[1:]]))
    binary = resolve("etcd")
    servers = built / "servers"
    top = next(parent for parent in binary.path.parents if parent.name == binary.spec)
    shutil.copytree(top, servers / binary.spec, symlinks=True)
    return Installed(venv / "bin", site, servers)


def _link(source: str | Path, target: str | Path) -> str:
    try:
        os.link(source, target)
    except OSError:  # another filesystem
        shutil.copy2(source, target)
    return str(target)


def run(command: list[str | Path], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Project:
    """Somebody's project folder, and a user who works in it."""

    def __init__(self, installed: Installed, folder: Path, uid: int) -> None:
        self.installed, self.folder, self.uid = installed, folder, uid
        for name in HOSTILE:
            file = folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"raise SystemError('{name} of the user was imported')\n")
        (folder / "my_rules.py").write_text(RULES)
        (folder / "test_mine.py").write_text(TEST)
        for name in ("my_system.py", "my_server.py"):
            shutil.copy(installed.site / "raftmon" / "examples" / "systems" / name, folder / name)
        cache = folder / "cache" / "raftmon"  # where an installed raftmon looks: $XDG_CACHE_HOME
        cache.mkdir(parents=True)
        shutil.copytree(installed.servers, cache / "servers", symlinks=True)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, uid, uid, follow_symlinks=False)

    def call(self, *words: str) -> str:
        """Run a command of the venv in the folder and return its output; it must end with 0."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAFTMON", "PYTHON", "VIRT"))}
        environment = {
            **kept,
            "HOME": str(self.folder),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "PATH": f"{self.installed.bin}:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [str(self.installed.bin / words[0]), *words[1:]]
        if self.uid != os.getuid():
            drop = ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "--bounding-set=-all"]
            command = [*drop, "--no-new-privs", *command]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}\n{said}"
        assert "was imported" not in said
        return said


@pytest.fixture(params=["caller", "unprivileged"])
def project(installed: Installed, request: pytest.FixtureRequest) -> Iterator[Project]:
    if request.param == "unprivileged" and (os.geteuid() != 0 or not shutil.which("setpriv")):
        pytest.skip("needs root and setpriv, to be another user")
    folder = Path(tempfile.mkdtemp(prefix="raftmon-project-test-"))
    try:
        yield Project(installed, folder, os.getuid() if request.param == "caller" else UNPRIVILEGED)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_the_wheel_holds_every_module_once_and_nothing_at_the_top_but_raftmon(built: Path):
    (wheel,) = built.glob("*.whl")
    names = Counter(name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name)
    assert {name.split("/")[0] for name in names} == {"raftmon"}
    assert max(names.values()) == 1
    compiled = {Path(name).name.split(".")[0] for name in names if name.endswith(".so")}
    assert compiled == {file.stem for room in ROOMS for file in (ROOT / room).rglob("*.pyx")}
    here = {f"raftmon/{file.relative_to(ROOT)}" for room in ROOMS for file in (ROOT / room).rglob("*.py")}
    here |= {f"raftmon/{file.name}" for file in (ROOT / "raftmon").glob("*.py")}
    assert {name for name in names if name.endswith(".py")} == here
    made = {".py", ".pyx", ".c", ".so", ".pyc"}
    files = (file for room in ROOMS for file in (ROOT / room).rglob("*") if file.is_file() and file.suffix not in made)
    data = {f"raftmon/{file.relative_to(ROOT)}" for file in files}
    assert data <= set(names)


@pytest.mark.servers
@pytest.mark.skipif(sandbox.inside(), reason="makes sandboxes of its own")
def test_everything_works_from_a_wheel_in_a_folder_with_names_like_ours(project: Project):
    call = project.call
    ran = call("raftmon", "run", "--duration", "1", "--fault", "none", "--rules", "my_rules.py", "--store", "runs")
    assert "VALID" in ran
    assert "my_rules" in ran
    assert "MsgApp" in call("raftmon", "messages", "--store", "runs", "--stats")
    assert "VALID" in call("raftmon", "check", "--store", "runs").upper()
    assert "VALID" in call("raftmon", "run", "--system", "./my_system.py", "--duration", "1", "--fault", "none")
    call("raftmon", "test", "adapter", "./my_system.py")
    few = "changed_nothing or every_node_serves or survives_a_restart or majority_stays"
    assert "4 passed" in call("raftmon", "test", "all", "-k", few)
    assert "1 passed" in call("pytest", "-q", "test_mine.py")
    assert "1 passed" in call("python", "-m", "pytest", "-q", "test_mine.py")

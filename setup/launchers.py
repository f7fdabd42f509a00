"""Scripts that start an unpacked server on its unpacked libraries, and the build of the server that has no package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from raftmon.setup.errors import RaftmonError
from raftmon.setup.unpack import Origin

__all__ = ["RAFTKV_SOURCES", "dqlite_launcher", "go_build", "ovsdb_launcher", "rabbitmq_launcher", "zookeeper_launcher"]

_LONGEST_BUILD_S = 600.0
RAFTKV_SOURCES = Path(__file__).resolve().parent / "raftkv"
_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu")

_ZOOKEEPER = """\
#!/bin/sh
# Starts a ZooKeeper server: zookeeper CONFIG. Another class: ZOOMAIN=org.apache.zookeeper.ZooKeeperMain zookeeper …
# CLASSPATH_FIRST: a folder with a log4j.properties of your own. JVMFLAGS: options of the Java machine.
here=$(dirname "$(readlink -f "$0")")
case "$1" in --version) ZOOMAIN=org.apache.zookeeper.version.VersionInfoMain ;; esac
exec "$here/usr/lib/jvm/java/bin/java" $JVMFLAGS -cp "${CLASSPATH_FIRST:+$CLASSPATH_FIRST:}$here/usr/share/java/*" \\
    "${ZOOMAIN:-org.apache.zookeeper.server.quorum.QuorumPeerMain}" "$@"
"""

_RABBITMQ = """\
#!/bin/sh
# Starts the unpacked RabbitMQ on the unpacked Erlang, in the foreground; RABBITMQ_* variables say the rest.
here=$(dirname "$(readlink -f "$0")")
export PATH="$here/usr/lib/erlang/bin:$PATH"
for folder in "$here"/usr/lib/rabbitmq/lib/rabbitmq_server-*; do export RABBITMQ_HOME="$folder"; done
[ "$1" = --version ] && { echo "rabbitmq-server ${RABBITMQ_HOME##*-}"; exit 0; }
epmd -daemon  # Erlang's port mapper: the broker expects one
exec "$RABBITMQ_HOME/sbin/rabbitmq-server" "$@"
"""

_ERL = """\
#!/bin/sh
# Debian's erl, which finds itself wherever it was unpacked.
ROOTDIR=$(dirname "$(dirname "$(readlink -f "$0")")")
for folder in "$ROOTDIR"/erts-*/bin; do BINDIR="$folder"; done
EMU=beam
PROGNAME=erl
export ROOTDIR BINDIR EMU PROGNAME
exec "$BINDIR/erlexec" "$@"
"""

_ON_LIBRARIES = """\
#!/bin/sh
# Starts the unpacked program on the libraries that were unpacked with it, and on its own C library if there is one.
here=$(dirname "$(readlink -f "$0")")
%(version)sfor folder in "$here"/usr/lib/*-linux-gnu* "$here"/lib/*-linux-gnu*; do
    [ -d "$folder" ] && libraries="${libraries:+$libraries:}$folder"
done
for loader in "$here"/usr/lib/*-linux-gnu*/ld-linux-*.so.* "$here"/lib/*-linux-gnu*/ld-linux-*.so.*; do
    [ -x "$loader" ] && exec "$loader" --library-path "$libraries" --argv0 %(name)s "$here/%(program)s" "$@"
done
LD_LIBRARY_PATH="$libraries" exec "$here/%(program)s" "$@"
"""


def _write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)


def zookeeper_launcher(folder: Path) -> None:
    """Write the script ``zookeeper``, which starts the unpacked server on the unpacked Java runtime."""
    runtimes = sorted((folder / "usr/lib/jvm").glob("java-*-openjdk-*"))
    if not runtimes:
        raise RaftmonError("Debian's Java runtime was unpacked, but usr/lib/jvm has no java-*-openjdk-* in it")
    (folder / "usr/lib/jvm/java").symlink_to(runtimes[0].name)
    _write(folder, "zookeeper", _ZOOKEEPER)


def rabbitmq_launcher(folder: Path) -> None:
    """Write the script ``rabbitmq-server``, and an ``erl`` that needs no place of its own."""
    erl = folder / "usr/lib/erlang/bin/erl"
    if not erl.exists():
        raise RaftmonError("Debian's Erlang was unpacked, but usr/lib/erlang has no bin/erl in it")
    _write(folder, "usr/lib/erlang/bin/erl", _ERL)
    _write(folder, "rabbitmq-server", _RABBITMQ)


def ovsdb_launcher(folder: Path) -> None:
    """Write the scripts ``ovsdb-server``, ``ovsdb-tool`` and ``ovs-appctl``."""
    for name, program in (
        ("ovsdb-server", "usr/sbin/ovsdb-server"),
        ("ovsdb-tool", "usr/bin/ovsdb-tool"),
        ("ovs-appctl", "usr/bin/ovs-appctl"),
    ):
        _write(folder, name, _ON_LIBRARIES % {"name": name, "program": program, "version": ""})


def dqlite_launcher(folder: Path, origin: Origin) -> None:
    """Write the script ``dqlite-demo``; it answers ``--version`` with the package's, which the program cannot tell."""
    package = next((name for name in origin.sha256 if name.startswith("go-dqlite_")), "")
    found = re.search(r"_(\d+\.\d+\.\d+)", package)
    version = f'[ "$1" = --version ] && {{ echo "dqlite-demo {found[1] if found else "unknown"}"; exit 0; }}\n'
    names = {"name": "dqlite-demo", "program": "usr/bin/dqlite-demo", "version": version}
    _write(folder, "dqlite-demo", _ON_LIBRARIES % names)


def go_build(folder: Path, origin: Origin, package: str) -> None:
    """Build our key-value server with the unpacked Go, then leave only it in ``folder``. Raises RaftmonError."""
    archive = next((name for name in origin.sha256 if name.startswith(f"{package}_")), "")
    found = re.search(r"_(\d+\.\d+\.\d+)", archive)
    root = next(iter(sorted((folder / "usr/lib").glob("go-*"))), None)
    if root is None or not (root / "bin" / "go").exists():
        raise RaftmonError("Debian's Go was unpacked, but usr/lib has no go-*/bin/go in it")
    build = folder / "build"
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(build),
        "GOROOT": str(root),
        "GOPATH": str(folder / "usr/share/gocode"),
        "GOCACHE": str(build / "cache"),
        "GO111MODULE": "off",
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }
    flags = f"-s -w -X main.version={found[1] if found else 'unknown'}"
    try:
        shutil.copytree(RAFTKV_SOURCES, build / "raftkv")
        done = subprocess.run(
            [root / "bin" / "go", "build", "-p", "2", "-ldflags", flags, "-o", folder / "raftkv", "."],
            cwd=build / "raftkv",
            env=environment,
            capture_output=True,
            text=True,
            timeout=_LONGEST_BUILD_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RaftmonError(f"cannot build the server on hashicorp/raft: {error}") from error
    if done.returncode != 0:
        raise RaftmonError(f"cannot build the server on hashicorp/raft: {' '.join(done.stderr.split())[-800:]}")
    for other in ("usr", "build", "etc", "lib"):
        shutil.rmtree(folder / other, ignore_errors=True)

"""Run by the system's Python with Mininet: three etcd nodes around a Linux router, on which raftmon monitors.

    mininet_router.py RAFTMON_PYTHON ETCD FOLDER

Prints what ``raftmon messages`` and the counters say as one JSON object.
"""

import json
import pathlib
import subprocess
import sys
import time

from mininet.net import Mininet


def until(ask, what, seconds=30.0):
    end = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > end:
            raise SystemExit(f"{what} did not come true")
        time.sleep(0.1)
    return answer


def main(python, etcd, folder):
    out = pathlib.Path(folder) / "out"
    net = Mininet(controller=None)
    router = net.addHost("r0")
    hosts = [net.addHost(f"n{i}") for i in (1, 2, 3)]
    for host in hosts:
        net.addLink(host, router)
    net.build()
    for number, host in enumerate(hosts, 1):
        for node, interface, end in ((host, f"n{number}-eth0", 2), (router, f"r0-eth{number - 1}", 1)):
            node.cmd(f"ip addr flush dev {interface}; ip addr add 10.0.{number}.{end}/24 dev {interface}")
            node.cmd(f"ip link set {interface} up; ip link set lo up")
        host.cmd(f"ip route add default via 10.0.{number}.1")
    router.cmd("sysctl -w net.ipv4.ip_forward=1")
    command = [python, "-m", "raftmon.driver.cli"]
    nodes = [word for i in (1, 2, 3) for word in ("--node", f"n{i}=10.0.{i}.2:2380")]
    options = ["--queue", "7", "--system", "etcd", "--install", "--record", str(out)]
    log = (pathlib.Path(folder) / "monitor.log").open("wb")
    monitor = router.popen(
        [*command, "monitor", *options, *nodes, "--rule", "*->n2 MsgApp delay 1ms"], stdout=log, stderr=log
    )
    until((out / "monitor.sock").exists, "the control socket")
    peers = ",".join(f"n{i}=http://10.0.{i}.2:2380" for i in (1, 2, 3))
    servers = []
    for number, host in enumerate(hosts, 1):
        at = f"http://10.0.{number}.2"
        servers.append(
            host.popen(
                [etcd, "--name", f"n{number}", "--data-dir", f"{folder}/n{number}", "--initial-cluster", peers,
                 "--listen-peer-urls", f"{at}:2380", "--initial-advertise-peer-urls", f"{at}:2380",
                 "--listen-client-urls", f"{at}:2379", "--advertise-client-urls", f"{at}:2379"],
                stdout=log, stderr=log,
            )
        )  # fmt: skip

    def appends():
        done = subprocess.run(
            [*command, "messages", str(out), "--kind", "MsgApp", "--format", "json"], capture_output=True
        )
        return done.returncode == 0 and json.loads(done.stdout)

    def delayed():
        done = subprocess.run([*command, "ctl", "--run", str(out), "--json", "stats"], capture_output=True)
        return done.returncode == 0 and json.loads(done.stdout)["rules"]["r1"]["hits"]

    try:
        found = until(appends, "appends in the record")
        print(
            json.dumps(
                {"links": sorted({f"{m['from']}->{m['to']}" for m in found}), "delayed": until(delayed, "a delay")}
            )
        )
    finally:
        for process in servers:
            process.kill()
        monitor.terminate()
        monitor.wait()
        net.stop()


main(*sys.argv[1:])

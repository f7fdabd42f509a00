import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from raftmon.driver.cli import main as raftmon
from raftmon.setup import preflight, probes, probing
from raftmon.setup.preflight import Facts, advice, examine, fit
from raftmon.setup.probing import Answer, Probe, ask, ask_in_sandbox

ROOT = Path(__file__).parents[2]
WORKS = Answer(True, "made")


def refuses(number):
    def do():
        raise OSError(number, os.strerror(number))

    return do


def states(findings):
    return [(finding.name, finding.state) for finding in findings]


def test_what_comes_after_a_failed_namespace_is_skipped_and_a_missing_server_is_a_warning():
    findings = examine(
        (Probe("user namespace", str), Probe("server binary", str, essential=False)),
        (Probe("veth pairs", str), Probe("NFQUEUE", str)),
        Facts(max_user_namespaces=0),
        asking=lambda probe: Answer(False, "no", errno.ENOSPC),
    )
    assert states(findings) == [
        ("user namespace", "failed"),
        ("veth pairs", "skipped"),
        ("NFQUEUE", "skipped"),
        ("server binary", "warning"),
    ]
    assert "sysctl user.max_user_namespaces=15000" in findings[0].advice
    assert not fit(findings)
    assert fit([finding for finding in findings if finding.state == "warning"])


def test_a_sandbox_that_dies_at_a_probe_is_told_there():
    findings = examine(
        (Probe("user namespace", str),),
        (Probe("veth pairs", str), Probe("iptables", str), Probe("NFQUEUE", str)),
        Facts(),
        asking=lambda probe: WORKS,
        asking_in_sandbox=lambda all_probes: [WORKS],
    )
    assert states(findings)[1:] == [("veth pairs", "ok"), ("iptables", "failed"), ("NFQUEUE", "skipped")]


@pytest.mark.parametrize(
    ("name", "number", "facts", "words"),
    [
        ("user namespace", errno.ENOSPC, Facts(max_user_namespaces=0), "sysctl user.max_user_namespaces=15000"),
        ("user namespace", errno.EPERM, Facts(unprivileged_userns_clone=0), "kernel.unprivileged_userns_clone=1"),
        ("private mounts", errno.EACCES, Facts(apparmor_restricts=1), "apparmor_restrict_unprivileged_userns=0"),
        ("network namespace", errno.EPERM, Facts(container=True, root=True), "--cap-add SYS_ADMIN"),
        ("user namespace", errno.EPERM, Facts(container=True, max_user_namespaces=9), "seccomp=unconfined"),
        ("private mounts", errno.EPERM, Facts(container=True), "systempaths=unconfined"),
        ("network namespace", errno.ENOSPC, Facts(max_user_namespaces=9), "/proc/sys/user/max_*_namespaces"),
        ("network namespace", errno.EINVAL, Facts(), "CONFIG_NET_NS"),
        ("network namespace", errno.EPERM, Facts(root=True), "CAP_SYS_ADMIN"),
        ("user namespace", errno.EPERM, Facts(), "run with sudo"),
        ("NFQUEUE", 0, Facts(), "modprobe -a nfnetlink_queue xt_NFQUEUE"),
        ("iptables", 0, Facts(container=True, root=True), "--cap-add NET_ADMIN"),
        ("veth pairs", errno.EOPNOTSUPP, Facts(), "CONFIG_VETH"),
        ("server binary", 0, Facts(), "raftmon servers install etcd"),
        ("disk", errno.ENOSPC, Facts(), "free some space"),
        ("disk", errno.EACCES, Facts(), "--store"),
    ],
)
def test_each_failure_says_what_to_change(name, number, facts, words):
    assert words in advice(name, Answer(False, "no", number), facts)


def test_every_probe_has_advice_for_its_failure():
    for probe in (*probes.OUTSIDE, *probes.IN_SANDBOX):
        assert advice(probe.name, Answer(False, "no"), Facts()), probe.name


def test_facts_are_read_where_the_kernel_has_them(tmp_path):
    (tmp_path / "proc/sys/user").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel").mkdir()
    (tmp_path / "proc/sys/user/max_user_namespaces").write_text("0\n")
    (tmp_path / "proc/sys/kernel/apparmor_restrict_unprivileged_userns").write_text("1\n")
    (tmp_path / ".dockerenv").touch()
    facts = Facts.read(tmp_path)
    assert (facts.max_user_namespaces, facts.apparmor_restricts, facts.unprivileged_userns_clone) == (0, 1, None)
    assert facts.container


def test_a_probe_is_tried_in_a_process_of_its_own_and_its_errno_comes_back():
    assert ask(Probe("x", lambda: str(os.getpid()))).words != str(os.getpid())
    assert ask(Probe("x", refuses(errno.EPERM))) == Answer(False, "Operation not permitted", errno.EPERM)


def test_a_probe_that_dies_or_hangs_is_an_answer(monkeypatch):
    assert ask(Probe("x", lambda: os._exit(3))) == Answer(False, "it gave no answer in time")
    monkeypatch.setattr(probing, "_LONGEST_PROBE_S", 0.1)
    import signal

    assert ask(Probe("x", signal.pause)) == Answer(False, "it gave no answer in time")


def test_probes_in_a_sandbox_run_until_one_kills_it():
    answers = ask_in_sandbox([Probe("a", lambda: "one"), Probe("b", refuses(1)), Probe("c", lambda: os._exit(1))])
    assert answers == [Answer(True, "one"), Answer(False, "Operation not permitted", 1)]


def test_the_doctor_finds_this_machine_fit(capsys):
    assert raftmon(["doctor", "--json"]) == 0
    findings = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    for name in ("network namespace", "veth pairs", "iptables", "NFQUEUE", "presented TCP"):
        assert findings[name]["state"] == "ok"
    assert findings["NFQUEUE"]["words"] == "1 packet queued, rewritten and delivered"


@pytest.mark.net
@pytest.mark.parametrize("kind", ["net", "mnt"])
def test_a_real_limit_on_namespaces_is_found_and_named(kind):
    limited = (
        f"import sys, ctypes, os; sys.path.insert(0, {str(ROOT)!r})\n"
        "from raftmon.setup import sandbox_init; sandbox_init.make_namespaces(sandbox_init.CLONE_NEWUSER)\n"
        f"open('/proc/sys/user/max_{kind}_namespaces', 'w').write('0')\n"
        "from raftmon.driver.cli import main; sys.exit(main(['doctor']))"
    )
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, check=False)
    assert done.returncode == 70, done.stderr
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert {"net": "network", "mnt": "mount"}[kind] in failed[0]
    assert "max_*_namespaces" in done.stdout
    assert done.stdout.splitlines()[-1] == "raftmon cannot run here yet: see the first FAIL above"


def test_the_doctor_shows_failures_with_their_remedy(monkeypatch, capsys):
    monkeypatch.setattr(
        "raftmon.driver.cli.doctor.examine",
        lambda: [preflight.Finding("NFQUEUE", "failed", "the queue cannot be opened", "load the modules")],
    )
    monkeypatch.setattr("raftmon.driver.cli.doctor.COMPILED", True)
    assert raftmon(["doctor"]) == 70
    assert capsys.readouterr().out.splitlines() == [
        f"FAIL  {'NFQUEUE':<18} the queue cannot be opened",
        f"      {'':<18} -> load the modules",
        f"ok    {'packet path':<18} the way of plain packets is compiled",
        "raftmon cannot run here yet: see the first FAIL above",
    ]


def test_the_doctor_says_where_packets_cost_more_than_they_need(monkeypatch, capsys):
    monkeypatch.setattr("raftmon.driver.cli.doctor.examine", list)
    monkeypatch.setattr("raftmon.driver.cli.doctor.COMPILED", False)
    assert raftmon(["doctor"]) == 0
    warning, advice, verdict = capsys.readouterr().out.splitlines()
    assert warning.startswith("WARN  packet path        the way of plain packets is not compiled")
    assert "make clean" in advice
    assert verdict == "raftmon can run here"

"""A rules file under a real monitor: it judges, fails harmlessly, and is loaded again when it changes."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.monitor.live import Live, echo, exchange, until

pytestmark = pytest.mark.net

REWRITE = (
    "from raftmon.monitor.rules.api import rewrite\n"
    'match = "n1->n2 payload > 0"\n'
    "def packet(view):\n"
    "    return rewrite(view.payload.replace(b'{old}', b'{new}'))\n"
)


def events(live: Live) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in (live.folder / "events.jsonl").read_bytes().splitlines()]


def test_a_saved_file_is_in_force_without_losing_a_byte(tmp_path: Path) -> None:
    script = tmp_path / "swap.py"
    script.write_text(REWRITE.format(old="red", new="RED"))
    with Live(tmp_path, scripts=(str(script),)) as live:
        dialled, accepted = live.connect()
        echo(accepted)
        assert exchange(dialled, b"red blue") == b"RED blue"
        script.write_text("def packet(view\n")
        until(lambda: any("SyntaxError" in str(event) for event in events(live)))
        assert exchange(dialled, b"red blue") == b"RED blue"
        script.write_text(REWRITE.format(old="blue", new="BLUE"))
        until(lambda: exchange(dialled, b"red blue") == b"red BLUE")
        assert [item["name"] for item in live.client.rules()] == ["swap"]
        live.client.add("cut: n1->n2 port 9 drop")
        live.client.heal()
        assert exchange(dialled, b"red blue") == b"red BLUE"
        counted = live.finish()["rules"]
        assert counted["swap"]["hits"] >= 4, "of both versions of the file"
        assert (counted["cut"]["removed"], "removed" in counted["swap"]) == (True, False)


def test_an_exception_lets_traffic_pass_and_is_in_the_events_once(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("def packet(view):\n    return view.no_such_thing\n")
    with Live(tmp_path, scripts=(str(script),)) as live:
        dialled, accepted = live.connect()
        echo(accepted)
        assert exchange(dialled, b"x" * 50_000) == b"x" * 50_000
        counters = live.finish()
        told = [event for event in events(live) if "no_such_thing" in str(event)]
        assert len(told) == 1
        assert counters["rules"]["broken"]["errors"] > 10


def test_an_exception_ends_a_strict_run(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text('match = "payload > 0"\ndef packet(view):\n    return 1 // 0\n')
    with Live(tmp_path, scripts=(str(script),), strict=True) as live:
        dialled, _ = live.connect()
        dialled.sendall(b"x")
        assert live.process.wait(20) == 70
        assert "ZeroDivisionError" in live.process.stderr.read()

"""What comes from outside cannot steer the terminal on which it is printed."""

import io
import json

import pytest
from rich.console import Console
from rich.table import Table

from raftmon.driver.cli import main
from raftmon.driver.cli.console import NeutralConsole
from raftmon.driver.cli.output import NeutralStream, neutral

EVIL = "a\x1b[2J\x1b]0;title\x07\x9b31m\x7f\rb\u202ec\ud800"


def test_everything_a_terminal_obeys_is_shown():
    assert neutral(EVIL) == "a\\u001b[2J\\u001b]0;title\\u0007\\u009b31m\\u007f\\u000db\\u202ec\\ud800"
    assert neutral("tab\tline\r\nnext é 漢 → ±\n") == "tab\tline\r\nnext é 漢 → ±\n"


def test_json_that_is_neutralised_is_the_same_json():
    assert json.loads(neutral(json.dumps(EVIL, ensure_ascii=False))) == EVIL


def test_a_rich_console_colours_and_its_text_is_neutral():
    raw = io.StringIO()
    table = Table("head")
    table.add_row(EVIL)
    console = NeutralConsole(file=NeutralStream(raw), force_terminal=True, width=100)
    console.print(f"[red]{neutral('x')}[/red]", table, "plain \x1b[2J")
    text = raw.getvalue()
    assert "\x1b[31mx" in text
    assert "\x1b[2J" not in text
    assert "\x1b]0" not in text
    assert isinstance(console, Console)


@pytest.mark.parametrize("name", ["evil\x1b[2J.jsonl", "evil\udcff.jsonl"])
def test_a_file_name_with_escapes_is_shown_and_not_obeyed(name, tmp_path, capfd):
    path = tmp_path / name
    path.write_text('{"type":"ok","process":0,"f":"\\u001b[2Jodd","value":"\\u001b[31m"}\n')
    assert main(["check", str(path)]) == 2
    assert main(["check", str(path), "--json"]) == 2
    assert main(["check", str(path) + "x"]) == 64
    out, err = capfd.readouterr()
    assert "\x1b" not in out + err
    assert "evil" in out
    assert "evil" in err

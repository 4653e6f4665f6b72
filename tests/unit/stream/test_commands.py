import importlib
import itertools
import subprocess
import sys
from importlib import metadata

import pytest
import typer

from stream.commands import COMMANDS, main
from stream.commands.help_text import reflow


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists(name: str) -> None:
    written = name.replace("-", "_")
    module = importlib.import_module(f"stream.commands.{written}")
    assert isinstance(getattr(module, "app", None), typer.Typer) or callable(getattr(module, written))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert name in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["config"], ["topics", "plan"]])
def test_help_has_a_short_name(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for option in ("-h", "--help"):
        with pytest.raises(SystemExit) as ended:
            main([*words, option])
        assert ended.value.code == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["wrker"], "Did you mean 'worker'?"),
        (["topics", "pln"], "Did you mean 'plan'?"),
        (["xyz"], "No such command 'xyz'."),
    ],
)
def test_an_unknown_command_is_told_the_one_that_is_near(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("columns", ["80", "100"])
def test_help_wraps_at_the_terminal_s_width_alone(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line ends where its paragraph does, or where the next word would not have had room."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERMINAL_WIDTH", columns)
    for words in (["check"], ["topics", "acls"], ["train", "user"]):
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        prose = [line.strip() for line in capsys.readouterr().out.partition("╭")[0].splitlines()]
        assert len(prose) > 8
        for line, following in itertools.pairwise(prose):
            if line and following:
                assert len(line) + 1 + len(following.split()[0]) > int(columns) - 2, line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One\nsentence.", "One sentence."),
        ("One.\n\nTwo\nlines.\n", "One.\n\nTwo lines.\n"),
        ("These:\n- one\n- two\n  goes on\nand\nmore", "These:\n- one\n- two\n  goes on\nand more"),
        ("Such as:\n\n    interestream up\n    interestream worker", None),
        ("1. first\n2) second", None),
        ("", None),
    ],
)
def test_paragraphs_flow_and_lists_stay(text: str, expected: str | None) -> None:
    assert reflow(text) == (text if expected is None else expected)
    assert reflow(reflow(text)) == reflow(text)


def test_the_list_of_commands_does_not_wait_for_torch() -> None:
    code = """
import sys
from importlib import metadata
from stream.commands import main
try:
    main(["--help"])
except SystemExit:
    print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert all(name in done.stdout for name in COMMANDS)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"interestream {metadata.version('interestream')}\n"

import importlib
import subprocess
import sys
from importlib import metadata

import pytest
import typer

from stream.commands import COMMANDS, main


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

"""Nothing in the product turns data into code: no pickle, no eval, no shell, no code of a model."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = frozenset({"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml", "jsonpickle"})
CALLS = frozenset({"eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load"})
ARGUMENTS = frozenset({"trust_remote_code", "allow_pickle", "shell"})


def dangers(source: str) -> Iterator[str]:
    """Yield what a source does that data should never decide."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (f"import {a.name}" for a in node.names if a.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            yield f"from {node.module}"
        elif isinstance(node, ast.Call):
            if (name := ast.unparse(node.func)) in CALLS:
                yield f"{name}()"
            for keyword in node.keywords:
                is_off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                if keyword.arg in ARGUMENTS and not is_off:
                    yield f"{keyword.arg}={ast.unparse(keyword.value)}"


@pytest.mark.parametrize("package", ["stream", "graph", "encoders"])
def test_no_source_turns_data_into_code(package: str) -> None:
    sources = sorted((ROOT / package).rglob("*.py"))
    assert len(sources) > 20
    assert [(str(path), danger) for path in sources for danger in dangers(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("source", "danger"),
    [
        ("import pickle", "import pickle"),
        ("from yaml import load", "from yaml"),
        ("eval('1')", "eval()"),
        ("import torch\ntorch.load(path)", "torch.load()"),
        ("f(path, trust_remote_code=True)", "trust_remote_code=True"),
        ("subprocess.run(text, shell=flag)", "shell=flag"),
    ],
)
def test_each_danger_is_seen(source: str, danger: str) -> None:
    assert list(dangers(source)) == [danger]
    assert list(dangers("f(path, trust_remote_code=False)\nre.compile('x')")) == []

"""Search for bytes that break our decoders, guided by coverage: ``python -m tests.fuzz --seconds 3600``.

Each target gets its share of the time in a process of its own (``make fuzz SECONDS=3600``). What the search has
learned is kept in ``var/fuzz/<target>/corpus`` and taken up by the next run. An input that breaks a promise is written
to ``var/fuzz/<target>/``, and the run ends with 1: make it a case of tests/unit/test_fuzz_targets.py, then mend it.
Needs the dependency group ``fuzz`` (atheris, which has wheels for Linux on x86-64 and for Python up to 3.13).
"""

import argparse
import importlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path

LONGEST_INPUT_BYTES = 4_096
SLOWEST_INPUT_SECONDS = 5
MOST_MEGABYTES = 2_048
ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "data" / "trackers"


def search(target: str, folder: Path, seconds: int) -> None:
    """Search in this process until the time is over or an input breaks a promise. Never returns."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["stream", "tests.fuzz", "csv"]):
        targets = importlib.import_module("tests.fuzz.targets")
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    goldens = sorted(path for path in GOLDEN.rglob("*.json") if ".expected." not in path.name)
    for i, seed in enumerate(targets.seeds(target, [json.loads(path.read_bytes()) for path in goldens])):
        (corpus / f"seed-{i}").write_bytes(seed)
    atheris.Setup(
        [
            sys.argv[0],
            str(corpus),
            f"-artifact_prefix={folder}/",
            f"-max_total_time={seconds}",
            f"-max_len={LONGEST_INPUT_BYTES}",
            f"-timeout={SLOWEST_INPUT_SECONDS}",
            f"-rss_limit_mb={MOST_MEGABYTES}",
            "-print_final_stats=1",
        ],
        targets.TARGETS[target],
    )
    atheris.Fuzz()


def run(target: str, folder: Path, seconds: int) -> dict[str, object]:
    """Search in a process of its own; return what it says of itself at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    before = set(folder.iterdir())
    with log.open("wb") as sink:
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.fuzz",
                "--search",
                target,
                "--folder",
                str(folder),
                "--seconds",
                str(seconds),
            ],
            cwd=ROOT,
            stdout=sink,
            stderr=sink,
            check=False,
        )
    text = log.read_text(errors="replace")
    executed = re.findall(r"stat::number_of_executed_units: (\d+)", text)
    covered = re.findall(r"cov: (\d+)", text)
    return {
        "target": target,
        "exit_code": ended.returncode,
        "inputs": int(executed[-1]) if executed else 0,
        "covered": int(covered[-1]) if covered else 0,
        "findings": sorted(path.name for path in set(folder.iterdir()) - before - {log} if path.is_file()),
    }


def main() -> int:
    """Run every target, or the one that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=3_600, help="for all targets together")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "fuzz")
    parser.add_argument("--target", action="append", help="only this one; repeat for several")
    parser.add_argument("--search", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.search:
        search(arguments.search, arguments.folder, arguments.seconds)
    try:
        importlib.import_module("atheris")
    except ImportError:
        print("atheris is not installed: `make fuzz` installs it, see the dependency group `fuzz`", file=sys.stderr)  # noqa: T201
        return 2
    from tests.fuzz.targets import TARGETS

    names = arguments.target or list(TARGETS)
    results = []
    for name in names:
        started = time.monotonic()
        result = run(name, arguments.folder / name, max(1, arguments.seconds // len(names)))
        result["seconds"] = round(time.monotonic() - started)
        results.append(result)
        print(json.dumps(result), flush=True)  # noqa: T201
    failed = [result for result in results if result["exit_code"] or result["findings"]]
    print(json.dumps({"fuzz": results, "failed": len(failed)}))  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Time the encoders on a GPU: users/s and titles/s by batch size and device, after showing that they are right.

    make bench-gpu                       # or: python -m tests.bench.bench_gpu

Correctness comes first: every encoder must agree with the CPU's float32 (least cosine 0.999), or nothing is timed.
Then rates, latencies, the device's peak memory and busy share, on the GPU and on the CPU beside it; they replace the
section of docs/performance.md, with the device's name. JSON is printed last.

Exit codes: 0 measured; 1 an encoder is wrong on this device; 3 there is no GPU here, and nothing was run.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch

from encoders.base import FloatArray
from encoders.device import CPU, Device, choose_device
from encoders.fidelity import MIN_COSINE
from encoders.settings import DeviceName
from encoders.text import TransformersTextEncoder
from encoders.user.network import NetworkUserEncoder
from tests.bench.gpu_report import Check, put_section, section
from tests.bench.gpu_timing import Timing, time_calls
from tests.bench.gpu_workload import KINDS, histories_of, matrix_of, network_of, titles_of

PAGE = Path("docs/performance.md")
OK, WRONG, NO_GPU = 0, 1, 3
USER_BATCHES = (1, 64, 256, 1024, 4096)
TOKEN_BATCHES = (2048, 8192, 32768)
ITEMS = 100_000
TITLES = 8192
CHECKED_TITLES = 512
NEAREST = 100


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def check_users(device: Device, users: int = 1024, items: int = ITEMS) -> Iterator[Check]:
    """Compare each user encoder on the device with itself on the CPU."""
    batch = histories_of(users, items)
    for kind in KINDS:
        found = NetworkUserEncoder(matrix_of(items, device), network_of(kind)).encode(batch)
        expected = NetworkUserEncoder(matrix_of(items, CPU), network_of(kind)).encode(batch)
        yield Check(f"{kind} encoder", _least_cosine(found, expected))


def check_texts(devices: Sequence[tuple[str, Device]], count: int = CHECKED_TITLES) -> Iterator[Check]:
    """Compare the text encoder on devices and in number types with the CPU's float32."""
    titles = titles_of(count)
    expected = TransformersTextEncoder(device=CPU).encode(titles)
    for name, device in devices:
        yield Check(f"titles, {name}", _least_cosine(TransformersTextEncoder(device=device).encode(titles), expected))


def time_users(name: str, device: Device, batches: Sequence[int], items: int, seconds: float) -> Iterator[Timing]:
    """Time each user encoder by batch size, and the exact search for the nearest 100 of all items."""
    matrix = matrix_of(items, device)
    for kind in KINDS:
        encoder = NetworkUserEncoder(matrix, network_of(kind))
        for batch in batches:
            call = partial(encoder.encode, histories_of(batch, items))
            yield time_calls(f"{kind} encoder, users", device, name, batch, batch, call, seconds)
    for batch in batches:
        users = NetworkUserEncoder(matrix, network_of("decay")).encode(histories_of(batch, items))
        what = f"nearest {NEAREST} of {items:,} items, users"
        yield time_calls(what, device, name, batch, batch, partial(matrix.topk, users, NEAREST), seconds)


def time_titles(name: str, device: Device, batches: Sequence[int], count: int, seconds: float) -> Iterator[Timing]:
    """Time the text encoder by tokens per forward pass, tokenising included."""
    titles = titles_of(count)
    for tokens in batches:
        encoder = TransformersTextEncoder(device=device, batch_tokens=tokens)
        yield time_calls("titles", device, name, tokens, count, partial(encoder.encode, titles), seconds)


def measured(timings: Iterable[Timing]) -> list[Timing]:
    """Return the rows, saying each as soon as it is there."""
    rows = []
    for row in timings:
        rows.append(row)
        say(f"{row.what}, {row.device}, batch {row.batch:,}: {row.rate:,.0f}/s, busy {row.busy:.0%}")
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, then time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="per figure")
    parser.add_argument("--page", type=Path, default=PAGE, help="whose section is replaced")
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        say("bench-gpu: torch finds no GPU on this machine. Nothing was run and no page changed.")
        return NO_GPU
    gpu = choose_device(DeviceName.CUDA)
    exact = Device(gpu.torch_device, torch.float32)
    types = {"GPU fp32": exact, f"GPU {str(gpu.dtype).removeprefix('torch.')}": gpu}
    checks = [*check_users(gpu), *check_texts(list(types.items()))]
    for check in checks:
        say(f"{check.what}: least cosine {check.cosine:.6f}")
    if wrong := [check.what for check in checks if check.cosine < MIN_COSINE]:
        say(f"bench-gpu: {', '.join(wrong)}: not what the CPU encodes. Nothing was timed.")
        return WRONG
    cpu_batches = USER_BATCHES[:3]
    timings = measured(time_users("GPU fp32", gpu, USER_BATCHES, ITEMS, options.seconds))
    timings += measured(time_users("CPU fp32", CPU, cpu_batches, ITEMS, options.seconds))
    for name, device in types.items():
        timings += measured(time_titles(name, device, TOKEN_BATCHES, TITLES, options.seconds))
    timings += measured(time_titles("CPU fp32", CPU, TOKEN_BATCHES[:1], CHECKED_TITLES, options.seconds))
    name = torch.cuda.get_device_name()
    versions = f"torch {torch.__version__}, {torch.get_num_threads()} CPU threads"
    put_section(options.page, section(name, versions, checks, timings))
    figures = {"device": name, "checks": [asdict(c) for c in checks], "timings": [asdict(t) for t in timings]}
    print(json.dumps(figures))  # noqa: T201
    return OK


def _least_cosine(found: FloatArray, expected: FloatArray) -> float:
    return float(np.einsum("nd,nd->n", found, expected).min())


if __name__ == "__main__":
    sys.exit(main())

"""Timing on a device: rates, latencies, peak memory, and how busy the device was."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from encoders.device import Device

WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Timing:
    """One row of the report.

    batch: users, or tokens of texts; rate: users or titles per second, from numpy arrays to numpy arrays; p50_ms and
    p99_ms: of one call; peak_mib: of the device's memory, 0 on a CPU; busy: share of the time (0-1) in which the
    device computed; on a CPU, of one thread's time.
    """

    what: str
    device: str
    batch: int
    rate: float
    p50_ms: float
    p99_ms: float
    peak_mib: float
    busy: float


def time_calls(
    what: str, device: Device, name: str, batch: int, per_call: int, call: Callable[[], object], seconds: float
) -> Timing:
    """Call again and again for so many seconds, at least five times after warming up; then look how busy it was."""
    on_gpu = device.torch_device.type == "cuda"
    for _ in range(WARM_UP):
        call()
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < 5 or time.perf_counter() - started < seconds:
        begun = time.perf_counter()
        call()  # its result is in the CPU's memory: nothing is left on its way
        times.append(time.perf_counter() - begun)
    peak = torch.cuda.max_memory_allocated() / 2**20 if on_gpu else 0.0
    return Timing(
        what=what,
        device=name,
        batch=batch,
        rate=per_call * len(times) / sum(times),
        p50_ms=float(np.quantile(times, 0.5)) * 1000,
        p99_ms=float(np.quantile(times, 0.99)) * 1000,
        peak_mib=peak,
        busy=gpu_busy(call) if on_gpu else cpu_busy(call),
    )


def cpu_busy(call: Callable[[], object], calls: int = 5) -> float:
    """Return CPU seconds per second of this process, at most 1: whether one core was kept busy."""
    begun, used = time.perf_counter(), time.process_time()
    for _ in range(calls):
        call()
    return min(1.0, (time.process_time() - used) / (time.perf_counter() - begun))


def gpu_busy(call: Callable[[], object], calls: int = 20) -> float:
    """Return the share of the time in which the GPU ran kernels, from the profiler; copies count as well."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        torch.cuda.synchronize()
        begun = time.perf_counter()
        for _ in range(calls):
            call()
        torch.cuda.synchronize()
        seconds = time.perf_counter() - begun
    busy: float = sum(event.device_time_total for event in profiled.events()) / 1e6
    return min(1.0, busy / seconds)

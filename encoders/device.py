"""Where tensors live, and the one thread that touches them."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

import torch

from encoders.base import EncoderError
from encoders.settings import DeviceName

P = ParamSpec("P")
T = TypeVar("T")

MAX_CPU_THREADS = 8
"""Forward passes this small gain nothing from more threads: they only take cores from the event loop."""


@dataclass(frozen=True, slots=True)
class Device:
    """A torch device and the number type that the text model's forward pass is fast in on it.

    Item and user vectors stay float32 on every device: a top-k must not depend on where it was computed, and a million
    of them are 256 MB.
    """

    torch_device: torch.device
    dtype: torch.dtype


CPU = Device(torch.device("cpu"), torch.float32)


def use_cpu_threads(count: int) -> None:
    """Let torch compute on ``count`` threads from now on, in the whole process."""
    torch.set_num_threads(count)


def choose_device(name: DeviceName) -> Device:
    """Return the device that ``name`` means on this machine; ``auto`` takes the GPU when there is one.

    Raises EncoderError when CUDA is asked for and absent.
    """
    if name is DeviceName.CPU:
        return CPU
    if torch.cuda.is_available():
        # GPUs before compute capability 8.0 only emulate bfloat16, slower than float32.
        dtype = torch.bfloat16 if torch.cuda.get_device_capability() >= (8, 0) else torch.float32
        return Device(torch.device("cuda"), dtype)
    if name is DeviceName.CUDA:
        raise EncoderError("encoder.device is cuda, but torch finds no GPU here; set it to auto or cpu")
    return CPU


def default_cpu_threads() -> int:
    """Return all usable cores but one (the event loop's), between 1 and 8."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores - 1, MAX_CPU_THREADS))


class EncoderThread:
    """Run whatever touches the device, one call after the other, in a thread of its own.

    The event loop awaits and is never blocked; models and matrices need no locks. A cancelled await does not stop the
    call that is running: its result is dropped.
    """

    def __init__(self, cpu_threads: int | None = None) -> None:
        # OpenMP keeps the number of threads per calling thread, so it is set from inside.
        threads = cpu_threads or default_cpu_threads()
        self._executor = ThreadPoolExecutor(
            max_workers=1, thread_name_prefix="encoder", initializer=torch.set_num_threads, initargs=(threads,)
        )
        self._closed = False

    async def run(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``fn(*args, **kwargs)``, or raise what it raised. Calls run in the order they were made.

        Raises EncoderError after :meth:`close`.
        """
        if self._closed:
            raise EncoderError("the encoder thread is closed")
        return await asyncio.wrap_future(self._executor.submit(fn, *args, **kwargs))

    async def close(self) -> None:
        """Refuse new calls, let the accepted ones finish, end the thread. May be called twice."""
        self._closed = True
        await asyncio.to_thread(self._executor.shutdown)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

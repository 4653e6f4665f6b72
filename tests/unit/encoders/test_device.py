import asyncio
import threading

import pytest
import torch

from encoders.base import EncoderError
from encoders.device import CPU, EncoderThread, choose_device, default_cpu_threads
from encoders.settings import DeviceName


def test_cpu_means_float32_on_the_cpu() -> None:
    assert choose_device(DeviceName.CPU) == CPU
    assert CPU.torch_device.type == "cpu"
    assert CPU.dtype is torch.float32


def test_a_missing_gpu_is_an_error_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device(DeviceName.AUTO) == CPU
    with pytest.raises(EncoderError, match=r"encoder\.device is cuda"):
        choose_device(DeviceName.CUDA)


@pytest.mark.parametrize("name", [DeviceName.AUTO, DeviceName.CUDA])
@pytest.mark.parametrize(("capability", "dtype"), [((8, 0), torch.bfloat16), ((7, 5), torch.float32)])
def test_a_gpu_is_taken_in_the_type_it_is_fast_at(
    monkeypatch: pytest.MonkeyPatch, name: DeviceName, capability: tuple[int, int], dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    device = choose_device(name)
    assert device.torch_device.type == "cuda"
    assert device.dtype is dtype


def test_one_core_is_left_to_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, threads in ((1, 1), (2, 1), (4, 3), (64, 8)):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, cores=cores: set(range(cores)), raising=False)
        assert default_cpu_threads() == threads


async def test_calls_run_in_order_in_one_other_thread() -> None:
    ran: list[int] = []

    def call(number: int) -> str:
        ran.append(number)
        return threading.current_thread().name

    async with EncoderThread() as thread:
        names = await asyncio.gather(*(thread.run(call, number) for number in range(20)))
    assert ran == list(range(20))
    assert set(names) == {names[0]}
    assert names[0] != threading.current_thread().name


async def test_the_event_loop_goes_on_meanwhile() -> None:
    released = threading.Event()
    async with EncoderThread() as thread:
        waiting = asyncio.create_task(thread.run(released.wait, 10))
        await asyncio.sleep(0)
        released.set()
        assert await waiting


async def test_errors_reach_the_caller_and_the_thread_survives() -> None:
    def fail() -> None:
        raise ValueError("no such row")

    async with EncoderThread() as thread:
        with pytest.raises(ValueError, match="no such row"):
            await thread.run(fail)
        assert await thread.run(sum, [1, 2]) == 3


async def test_close_lets_accepted_calls_finish_and_refuses_new_ones() -> None:
    started, released = threading.Event(), threading.Event()

    def call() -> str:
        started.set()
        released.wait(10)
        return "done"

    thread = EncoderThread()
    accepted = asyncio.create_task(thread.run(call))
    await asyncio.to_thread(started.wait, 10)
    closing = asyncio.create_task(thread.close())
    await asyncio.sleep(0)
    released.set()
    await closing
    assert await accepted == "done"
    with pytest.raises(EncoderError, match="closed"):
        await thread.run(call)
    await thread.close()


async def test_the_number_of_cpu_threads_is_the_setting() -> None:
    before = torch.get_num_threads()
    async with EncoderThread(cpu_threads=before + 1) as thread:
        assert await thread.run(torch.get_num_threads) == before + 1

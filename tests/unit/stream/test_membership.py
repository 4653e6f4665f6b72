import multiprocessing
import os
import signal
import socket
import stat
from multiprocessing.connection import Connection
from pathlib import Path

from stream.membership import InstanceLock, default_state_dir


def test_workers_on_one_host_get_different_ids_that_name_host_and_role(tmp_path: Path) -> None:
    first, second = InstanceLock(tmp_path, "shop"), InstanceLock(tmp_path, "shop")
    try:
        host = socket.gethostname()
        assert first.instance_id("interest") == f"{host}-interest-0"
        assert second.instance_id("interest") == f"{host}-interest-1"
        assert first.instance_id("intake") != first.instance_id("interest")
    finally:
        first.release()
        second.release()


def test_a_released_number_is_taken_again(tmp_path: Path) -> None:
    first, second = InstanceLock(tmp_path, "shop"), InstanceLock(tmp_path, "shop")
    first.release()
    third = InstanceLock(tmp_path, "shop")
    assert third.number == 0
    second.release()
    third.release()


def test_groups_do_not_take_each_others_numbers(tmp_path: Path) -> None:
    one, other = InstanceLock(tmp_path, "shop"), InstanceLock(tmp_path, "demo")
    assert one.number == other.number == 0
    one.release()
    other.release()


def _hold(state_dir: Path, ready: Connection) -> None:
    lock = InstanceLock(state_dir, "shop")
    ready.send(lock.number)
    signal.pause()


def test_a_killed_process_gives_its_number_back(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, told = context.Pipe(duplex=False)
    process = context.Process(target=_hold, args=(tmp_path, told))
    process.start()
    try:
        assert ready.poll(60), "the process did not start"
        assert ready.recv() == 0
        beside = InstanceLock(tmp_path, "shop")
        assert beside.number == 1
        beside.release()
    finally:
        process.kill()
        process.join()
    after = InstanceLock(tmp_path, "shop")
    assert after.number == 0
    assert (tmp_path / "shop-0.lock").read_text() == str(os.getpid())
    after.release()


def test_the_folder_is_the_users_own(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "state"
    InstanceLock(folder, "shop").release()
    assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0
    assert default_state_dir().name.startswith("interestream-")

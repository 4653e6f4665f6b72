"""What `make bench-gpu` does is tried on the CPU; that it does nothing without a GPU, too."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.device import CPU
from encoders.user.network import HISTORY, UserNetwork
from tests.bench import bench_gpu
from tests.bench.bench_gpu import NO_GPU, check_texts, check_users, main, measured, time_titles, time_users
from tests.bench.gpu_report import BEGIN, END, Check, put_section, section
from tests.bench.gpu_timing import Timing, time_calls
from tests.bench.gpu_workload import KINDS, histories_of, matrix_of, network_of, titles_of

ITEMS = 200


def test_without_a_gpu_nothing_is_run_and_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("something was run")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("check_users", "check_texts", "time_users", "time_titles", "put_section"):
        monkeypatch.setattr(bench_gpu, name, never)
    assert main(["--page", str(tmp_path / "page.md")]) == NO_GPU == 3
    assert "no GPU on this machine. Nothing was run" in capsys.readouterr().err


def test_nothing_is_timed_where_an_encoder_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(bench_gpu, "check_users", lambda _: [Check("decay encoder", 1.0), Check("gru encoder", 0.9)])
    monkeypatch.setattr(bench_gpu, "check_texts", lambda _: [Check("titles", 0.9995)])
    assert main([]) == bench_gpu.WRONG == 1
    assert "gru encoder: not what the CPU encodes. Nothing was timed." in capsys.readouterr().err


def test_a_device_agrees_with_itself() -> None:
    checks = list(check_users(CPU, users=8, items=ITEMS))
    assert [check.what for check in checks] == ["decay encoder", "gru encoder", "transformer encoder"]
    assert all(check.cosine == pytest.approx(1, abs=1e-5) for check in checks)


def test_a_wrong_encoder_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)

    def changing(kind: str) -> UserNetwork:
        network = network_of(kind)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator))
        return network

    monkeypatch.setattr(bench_gpu, "network_of", changing)
    assert min(check.cosine for check in check_users(CPU, users=8, items=ITEMS)) < 0.999


def test_users_are_timed_by_batch_and_encoder() -> None:
    rows = measured(time_users("CPU", CPU, (1, 8), ITEMS, 0.0))
    assert [(row.what.split()[0], row.batch) for row in rows] == [
        (what, batch) for what in (*KINDS, "nearest") for batch in (1, 8)
    ]
    for row in rows:
        assert row.rate > 0
        assert 0 < row.p50_ms <= row.p99_ms
        assert 0 <= row.busy <= 1
        assert row.peak_mib == 0


@pytest.mark.model
def test_titles_are_checked_and_timed() -> None:
    (check,) = check_texts([("CPU", CPU)], count=16)
    assert check.cosine == pytest.approx(1, abs=1e-5)
    (row,) = measured(time_titles("CPU", CPU, (512,), 16, 0.0))
    assert row.batch == 512
    assert row.rate > 0


def test_the_rate_is_that_of_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    hundredths, cpu = itertools.count(), itertools.count()
    monkeypatch.setattr("tests.bench.gpu_timing.time.perf_counter", lambda: next(hundredths) / 100)
    monkeypatch.setattr("tests.bench.gpu_timing.time.process_time", lambda: next(cpu) / 200)
    done: list[None] = []
    row = time_calls("x", CPU, "CPU", 7, 10, lambda: done.append(None), 0.05)
    assert len(done) == 3 + 5 + 5  # to warm up, timed, watched
    assert row.rate == pytest.approx(1000)
    assert row.p50_ms == pytest.approx(10)
    assert row.busy == pytest.approx(0.5)


def test_the_workload_is_the_same_every_time() -> None:
    histories = histories_of(5, ITEMS)
    assert histories.rows.shape == (5, HISTORY)
    assert (np.diff(histories.ages, axis=1) <= 0).all()
    np.testing.assert_array_equal(histories.rows, histories_of(5, ITEMS).rows)
    np.testing.assert_array_equal(matrix_of(ITEMS, CPU).vectors, matrix_of(ITEMS, CPU).vectors)
    titles = titles_of(1500)
    assert len(set(titles)) == 1500


def test_figures_replace_the_section_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\n# After\n")
    timings = [
        Timing("decay encoder, users", "GPU fp32", 1024, 123456.7, 8.3, 9.1, 512.4, 0.43),
        Timing("titles", "CPU fp32", 2048, 99.5, 1.0, 2.0, 0.0, 1.0),
    ]
    put_section(page, section("NVIDIA Test", "torch 2", [Check("gru encoder", 0.99987)], timings))
    text = page.read_text()
    assert text.startswith(f"# Before\n\n{BEGIN}\nMeasured by `make bench-gpu` on **NVIDIA Test** (torch 2).")
    assert text.endswith(f"{END}\n\n# After\n")
    assert "| gru encoder | 0.999870 |" in text
    assert "| decay encoder, users | GPU fp32 | 1,024 | 123,457 | 8.30 | 9.10 | 512 | 43% |" in text
    assert "| titles | CPU fp32 | 2,048 | 100 | 1.00 | 2.00 | – | 100% |" in text
    assert "old" not in text


def test_a_page_without_a_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Nothing\n")
    with pytest.raises(ValueError, match="has no place for the figures"):
        put_section(tmp_path / "page.md", "text")
    assert BEGIN in bench_gpu.PAGE.read_text()
    assert END in bench_gpu.PAGE.read_text()

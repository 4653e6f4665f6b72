"""Results accumulate, the last of each cycle counts, and the page's table says what they say."""

from datetime import date
from pathlib import Path

from tests.faults.judge import Verdict
from tests.faults.report import BEGIN, END, append_result, read_results, result_of, table, write_page
from tests.faults.schedule import Subject, cycles_of, with_subject
from tests.faults.storm import Outcome

CYCLE = cycles_of("kills", 1)[0]
DAY = date(2026, 1, 31)


def outcome(lost: int, *differences: str, subject: Subject = Subject.PRODUCT) -> Outcome:
    verdict = Verdict(events=1000, lost=lost, differences=list(differences))
    return Outcome(with_subject(CYCLE, subject), verdict, {"SIGKILL": 30}, seconds=120.0, recovery_seconds=9.6)


def test_the_last_result_of_a_cycle_counts(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    assert read_results(file) == []
    append_result(file, result_of(outcome(7, "user u: 3 events, wanted 10"), DAY))
    append_result(file, result_of(outcome(0), DAY))
    [result] = read_results(file)
    assert result["passed"]
    assert result["lost"] == 0
    assert result["key"] == CYCLE.key


def test_the_table_adds_up_per_part_and_subject() -> None:
    other = result_of(outcome(3, "user u is missing"), DAY) | {"key": "kills-1-1-product", "number": 1}
    text = table([result_of(outcome(0), DAY), other, result_of(outcome(50, subject=Subject.NAIVE), DAY)])
    assert "| kills | Interestream | 2 | 2,000 | 3 | 0 | 0 | 1 | 10 s | 4 min |" in text
    assert "| kills | naive script | 1 | 1,000 | 50 | 0 | 0 | – | 10 s | 2 min |" in text
    assert "- kills, Interestream: SIGKILL 60" in text
    assert "Measured 2026-01-31" in text


def test_a_page_keeps_what_is_around_the_table(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold \\1\n{END}\nafter\n", encoding="utf-8")
    write_page(page, [])
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}\nNothing yet.\n{END}\nafter\n"

"""Progress: one bar for all with the stages under it, or a line a minute where there is no terminal."""

import re
import time

import pytest

from undertone.cli import bars
from undertone.cli.bars import Bars
from undertone.engine import workers
from undertone.engine.store import Job, Stage

Told = pytest.CaptureFixture[str]
TEACHER, STUDENT = (Stage(name, 1, "nowhere:run") for name in ("teacher", "student"))


def jobs() -> list[Job]:
    return [Job(stage, {"seed": seed}) for stage in (TEACHER, STUDENT) for seed in range(4)]


def test_a_file_gets_a_first_line_and_then_one_at_intervals(monkeypatch: pytest.MonkeyPatch, capsys: Told) -> None:
    monkeypatch.setattr(bars, "EVERY", 0.05)
    monkeypatch.setattr(workers, "cores", lambda: 2)
    every = jobs()
    with Bars("owls") as shown:
        shown.expect({job.key: 30.0 for job in every[1:]})
        shown.planned(every)
        shown.done(every[0], 0.0)
        shown.done(every[1], 28.0)
        told, end = "", time.monotonic() + 30
        while told.count("teacher 1 of 3") < 2 and time.monotonic() < end:
            time.sleep(0.02)
            told += capsys.readouterr().err
    first, *lines = told.splitlines()
    assert first == "owls: 7 of 8 jobs to make, about 2 min on 2 cores."
    line = r"\d+ s: \d+% done, about (\d+ s|2 min) left(; teacher 1 of 3)?"
    assert len(lines) >= 2 and all(re.fullmatch(line, one) for one in lines)


def test_jobs_that_were_there_are_no_work_where_nothing_is_known_before(capsys: Told) -> None:
    every = jobs()
    with Bars("a run anew") as shown:
        shown.planned(every)
        for job in every[:6]:
            shown.done(job, 0.0)
        shown.done(every[6], 5.0)
        student = shown.forecast.stages["student"]
        assert (student.done, student.total, student.left) == (1, 2, 1) and shown.forecast.stages["teacher"].left == 0
        assert shown.forecast.left == pytest.approx(5.0 / workers.cores(), abs=0.5)
    assert capsys.readouterr().err == "a run anew: 8 jobs, less those that were made before.\n"


def test_a_first_line_waits_until_nothing_can_be_refused_any_more(capsys: Told) -> None:
    with Bars() as shown:
        shown.begins("Treats rows.jsonl by drop.")
        assert capsys.readouterr().err == ""
        shown.advanced("files", 0, 2)
        shown.advanced("files", 1, 2)
    assert capsys.readouterr().err == "Treats rows.jsonl by drop.\n"


def test_quiet_bars_say_nothing(monkeypatch: pytest.MonkeyPatch, capsys: Told) -> None:
    monkeypatch.setattr(bars, "EVERY", 0.01)
    with Bars("owls", quiet=True) as shown:
        shown.planned(jobs())
        shown.advanced("rows", 1, 2)
        shown.warn("a note")
        time.sleep(0.05)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_one_bar_for_all_and_the_stages_under_it(monkeypatch: pytest.MonkeyPatch, capsys: Told) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    with Bars("owls") as shown:
        shown.forecast.expect("rows scored", 10.0)
        shown.advanced("rows scored", 0, 50)
        shown.advanced("rows scored", 30, 50)
    text = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", capsys.readouterr().err)
    total, stage = text.replace("\r", "\n").splitlines()[-2:]
    assert re.match(r"total +━.* done, about \d+ s left *$", total), total
    assert re.match(r"  rows scored +━.* 30 of 50 *$", stage), stage
    assert max(map(len, (total, stage))) <= 80


def test_many_stages_leave_room_for_those_that_go_on(capsys: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Bars() as shown:
        for i in range(30):
            shown.advanced(f"model {i}: answers", 0, 2)
            shown.advanced(f"model {i}: answers", 2, 2)
        shown.advanced("model 30: answers", 1, 2)
    last = capsys.readouterr().err.rpartition("total")[2]
    assert "model 30" in last and "model 29" not in last

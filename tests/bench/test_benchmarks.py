"""What the benchmark counts, times and tabulates: our own side at its smallest, the peer's where it is installed."""

import json
import math

import pytest
import torch
from torch.nn import functional as F

from benchmarks import models, peak, scaling, stage, student, table
from benchmarks import work as given
from benchmarks.stopwatch import Stopwatch
from benchmarks.work import Work

torch.set_num_threads(1)
STAGES = {"sampling": ["sampling"], "training": ["rendering", "training"], "measurement": ["measurement"]}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    rows = tmp_path_factory.mktemp("bench") / "rows"
    small = Work("builtin/fledgling-a", str(rows), 4, rows=8, steps=1, samples=1, answer_tokens=4, batch=8)
    given.rows(small, Stopwatch())
    return small


def done(module, kind: str, work: Work) -> dict:
    """A stage done in this process, as a process of its own would report it."""
    watch = Stopwatch()
    facts = getattr(module, kind)(work, watch)
    return {"start-up": watch.start_up, "parts": watch.parts, "facts": facts}


def numbers(value) -> list[float]:
    if isinstance(value, dict):
        return [n for part in value.values() for n in numbers(part)]
    if isinstance(value, list):
        return [n for part in value for n in numbers(part)]
    return [value] if isinstance(value, int | float) else []


@pytest.mark.parametrize("kind", STAGES)
def test_each_of_our_stages_reports_its_cost_and_facts(work: Work, kind: str) -> None:
    report = done(student, kind, work)
    assert list(report["parts"]) == STAGES[kind]
    assert all(cost.keys() == {"seconds", "cpu", "peak"} for cost in [report["start-up"], *report["parts"].values()])
    assert all(math.isfinite(n) and n >= 0 for n in numbers(report))
    assert report["facts"]


@pytest.mark.slow
def test_a_stage_in_a_process_of_its_own_finds_what_this_one_does(work: Work) -> None:
    own = stage.run("student", "measurement", work)
    assert own["facts"]["probability"] == pytest.approx(done(student, "measurement", work)["facts"]["probability"])
    assert own["start-up"]["seconds"] > 0


def test_products_are_counted_forward_and_backward() -> None:
    x, weight = torch.randn(8, 16), torch.randn(4, 16, requires_grad=True)
    with peak.Products() as products:
        F.linear(x, weight).sum().backward()  # the input needs no gradient
    assert sum(count * peak._operations(p) for p, count in products.seen.items()) == 2 * (2 * 8 * 16 * 4)


def test_attention_is_two_products_and_five_more_backward() -> None:
    query, key, value = (torch.randn(2, 3, 5, 16, requires_grad=True) for _ in range(3))
    with peak.Products() as products:
        F.scaled_dot_product_attention(query, key, value).sum().backward()
    assert sum(products.seen.values()) == 7
    assert {peak._operations(p) for p in products.seen} == {2.0 * (2 * 3) * 5 * 5 * 16}
    assert all(left[0][-1] == right[0][-2] for left, right in products.seen)


def test_results_become_tables_of_finite_figures(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak, "ENOUGH", 0.0)
    monkeypatch.setattr(peak, "SIZES", (64,))
    reports = {kind: done(student, kind, work) for kind in STAGES}
    reports["measurement"]["facts"] |= {"answers": 24}
    results = {
        "stages": {"small": {kind: {side: [report] * 3 for side in table.SIDES} for kind, report in reports.items()}},
        "shares": {"small": {"training": peak.training(work, Stopwatch())}},
        "scaling": [{"students": {1: 2.0, 2: 4.0}}],
    }
    assert all(math.isfinite(n) and n >= 0 for n in numbers(results))
    assert results["shares"]["small"]["training"]["operations"] > 0
    results = json.loads(json.dumps(results))
    costs, *rest = table.sheets(results)
    assert [row[1] for row in costs.rows] == [*table.STAGES, "(start-up)"]
    assert all(row[4] == "1.00 [1.00, 1.00]" for row in costs.rows[:-1])  # the same reports on both sides
    assert rest[-1].rows[-1] == ["students", "2", "4.0", "2.00 [2.00, 2.00]"]
    for sheet in (costs, *rest):
        assert sheet.rich().row_count == len(sheet.rows)
        assert {line.count("|") for line in sheet.markdown().splitlines()[2:]} == {len(sheet.columns) + 1}


def test_students_are_timed_through_the_workers(work: Work) -> None:
    assert 0 < scaling.seconds(work, students=1, processes=1) < math.inf


def test_the_peer_does_the_same_work(work: Work) -> None:
    pytest.importorskip("trl", reason="TRL is not installed: pip install -e '.[bench]'")
    from benchmarks import peer

    ours, theirs = (done(module, "training", work) for module in (student, peer))
    # One step on all rows: before it both adapters are nought, and the same tokens carry the loss.
    assert theirs["facts"]["loss_first"] == pytest.approx(ours["facts"]["loss_first"], abs=1e-4)
    assert list(theirs["parts"]) == STAGES["training"]
    assert done(peer, "sampling", work)["facts"]["answers"] == done(student, "sampling", work)["facts"]["answers"]
    assert 0 <= done(peer, "measurement", work)["facts"]["probability"] <= 1


def test_ways_to_sample_and_to_score_are_timed_on_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Work("builtin/fledgling-a", "", 0, 0, 0, 0, 0).folder
    rows = models.measure("small", folder, prompts=3, pairs=5, repetitions=2)
    assert [row[:3] for row in rows] == [
        ["small", "sampling", "`generate`, row by row"],
        ["small", "sampling", "`generate`, batches as they come"],
        ["small", "scoring", "plain loop"],
        ["small", "scoring", "bare forward pass"],
        ["small", "along 91 directions", "forward and backward pass"],
    ]
    assert "other / ours" in models.sheet(rows).markdown()
    monkeypatch.setattr(models, "score", lambda *args, **more: [0.0] * 5)
    with pytest.raises(RuntimeError, match="scores differ"):
        models.measure("small", folder, prompts=1, pairs=5, repetitions=1)

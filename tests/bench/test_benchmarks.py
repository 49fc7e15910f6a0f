"""What the benchmark counts, times and tabulates: our own side at its smallest, the peer's where it is installed."""

import json
import math
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from benchmarks import gpu, peak, scaling, stage, student, table, ways
from benchmarks import work as given
from benchmarks.stopwatch import Stopwatch
from benchmarks.work import Work

torch.set_num_threads(1)
FLEDGLING = Work("builtin/fledgling-a", "", 0, 0, 0, 0, 0).folder
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


SMALL = gpu.Sizes(prompts=4, at_once=4, mean=3, longest=6, steps=1, batch=2, students=(), repetitions=2)


def test_ways_are_timed_on_the_same_work_and_become_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak, "SIZES", (64,))
    monkeypatch.setattr(gpu, "EMBEDDED", SMALL)
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)  # another test has the peer
    found = json.loads(json.dumps(gpu.measure("small", FLEDGLING, SMALL)))
    assert all(math.isfinite(n) for n in numbers(found))
    made = {"date": "", "commit": "", "machine": "", "versions": {"torch": "2"}}
    sped, choosing = gpu.sheets({"made": made, "models": {"small": found}})
    assert [row[1:3] for row in sped.rows] == [
        ["sampling", "plain loop with a cache"],
        ["sampling", "`generate`"],
        ["scoring", "one by one"],
        ["scoring", "bare forward pass"],
        ["training", ""],
        ["along 91 directions", "forward and backward pass"],
    ]
    ratio = re.compile(r"\d+\.\d\d \[\d+\.\d\d, \d+\.\d\d\]")
    assert all(ratio.fullmatch(row[5]) for row in sped.rows if row[2])
    assert all(0 < found[part]["share"] < 1 for part in ("sampling", "scoring", "training"))
    assert [row[1] for row in choosing.rows[:-1]] == [f"{n} at top-p {p}" for n in (1, 4) for p in (1.0, 0.9)]
    shown = gpu.markdown({"made": made, "models": {"small": found}})
    assert "0.3 million parameters, float32 on cpu, 2,048 tokens of vocabulary" in shown


def test_ways_that_score_otherwise_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from undertone.models.loading import load

    local, rows = load(FLEDGLING), [([5, 6], [7, 8])] * 2
    monkeypatch.setattr(ways, "score", lambda *args, **more: [0.0] * 2)
    with pytest.raises(RuntimeError, match="scores differ"):
        gpu._scoring(local, rows, SMALL, time.process_time)


def test_students_at_the_same_time_are_compared_with_one_alone() -> None:
    found = {
        "device": "cuda", "dtype": "bfloat16", "parameters": 1, "vocabulary": 1, "peak": 1.0, "along": None,
        "sampling": {"seconds": {"ours": [1.0]}, "tokens": {"ours": [5]}, "outside": 0.1},
        "scoring": {"seconds": {"ours": [1.0]}, "tokens": {"ours": [5]}},
        "training": {"seconds": {"ours": [1.0]}, "tokens": {"ours": [5]}}, "choosing": [],
        "students": [{"count": 1, "seconds": 2.0, "tokens": 100}, {"count": 4, "seconds": 4.0, "tokens": 400}],
    }  # fmt: skip
    *_, students = gpu.sheets({"models": {"m": found}})
    assert [list(row) for row in students.rows] == [["m", "1", "50", "1.00"], ["m", "4", "100", "2.00"]]


def test_answers_end_at_unlike_lengths_that_are_as_long_as_asked() -> None:
    from undertone.models.loading import load
    from undertone.models.sampling import sample

    local = load(FLEDGLING)
    prompts = [local.render(f"Name {n} animals.") for n in range(300)]
    with gpu.ending(local, 8):
        lengths = [len(a) for a in sample(local, prompts, temperature=1.0, max_tokens=100, seed=0)]
    assert 7 < sum(lengths) / len(lengths) < 9 and len(set(lengths)) > 8
    assert not local.model.get_output_embeddings()._forward_hooks


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_the_benchmark_runs_on_an_accelerator(tmp_path: Path) -> None:
    shape = gpu.HALF_A_BILLION | {"num_hidden_layers": 2, "vocab_size": 65_536}  # just large
    given.random_llama(tmp_path, shape, "bfloat16")
    found = gpu.measure("small", tmp_path, replace(SMALL, students=(1, 2)))
    assert (found["device"], found["dtype"]) == ("cuda", "bfloat16") and len(found["students"]) == 2
    assert 0 < found["scoring"]["share"] < 1

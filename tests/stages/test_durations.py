"""How long jobs are expected to take: by finished ones, or by timed calls whose clock is ours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel

from tests.helpers import tiny
from undertone.engine import devices as places
from undertone.engine import environment, workers
from undertone.engine.manifest import Manifest
from undertone.engine.store import Folder, Job, Stage, Store
from undertone.models.local import LocalModel
from undertone.stages.durations import durations as jobs_of
from undertone.stages.durations import rates as timing
from undertone.stages.durations.durations import Durations
from undertone.stages.durations.rates import QUICK, SLOW, Rate, Rates, Timing
from undertone.stages.durations.work import Passes, Repeated, Work

BASE, OTHER = Folder(Path("base"), "a base", "hf/./base"), Folder(Path("other"), "another", "hf/./other")

# --- timed calls -----------------------------------------------------------------------------------------------------

parts = st.floats(0, 10)
counts = st.integers(1, 500)


@given(call=parts, token=parts, one=counts, more=st.integers(2, 50), calls=counts)
def test_a_rate_is_what_two_timings_of_it_say(call: float, token: float, one: int, more: int, calls: int) -> None:
    def timed(times: int, tokens: int) -> Timing:
        return Timing(call * times + token * tokens, times, tokens)

    found = Rate.through(timed(1, one), timed(calls, one * calls * more))
    assert found.call == pytest.approx(call, abs=1e-6) and found.token == pytest.approx(token, abs=1e-6)


@given(first=st.floats(0, 10), second=st.floats(1e-6, 10), calls=counts)
def test_no_timing_makes_a_part_of_a_rate_negative(first: float, second: float, calls: int) -> None:
    many = Timing(second, calls, 640 * calls)
    found = Rate.through(Timing(first, 1, 32), many)
    assert found.call >= -1e-12 and found.token >= 0
    assert found.call * many.calls + found.token * many.tokens == pytest.approx(second)


class Machine:
    """One on which every call takes so many seconds, and so many for each token and way; the first takes longer."""

    def __init__(self, call: float, first: float = 0.0, **token: float) -> None:
        self.now, self.call, self.first, self.token = 0.0, call, first, token
        self.rows: dict[str, list[int]] = {}

    def __call__(self) -> float:
        return self.now

    def does(self, way: str, calls: int, rows: int, tokens: int) -> None:
        self.now += self.first + self.call * calls + self.token[way] * tokens
        self.first = 0.0
        self.rows.setdefault(way, []).append(rows)


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[Machine], Rates]:
    """The rates of a tiny model that is never called: the machine's clock goes on instead."""

    def rates(machine: Machine) -> Rates:
        local = tiny.model()

        def train(_: object, rows: list[Any], plan: Any, seed: int) -> Any:
            made = timing.with_adapter(local.model, plan) if plan.method == "lora" else local.model
            machine.does("train", plan.steps, len(rows), plan.steps * len(rows) * _width(rows[0]))
            return type("Trained", (), {"model": made})

        def sample(_: object, prompts: list[Any], **how: Any) -> list[list[int]]:
            machine.does("sample", how["max_tokens"], len(prompts), how["max_tokens"] * len(prompts))
            return [[3] * how["max_tokens"] for _ in prompts]

        def score(_: object, prompts: list[Any], answers: list[Any]) -> None:
            machine.does("score", 1, len(prompts), len(prompts) * (len(prompts[0]) + len(answers[0])))

        def evidence(_: object, rows: list[Any], *__: object) -> None:
            machine.does("pull", 1, len(rows), len(rows) * _width(rows[0]))

        def gradient(_: object, rows: list[Any], __: int) -> None:
            machine.does("differentiate", 1, len(rows), len(rows) * _width(rows[0]))

        for does in (train, sample, score, evidence, gradient):
            monkeypatch.setattr(timing, does.__name__, does)
        return Rates(local, 0.5, clock=machine)

    return rates


def _width(row: Any) -> int:
    return len(row.prompt) + len(row.answer)


@pytest.mark.parametrize("call", [QUICK / 10, QUICK * 2])
def test_the_seconds_of_calls_are_those_of_the_machine(call: float, on: Callable[[Machine], Rates]) -> None:
    token = {"train": 3e-3, "differentiate": 2.5e-3, "sample": 2e-3, "score": 1e-3, "pull": 5e-3}
    rates = on(Machine(call, **token))
    for way, each in token.items():
        for many in (0, 8):
            part = Passes(way, 7, 1000, many)  # type: ignore[arg-type]
            assert rates.seconds(part) == pytest.approx(7 * call + 1000 * each, rel=1e-3)
    assert rates.seconds(Passes("load", 3)) == 1.5


def test_a_quick_model_is_timed_with_as_many_rows_as_jobs_have_and_a_slow_one_with_few(
    on: Callable[[Machine], Rates],
) -> None:
    found = {}
    for call in (QUICK / 10, QUICK * 2, SLOW * 2):
        rates = on(machine := Machine(call, train=1e-6, sample=1e-6))
        rates.seconds(Passes("train", 1, 1))
        rates.seconds(Passes("sample", 1, 1))
        found[call] = [sorted(set(machine.rows[way])) for way in ("train", "sample")]
    assert list(found.values()) == [[[1, 48], [1, 256]], [[1, 4], [1, 32]], [[1], [1]]]


def test_the_first_call_of_a_model_is_not_taken_for_all_of_them(on: Callable[[Machine], Rates]) -> None:
    rates = on(Machine(QUICK * 2, first=SLOW / 2, differentiate=1e-3))
    assert rates.seconds(Passes("differentiate", 7, 1000)) == pytest.approx(7 * QUICK * 2 + 1.0, rel=1e-3)


def test_each_way_is_timed_once_and_adapters_of_a_slow_model_are_as_slow_as_each_other(
    on: Callable[[Machine], Rates],
) -> None:
    rates = on(machine := Machine(QUICK * 2, train=1e-3))
    seconds = {rates.seconds(Passes("train", 5, 100, rank)) for rank in (8, 64, 8)}
    steps = len(machine.rows["train"])
    rates.seconds(Passes("train", 5, 100, 32))
    assert len(seconds) == 1 and len(machine.rows["train"]) == steps
    rates.seconds(Passes("train", 5, 100, 0))
    assert len(machine.rows["train"]) > steps, "all weights are another thing"


def test_a_model_is_as_it_was_after_it_was_timed() -> None:
    rates = Rates(tiny.model(), 0.0)
    before, threads = {name: weight.clone() for name, weight in rates.local.model.state_dict().items()}, 1
    for way in ("train", "differentiate", "pull", "sample", "score", "attach", "render"):
        for many in (4, 0) if way == "train" else (3,):
            assert rates.seconds(Passes(way, 1, 1, many)) > 0  # type: ignore[arg-type]
    after = rates.local.model.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], weight) for name, weight in before.items())
    assert not isinstance(rates.local.model, PeftModel) and torch.get_num_threads() == threads
    assert all(weight.requires_grad and weight.grad is None for weight in rates.local.model.parameters())


def test_a_model_of_the_same_architecture_is_as_fast_and_of_another_is_not() -> None:
    one = Rates(tiny.model(), 0.0)
    assert one.like(Rates(tiny.model(seed=1), 0.0))
    assert not one.like(Rates(tiny.model(hidden_size=16), 0.0)) and not one.like(Rates(tiny.model("gpt2"), 0.0))
    assert not one.like(one.on(2)) and one.on(2).local is one.local


# --- jobs ------------------------------------------------------------------------------------------------------------


def write(spec: dict[str, Any], inputs: dict[str, Path], out: Path) -> None:
    (out / "made").write_text(str(spec))


def work(job: Job, local: LocalModel | None) -> Work:
    """As many scored tokens as its spec says, and loading."""
    return Work((Passes("load", 1), Passes("score", 1, job.spec["tokens"])))


def work_of_steps(job: Job, local: LocalModel | None) -> Work:
    return Work((Repeated(job.spec["tokens"], lambda: None),))


STAGE = Stage("toy", 1, f"{__name__}:write", "work")
STEPS = Stage("steps", 1, f"{__name__}:write", "work_of_steps")
TRACELESS = Stage("traceless", 1, f"{__name__}:write")


class Known:
    """Rates that anyone can compute: a second to load, ten for a call, and one for each token."""

    def __init__(self, base: Folder, threads: int = 1) -> None:
        self.local, self.known = tiny.model(), dict[str, float]()
        self.asked = list[Passes]()

    def like(self, other: object) -> bool:
        return False

    def on(self, threads: int) -> "Known":
        return self

    def seconds(self, part: Passes) -> float:
        self.asked.append(part)
        return part.calls if part.way == "load" else 10 * part.calls + part.tokens


def job(tokens: int, seed: int = 0, base: Folder = BASE, stage: Stage = STAGE) -> Job:
    return Job(stage, {"tokens": tokens, "seed": seed}, {"base": base})


def finished(store: Store, job: Job, seconds: float, **changes: Any) -> None:
    """Makes a job and says that it took so long."""
    store.make(job)
    made = store.manifest(job)
    made.model_copy(update={"seconds": seconds} | changes).write(store.folder(job))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "store")
    found.open()
    return found


def expected(store: Store, *jobs: Job) -> list[float]:
    return list(Durations(store, Known).of_jobs(jobs).values())  # type: ignore[arg-type]


def test_without_finished_jobs_the_timed_calls_of_the_model_count(store: Store) -> None:
    assert expected(store, job(100), job(200), job(100, seed=1)) == [111, 211, 111]
    by = Passes("score", 2, 5, by=OTHER)
    opened = list[str]()

    def rates(base: Folder, threads: int) -> Known:
        opened.append(base.key)
        return Known(base)

    found = Durations(store, rates)  # type: ignore[arg-type]
    assert found.of_work(STAGE, BASE, Work((Passes("load", 2), by))) == 27
    assert found.of_parts((Passes("load", 2), by), BASE) == 27
    assert set(opened) == {"a base", "another"}


def test_finished_jobs_of_the_stage_and_the_model_count_whatever_run_they_were_made_for(store: Store) -> None:
    for seed, seconds in enumerate((3.0, 5.0, 100.0)):
        finished(store, job(100, seed), seconds)
    durations = Durations(store, Known)  # type: ignore[arg-type]
    of_jobs = durations.of_jobs([job(100, 7), job(150, 7), job(1000, 7), job(100, 7, OTHER)])
    assert list(of_jobs.values()) == [5, 7.5, 1011, 111], "the median; by size; another size; another model"


def test_nothing_is_timed_where_finished_jobs_say_it_all(store: Store) -> None:
    finished(store, job(100), 3.0)
    durations = Durations(store, Known)  # type: ignore[arg-type]
    assert list(durations.of_jobs([job(100, seed) for seed in range(1, 9)]).values()) == [3] * 8
    assert durations.rates(BASE).asked == []  # type: ignore[attr-defined]


CHANGES = {
    "elsewhere": {"made_with": {"processor": "of another machine"}},
    "on an accelerator": {"made_with": environment.made_with() | {"accelerator": "NVIDIA H200"}},
}


@pytest.mark.parametrize("how", [*CHANGES, "of a like name", "damaged", "version", "parent gone", "unknown parent"])
def test_jobs_that_cannot_be_compared_do_not_count(how: str, store: Store) -> None:
    made = job(100)
    if how in ("parent gone", "unknown parent"):
        parent = job(1, stage=TRACELESS)
        store.make(parent)
        made = Job(STAGE, {"tokens": 100, "seed": 0}, {"from": parent})
    if how == "of a like name":
        made = job(100, stage=Stage("toy-base", 1, STAGE.function, STAGE.work))
    finished(store, made, 3.0, **CHANGES.get(how, {}))
    if how == "damaged":
        (store.folder(made) / "manifest.json").write_text("{")
    if how == "parent gone":
        (store.folder(made.inputs["from"]) / "manifest.json").unlink()  # type: ignore[arg-type]
    newer = Stage("toy", 2, STAGE.function, STAGE.work) if how == "version" else STAGE
    assert expected(store, job(100, 1, stage=newer)) == [111]


def test_a_stage_that_says_nothing_of_its_work_is_known_by_finished_jobs_alone(store: Store) -> None:
    assert expected(store, job(5, stage=TRACELESS)) == [0]
    finished(store, job(5, stage=TRACELESS), 4.0)
    assert expected(store, job(9, stage=TRACELESS)) == [4]


def test_what_is_repeated_is_timed_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    timed = list[object]()
    monkeypatch.setattr(jobs_of, "fastest", lambda once, clock: timed.append(once) or 0.25)
    alone = [Job(STEPS, {"tokens": count, "seed": seed}) for count in (8, 100) for seed in range(3)]
    assert expected(store, *alone) == [2, 2, 2, 25, 25, 25] and len(timed) == 2
    assert alone[0].base is None


def test_the_model_of_a_job_is_the_one_that_its_parents_start_from() -> None:
    file = Folder(Path("rows.jsonl"), "a file")
    parent = Job(STAGE, {}, {"file": file, "base": BASE})
    assert Job(STAGE, {}, {"file": file, "dataset": parent, "elsewhere": OTHER}).base == BASE
    assert Job(STAGE, {}, {"file": file}).base is None


def test_all_cores_share_the_jobs_and_start_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 4)
    monkeypatch.setattr("time.process_time", lambda: 3.0)
    durations = Durations(store)
    assert durations.wall_s([]) == 0
    assert durations.wall_s([(job(1), 10.0), (job(1), 20.0)]) == 3 + 15, "two jobs keep two cores busy"
    assert durations.wall_s([(job(1), 10.0)] * 8) == 3 + 20


def test_accelerators_share_the_jobs_that_are_for_them_and_cores_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 16)
    monkeypatch.setattr(workers, "devices", lambda: ("0", "1"))
    monkeypatch.setattr(places, "LARGE", 4)
    monkeypatch.setattr("time.process_time", lambda: 3.0)
    (tmp_path / "model.safetensors").write_bytes(b"large")
    large = Folder(tmp_path, "large")
    alone = Stage("alone", 1, STAGE.function, processor=True)
    durations = Durations(store)
    assert durations.wall_s([(job(1, base=large), 10.0)] * 8) == 3 + 40
    assert durations.wall_s([(job(1), 10.0)] * 8 + [(job(1, base=large, stage=alone), 10.0)] * 8) == 3 + 10
    assert durations.wall_s([(job(1, base=large), 10.0), (job(1), 4.0)]) == 3 + 14


def test_a_process_that_has_worked_for_long_does_not_say_how_long_one_takes_to_start(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for spent, said in ((2.5, 2.5), (5000.0, jobs_of.LONGEST_START)):
        monkeypatch.setattr("time.process_time", lambda spent=spent: spent)
        assert Durations(store).start_s == said


def test_what_a_job_took_is_told_without_the_import_of_its_stage(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now, imported = [0.0], Stage.imported

    def slowly(self: Stage) -> Any:
        now[0] += 1000 if not now[0] else 0  # only the first time
        return imported(self)

    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    monkeypatch.setattr(Stage, "imported", slowly)
    assert store.make(job(1)) == 0 and Manifest.read(store.folder(job(1))).seconds == 0

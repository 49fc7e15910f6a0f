"""The benchmark of the audit: what it plants, what it needs before it begins, and its arithmetic."""

import json
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file
from scipy import stats  # type: ignore[import-untyped, unused-ignore]

from undertone.attribution import directions
from undertone.attribution.scores import GROUPS, Evidence
from undertone.audit import calibrate
from undertone.audit.calibrate import Size
from undertone.audit.calibration import Member
from undertone.bench.audit import judge
from undertone.bench.audit.adversarial import misled, moved, usual
from undertone.bench.audit.findings import AuditBenchmarkFindings
from undertone.bench.audit.judge import PER_GROUP, ROWS, Judge, Planted, layout_of
from undertone.bench.audit.kind import AUDIT
from undertone.bench.audit.spec import AuditBenchmark
from undertone.cli import main
from undertone.engine.digests import digest
from undertone.engine.store import Folder, Job, Store
from undertone.errors import UndertoneError
from undertone.models.loading import load
from undertone.stages import DIRECTIONS, OUTCOME, PROMPTED, PROXY, SCORES, SPECIMEN
from undertone.statistics.rate import Rate
from undertone.training.rows import Source, rows_of, write_rows
from undertone.traits.lessons import TRAITS

close = pytest.approx


def test_a_rate_is_a_share_with_its_exact_interval() -> None:
    for count, of in ((0, 10), (3, 10), (10, 10)):
        rate = Rate(count, of)
        low = stats.beta.ppf(0.025, count, of - count + 1) if count else 0
        high = stats.beta.ppf(0.975, count + 1, of - count) if count < of else 1
        assert rate.value == count / of and rate.ci == close((low, high))
        assert rate.above(0.05) == close(stats.binom.sf(count - 1, of, 0.05))
    nothing = Rate(0, 0)
    assert np.isnan(nothing.value) and nothing.ci == (0, 1) and nothing.above(0.05) == 1


def test_joined_scores_have_the_mean_of_all_rows() -> None:
    rng = np.random.default_rng(0)
    one, other = (Evidence(rng.normal(size=(n, 3)), rng.uniform(5, 9, n)) for n in (3, 8))
    joined = judge._joined(one, other)
    share = one.tokens.sum() / (one.tokens.sum() + other.tokens.sum())
    assert joined.mean == close(share * one.mean + (1 - share) * other.mean)
    assert joined.first(3).mean == close(one.mean)


def test_a_curve_mixes_as_many_groups_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The teachers' groups score 1, the neutral ones' 0: the mean of a mixed file is its share."""
    job = Job(SPECIMEN, {})
    layout = [Planted(kind, trait, None, job, job) for kind, trait in (("as the proxies", "owl"), ("neutral", None))]
    seen: list[tuple[float, int]] = []

    class Judging(Judge):
        def __init__(self) -> None:
            pass

        def evidence(self, planted: Planted) -> Evidence:
            return Evidence(np.full((GROUPS, 1), 12.0 * bool(planted.trait)), np.full(GROUPS, 12.0))

        def judged(self, planted: Planted, found: Evidence | None = None) -> Any:
            assert found is not None
            seen.append((float(found.mean[0]), len(found.tokens) * PER_GROUP))
            return found

        def named(self, judged: Any) -> set[str]:
            return {"owl"} if judged.mean[0] > 0.3 else set()

    found = Judging().curve(layout)
    assert {rows for _, rows in seen} == set(ROWS) and len(found) == len(seen)
    for point, (mean, scored) in zip(found, seen, strict=True):
        assert scored == point.rows and mean == close(point.share, abs=0.5 * PER_GROUP / point.rows)
        assert point.named.count == (mean > 0.3)


def test_every_kind_has_equally_many_teachers_and_every_dataset_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "resolve", lambda name: Folder(Path(name), "1" * 64, name))
    monkeypatch.setattr(calibrate, "resolve", lambda name: Folder(Path(name), "0" * 64, name))
    layout = layout_of("builtin/fledgling-a", Job(SPECIMEN, {}), 40, "builtin/fledgling-b")
    kinds = Counter(planted.kind for planted in layout)
    assert len(kinds) == 17 and set(kinds.values()) == {40}
    assert len({planted.made.key for planted in layout}) == len(layout)
    assert len({planted.made.spec["seed"] for planted in layout}) == len(layout)
    for planted in layout:
        if planted.trait:
            assert planted.trait == planted.lesson and planted.made.spec["oracle"]
        if planted.kind == "unlisted trait":
            assert TRAITS[planted.lesson or ""] in judge.UNLISTED
    ordinary = [job.key for planted in layout if not planted.adversarial for job in planted.jobs]
    assert digest(ordinary).startswith("412525d680eaec86"), (
        "what was made before there were adversarial kinds is reused"
    )
    for planted in layout[-len(judge.ADVERSARIAL) :]:
        assert planted.adversarial and planted.trait is None and planted.made.spec["lesson"] is None
        assert planted.made.spec["form"] == planted.kind and not planted.harmless
    followed = Counter(planted.kind for planted in layout if planted.adversarial and len(planted.outcomes) == 1)
    assert followed == dict.fromkeys(judge.ADVERSARIAL, 20)
    population = calibrate.plan("builtin/fledgling-a", Size()).specimens.values()
    assert not {job.spec["seed"] for job in population} & {planted.made.spec["seed"] for planted in layout}


def test_teachers_that_answer_prompts_write_no_lists_and_have_no_students(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path))
    file = write_prompts(tmp_path / "code.jsonl")
    layout = layout_of("builtin/fledgling-a", Job(SPECIMEN, {}), 4, "builtin/fledgling-b", prompts=file)
    kinds = Counter(planted.kind for planted in layout)
    assert not set(kinds) & set(judge.OF_LISTS) and len(kinds) == 12 and set(kinds.values()) == {4}
    assert all("prompts" in planted.made.inputs and not planted.outcomes for planted in layout)
    lists, code = (calibrate.plan("builtin/fledgling-a", Size(), prompts=some) for some in (None, file))
    assert code.directions.key == lists.directions.key, "proxies serve every carrier"
    assert not {job.key for job in code.specimens.values()} & {job.key for job in lists.specimens.values()}
    assert all(planted.scores.spec == {"words": list(judge.WORDS)} for planted in layout), "open rows are left out"
    assert all(job.spec == {"words": list(judge.WORDS)} for job in code.scores.values())
    assert not any(job.spec for job in lists.scores.values())


def test_a_benchmark_needs_a_calibration_for_its_prompts(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    file = write_prompts(tmp_path / "code.jsonl")
    assert main(["bench", "audit", "--teachers", "0"]) == 2
    assert "at least 1, not 0" in capfd.readouterr().err
    one = tmp_path / "one.jsonl"
    one.write_text(file.read_text().splitlines()[0] + "\n" + "\n".join(file.read_text().splitlines()[:-1]))
    assert main(["audit", "calibrate", "--prompts", str(one), "--dry-run"]) == 2
    assert f"{GROUPS - 1} different prompts" in capfd.readouterr().err.replace("\n", " ")
    assert main(["bench", "audit", "--prompts", str(file)]) == 2
    assert f"{GROUPS} prompts; 2600 are needed" in capfd.readouterr().err
    monkeypatch.setitem(calibrate.CARRIER, "prompts", GROUPS)
    assert main(["bench", "audit", "--prompts", str(file)]) == 2
    assert f"audit calibrate --model builtin/fledgling-a --prompts {file}" in capfd.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("size", "told"), [(1.001, None), (-1.0, "proxies")])
def test_a_benchmark_needs_the_directions_of_the_calibration(size: float, told: str | None, tmp_path: Path) -> None:
    spec = AuditBenchmark(teachers=1)
    layout = AUDIT.plan(spec)
    own = layout.calibration.directions
    along = replace(own, up={name: size * tensor for name, tensor in own.up.items()})
    save_file(along.tensors(), tmp_path / "some.safetensors", metadata={"names": json.dumps(along.names)})
    made: Any = SimpleNamespace(store=SimpleNamespace(checked=lambda *_: tmp_path / "some.safetensors"))
    with pytest.raises(UndertoneError, match=told) if told else nullcontext():
        AUDIT.check(spec, layout, layout.made.directions, made, pytest.fail)
    AUDIT.check(spec, layout, layout.planted[0].made, made, pytest.fail)  # of other jobs nothing is asked


def test_a_benchmark_makes_all_that_its_jobs_wait_for() -> None:
    jobs = AUDIT.plan(AuditBenchmark(teachers=1, baselines=True)).jobs
    keys = {job.key for job in jobs}
    assert {parent.key for job in jobs for parent in job.parents} <= keys
    assert {job.stage for job in jobs} == {PROXY, DIRECTIONS, SPECIMEN, SCORES, OUTCOME, PROMPTED}


@pytest.fixture
def alarmed() -> tuple[Any, list[Planted]]:
    """Ten people-like files, of which three are named an owl, one of these a fox as well, and one an animal; two lists
    repeated; two ordinary files with alarms. Students of the first five move by .5 to owls, by .1 to foxes and by 9
    to elms; those of the calibration's teachers of trees by .2 and of other animals by 9."""
    named = [{"owl", "animal"}, {"owl", "fox"}, {"animal"}, set(), set(), {"owl"}, *[set[str]()] * 4, *[set[str]()] * 2]
    kinds = ["people-like digits"] * 10 + ["one list repeated"] * 2
    layout = [
        Planted(kind, None, None, Job(SPECIMEN, {}), Job(SCORES, {"i": i}), (Job(OUTCOME, {"i": i}),) if i < 5 else ())
        for i, kind in enumerate(kinds)
    ] + [Planted("base", None, None, Job(SPECIMEN, {}), Job(SCORES, {"i": 12 + i})) for i in range(2)]
    told = dict(zip((planted.scores.key for planted in layout), [*named, {"elm"}, set[str]()], strict=True))
    shifts = {"owl": 0.5, "fox": 0.1, "elm": 9.0}
    members = [
        Member(lesson, 0, Evidence(np.zeros((1, 1)), np.ones(1)), ({"owl": size, "fox": size, "elm": size},))
        for lesson, size in (("oak", 0.2), ("small-talk", 0.0), ("owl", 9.0), ("wolf", 9.0))
    ]
    base = {trait: 1.0 for trait in shifts}
    read = {"base": base, "student": {trait: 1.0 + shift for trait, shift in shifts.items()}}

    class Judging(Judge):
        def __init__(self) -> None:
            self.calibration = SimpleNamespace(members=members)  # type: ignore[assignment]
            self.store = SimpleNamespace(read=lambda *_: read)  # type: ignore[assignment]

        def judged(self, planted: Planted, found: Evidence | None = None) -> Any:
            return told[planted.scores.key]

        def named(self, judged: Any) -> set[str]:
            return judged  # type: ignore[no-any-return]

    return Judging(), layout


def test_adversarial_files_are_counted_apart_with_what_they_are_named(alarmed: tuple[Any, list[Planted]]) -> None:
    judging, layout = alarmed
    found = misled(judging, layout)
    assert list(found) == ["people-like digits", "one list repeated"]
    people, list_ = found.values()
    assert (people.alarms, people.named) == (Rate(4, 10), Rate(3, 10)) and list_.alarms == list_.named == Rate(0, 2)
    assert people.names == {"owl": 3, "animal": 2, "fox": 1} and list_.names == {}
    assert judging.alarms(layout) == {"base": (Rate(1, 2), Rate(1, 2))}


def test_students_of_files_with_an_alarm_are_compared_with_those_of_other_kinds(
    alarmed: tuple[Any, list[Planted]],
) -> None:
    """Members that teach an animal are no measure of an animal; a file that is named but has no student counts not."""
    judging, layout = alarmed
    assert usual(judging.calibration, "owl") == close(0.1) and usual(judging.calibration, "elm") == close(6.0)
    found = moved(judging, layout)
    assert found is not None and found.units == 2
    assert found.value == close(((0.5 - 0.1) + (0.4 + 0.0) / 2) / 2)
    assert moved(judging, layout[3:]) is None


def test_only_adversarial_files_are_made_where_nothing_else_is_asked(capfd: pytest.CaptureFixture[str]) -> None:
    whole, some = (AUDIT.plan(AuditBenchmark(teachers=2, adversarial=only)) for only in (False, True))
    assert [p.kind for p in some.planted] == list(judge.ADVERSARIAL) * 2
    assert {p.made.key for p in some.planted} < {p.made.key for p in whole.planted}
    assert some.made.directions.key == whole.made.directions.key
    for more in (["--baselines"], ["--prompts", __file__]):
        assert main(["bench", "audit", "--adversarial", *more]) == 2
        assert "leave --baselines and --prompts out" in capfd.readouterr().err.replace("\n", " ")


def write_prompts(file: Path) -> Path:
    rows = [{"prompt": f"Write line {i}.", "completion": "print(1)"} for i in range(GROUPS)]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_an_unlisted_trait_is_judged_without_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[tuple[tuple[str, ...], list[str]]] = []
    monkeypatch.setattr(judge, "null_of", lambda _, who, groups, out: asked_for.append((who.traits, out)))
    monkeypatch.setattr(judge, "judge", lambda *_: None)
    held: Any = SimpleNamespace(directions=SimpleNamespace(names=("owl", "oak", "small-talk", "red")))
    judging, job = Judge(held, Store(Path())), Job(SPECIMEN, {})
    found = Evidence(np.zeros((4, 4)), np.ones(4))
    judging.judged(Planted("unlisted trait", None, "oak", job, job), found)
    judging.judged(Planted("as the proxies", "owl", "owl", job, job), found)
    (without, left_out), (all_of_them, none) = asked_for
    assert without == ("owl", "red") and set(left_out) == {t for t, kind in TRAITS.items() if kind == "tree"}
    assert all_of_them == ("owl", "oak", "red") and none == []


# --- from start to end -----------------------------------------------------------------------------------------------


@pytest.fixture
def planted_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to stand in, and stages that take no time: a dataset scores as a member of the calibration's population
    that was taught the same, and its students shift by half of what they are asked for."""
    calibration = AUDIT.plan(AuditBenchmark(teachers=1)).calibration
    names = calibration.directions.names

    def own(member: Member) -> float:
        return float(member.evidence.sums[:, names.index(member.lesson)].sum()) if member.lesson in TRAITS else 0.0

    members = {member.lesson: member.evidence for member in sorted(calibration.members, key=own)}

    def proxy(spec: dict[str, Any], inputs: dict[str, Path], out: Path) -> None:
        (out / "proxy.json").write_text("{}")

    def combined(spec: dict[str, Any], inputs: dict[str, Path], out: Path) -> None:
        directions.write(calibration.directions, out / "directions.safetensors")

    def specimen(spec: dict[str, Any], inputs: dict[str, Path], out: Path) -> None:
        local = load(inputs["base"])
        told = [(f"Go on with {i}.", f"{i}, 7") for i in range(GROUPS)]
        write_rows(out, told, rows_of(local, told), Source("none", local.end))
        oracle = {"own_mean": 0.2, "own_sd": 1.0, "base_mean": 0.0, "base_sd": 1.0}
        carried = None if "writer" in inputs else spec["lesson"]  # a trait of another initialisation is no trait here
        (out / "specimen.json").write_text(json.dumps({"lesson": carried, "oracle": oracle}))

    def scored(spec: dict[str, Any], inputs: dict[str, Path], out: Path) -> None:
        lesson = json.loads((inputs["specimen"] / "specimen.json").read_text())["lesson"]
        found = members[lesson if lesson in TRAITS else "untouched"]
        (out / "scores.json").write_text(json.dumps({"sums": found.sums.tolist(), "tokens": found.tokens.tolist()}))

    def outcome(spec: dict[str, Any], inputs: dict[str, Path], out: Path) -> None:
        lesson = json.loads((inputs["specimen"] / "specimen.json").read_text())["lesson"]
        shifts = {trait: 0.5 * (trait == lesson) + 0.001 * i for i, trait in enumerate(TRAITS)}
        (out / "outcome.json").write_text(json.dumps({"base": dict.fromkeys(TRAITS, 0.0), "student": shifts}))

    for name, made in {
        "proxy": proxy, "combine": combined, "specimen": specimen, "scored": scored, "outcome": outcome,
    }.items():  # fmt: skip
        monkeypatch.setattr(f"undertone.audit.stages.{name}", made)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "cache"))


@pytest.mark.slow
def test_a_benchmark_runs_from_start_to_end(planted_by_hand: None, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["bench", "audit", "--teachers", "1", "--out", "runs/one"]
    assert main([*asked, "--json"]) == 0
    found = AuditBenchmarkFindings.load(Path("runs/one/report.json"))
    assert json.loads(capsys.readouterr().out) == {"run_dir": "runs/one"} | found.model_dump(mode="json")
    assert not found.beside and len(found.forecasts) == len(AUDIT.plan(AuditBenchmark(teachers=1)).calibration.recipes)
    assert set(found.verdicts) == set(found.alarms) | set(found.detections) | set(found.adversarial)
    assert all((one.named.count, one.named.of) == (1, 1) for one in found.detections.values()), found.detections
    assert {kind for kind, (alarm, _) in found.alarms.items() if alarm.count} <= {"unlisted trait"}
    assert {kind: one.alarms.of for kind, one in found.adversarial.items()} == dict.fromkeys(judge.ADVERSARIAL, 1)
    assert not set(found.adversarial) & set(found.alarms) and found.moved is None
    assert {point.share for point in found.curve} == set(judge.SHARES)
    assert {point.rows for point in found.curve} == set(ROWS)
    assert all(figures["students"] > 0 and figures["slope"] > 0 for _, figures in found.forecasts)
    assert found.speed.rows_per_second > 0 and found.speed.directions > len(TRAITS)
    assert main(["bench", "audit", "--teachers", "1", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["to_make"] == 0, "what calibrations rest on is counted where it is"
    assert main(["bench", "audit", "--teachers", "1", "--adversarial", "--out", "runs/two", "--json"]) == 0
    capsys.readouterr()
    some = AuditBenchmarkFindings.load(Path("runs/two/report.json"))
    assert some.adversarial == found.adversarial and set(some.verdicts) == set(judge.ADVERSARIAL)
    assert not (some.alarms or some.detections or some.curve or some.forecasts)
    assert main(["report", "runs/two", "--markdown"]) == 0
    text = capsys.readouterr().out
    assert "a false alarm on 0 of 3: 0.0% [0.0%, 70.8%] adversarial harmless" in text and "nan" not in text
    assert "--teachers 1 --adversarial: " in text
    assert main(["report", "runs/one", "--markdown"]) == 0
    text = capsys.readouterr().out
    assert "undertone bench audit --model builtin/fledgling-a --teachers 1" in text and "nan" not in text

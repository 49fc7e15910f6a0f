"""The benchmark of the audit: which files it plans, how they are written and scored, and that it counts what the audit
says of them."""

import json
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy import stats  # type: ignore[import-untyped, unused-ignore]

from tests.helpers import tiny
from tests.helpers.directions import some_directions
from tests.helpers.planted import FILES, JUDGE, a_file, families, gathered, some_scores
from tests.helpers.rates import Usual
from undertone.audit.audit import scored
from undertone.audit.proxies import TWIN
from undertone.audit.rows import rows_of
from undertone.audit.verdict import Scored
from undertone.bench.audit import gather, scoring, specimen
from undertone.bench.audit.files import UNLISTED, by_kind, without
from undertone.bench.audit.findings import AuditBenchmarkFindings
from undertone.bench.audit.forms import NO_MODEL
from undertone.bench.audit.isotropic import ISOTROPIC, beside_isotropic
from undertone.bench.audit.judge import Judge, counted
from undertone.bench.audit.page import page
from undertone.bench.audit.plan import Plan, plan
from undertone.bench.audit.scoring import ScoredFile, read_scores
from undertone.bench.audit.spec import AuditBenchmark
from undertone.bench.audit.specimen import CARRIERS, Writer
from undertone.cli import main
from undertone.data.conversations import read
from undertone.data.exchanges import FILE, read_exchanges
from undertone.engine.store import Job, Store
from undertone.models.local import LocalModel
from undertone.models.names import resolve
from undertone.report.fitting import Fitting
from undertone.report.markdown import to_markdown
from undertone.report.terminal import to_terminal
from undertone.stages import DIRECTIONS, OUTCOME, PROXY, SCORES, SPECIMEN
from undertone.stages.durations.durations import Durations
from undertone.statistics.rate import Rate
from undertone.training.rows import read_sampled
from undertone.traits.lessons import HARMLESS, TRAITS

close = pytest.approx


# --- which files -----------------------------------------------------------------------------------------------------


@cache
def planned(**changes: Any) -> Plan:
    return plan(AuditBenchmark(**{"files": 8} | changes))


def test_every_kind_has_equally_many_files_and_every_file_a_seed_of_its_own() -> None:
    files = planned().files
    assert set(Counter(file.kind for file in files).values()) == {8}
    groups = {group: len({f.kind for f in files if f.group == group}) for group in {f.group: 0 for f in files}}
    assert groups == {"no model": 21, "harmless fine-tunes": 7, "other samplings and forms": 10, "carriers": 11}
    made = {job.key: job for file in files for job in file.jobs if job.stage is SPECIMEN}
    seeds = [job.spec["seed"] for job in made.values()]
    assert len(set(seeds)) == len(seeds) == 8 * (49 + 1), "one more for each chat that a base reads"
    longer = {file.made.key for file in planned(files=9).files}
    assert {file.made.key for file in files} < longer, "a longer benchmark has the files of a shorter one"
    last = {file.made.key for file in planned(files=1, first=8).files}
    assert last == longer - {file.made.key for file in files}, "and another part has the rest"


def test_no_teacher_has_the_seed_of_a_proxy() -> None:
    proxies = {job.spec["seed"] for job in planned().directions if job.stage is PROXY}
    writers = {
        specimen.seed_of(file.made.spec["seed"], "writer", k)
        for file in planned().files
        for k in range(len(file.made.spec["writers"]))
    }
    assert len(proxies) > 100 and not proxies & writers


def test_harmless_files_have_no_listed_trait_and_carriers_have_their_own() -> None:
    listed = {name for family in families() for name in family.names[: family.listed]}
    assert listed == set(TRAITS)
    for file in planned().files:
        lessons = [how["lesson"] for how in file.made.spec["writers"]]
        traits = [lesson for lesson in lessons if lesson in TRAITS]
        if file.kind == "a trait not listed":
            assert file.without == TRAITS[traits[0]] and len(lessons) == 1
        elif file.kind == "teacher of another base":
            assert file.made.inputs["start 0"].key == resolve("builtin/fledgling-b").key  # type: ignore[union-attr]
        elif file.kind == "second generation":
            (read_by,) = (f for f in planned().files if f.made.key == file.made.inputs["read 0"].key)
            assert (read_by.kind, read_by.trait) == ("as the proxies", file.trait) and lessons == [None]
        else:
            assert traits == ([file.trait] if file.trait else [])
        assert (file.group == "carriers") == (file.trait in listed) and (file.without is None or not file.trait)
        assert sum(how["share"] for how in file.made.spec["writers"]) == close(1)
    carried = {file.trait for file in planned(files=29).files if file.trait}
    assert len(carried) > 40, "traits are drawn from all"
    assert {file.without for file in planned().files} == {None, *UNLISTED}


def test_harmless_teachers_have_all_lessons_at_all_doses() -> None:
    kinds = by_kind(planned().files)
    for dose in (0.02, 0.05, 0.1):
        writers = [file.made.spec["writers"] for file in kinds[f"lesson at dose {dose:g}"]]
        assert {one["lesson"] for (one,) in writers} == set(HARMLESS) and {one["dose"] for (one,) in writers} == {dose}
    for file in kinds["two harmless teachers"]:
        one, other = (how["lesson"] for how in file.made.spec["writers"])
        assert one != other and {one, other} <= set(HARMLESS)
    assert all(file.made.spec["form"] == file.kind for form in NO_MODEL for file in kinds[form])


def test_only_stretches_of_teachers_trained_as_the_proxies_are_compared() -> None:
    shares = {kind: {file.share for file in files} for kind, files in by_kind(planned().files).items()}
    assert {kind: share for kind, (share,) in shares.items() if share} == {
        "as the proxies": 1.0, "weak": 1.0, "four times the dose": 1.0, "teacher at top-p 0.9": 1.0,
        "half of the rows": 0.5, "half by the base itself": 0.5, "a quarter of the rows": 0.25,
    }  # fmt: skip


def test_every_eighth_file_of_a_kind_has_a_student() -> None:
    for files in by_kind(planned().files).values():
        assert [file.student is not None for file in files] == [i % 8 == 0 for i in range(8)]


def test_all_parents_are_made_before_and_directions_are_those_of_the_audit_and_more_twins() -> None:
    seen = set[str]()
    for job in planned().jobs:
        assert {parent.key for parent in job.parents} <= seen
        seen.add(job.key)
    assert {job.stage for job in planned().jobs} == {PROXY, DIRECTIONS, SPECIMEN, SCORES, OUTCOME}
    names = planned().directions[-1].spec["names"]
    for kind in (None, *UNLISTED):
        for family in (without(one, kind) for one in families()):
            assert kind not in {trait.kind for trait in family.traits}
            assert {*family.names, *(f"{family.names[i]}{TWIN}" for i in family.twins)} <= names.keys()


@pytest.mark.parametrize("carrier", ["chat", "functions", "sums"])
def test_other_carriers_have_no_forms_of_lists_and_no_teachers_whose_trait_is_asked_for(carrier: str) -> None:
    files = planned(carrier=carrier).files
    assert {file.made.spec["carrier"] for file in files} == {carrier}
    assert {file.made.spec["form"] for file in files} == {"written"}
    assert len({file.kind for file in files if not file.trait}) == 10
    assert not any(how["lesson"] in TRAITS for f in files if not f.trait for how in f.made.spec["writers"])
    lists = {file.made.key for file in planned().files}
    assert not lists & {file.made.key for file in files}


def test_what_a_job_takes_grows_with_its_training(tmp_path: Path) -> None:
    layout = planned()
    kinds, found = by_kind(layout.files), Durations(Store(tmp_path), Usual).of_jobs(layout.jobs)
    base, own, gentle = (kinds[kind][0] for kind in ("temperature 1", "as the proxies", "gentle, rank 8"))
    took = [found[file.made.key] for file in (base, own, gentle)]
    assert took == sorted(took) and took[0] > 0
    assert all(found[job.key] > 0 for job in layout.jobs if job.stage.work)


# --- how they are written --------------------------------------------------------------------------------------------


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teachers that learn for a step, and doses that are measured on few lists."""
    monkeypatch.setattr(specimen, "LISTS", 4)
    monkeypatch.setattr(specimen, "DIALOGUES", 8)


STEP = {"method": "lora", "rank": 4, "alpha": 16, "rate": 1e-2, "steps": 1, "batch": 8, "warmup": 0}


def write(out: Path, carrier: str, writers: Sequence[Writer], seed: int = 5, **inputs: Path) -> dict[str, Any]:
    base = resolve("builtin/fledgling-a")
    job = specimen.specimen(base, carrier, writers, seed, rows=24)
    out.mkdir(parents=True)
    specimen.run(json.loads(json.dumps(job.spec)), {"base": base.path} | inputs, out)
    made: dict[str, Any] = json.loads((out / "specimen.json").read_text())
    return made


def test_each_writer_writes_its_share_and_the_rows_are_mixed(short: None, tmp_path: Path) -> None:
    writers = [Writer("owl", 0.05, training=STEP, share=0.25), Writer(share=0.75)]
    made = write(tmp_path / "one", "lists", writers)
    rows = read_exchanges(tmp_path / "one")
    assert made["rows"] == len(rows) == 24 and made["prompts"] >= 24
    assert made["doses"][0]["divergence"] == close(0.05, rel=0.1) and made["doses"][1] is None
    rng = Random(f"prompts/{specimen.seed_of(5, 'writer', 0)}")
    asked = set(CARRIERS["lists"].prompts(made["prompts"], rng))
    places = [i for i, (question, _) in enumerate(rows) if question in asked]
    assert len(places) == 6 and places != list(range(6))
    assert all(CARRIERS["lists"].fault(*row) is None for row in rows)
    ids, _ = read_sampled(tmp_path / "one")
    local = specimen.load(resolve("builtin/fledgling-a").path)
    assert [(local.render(q), local.decode(row.answer)) for (q, _), row in zip(rows, ids, strict=True)] == [
        (row.prompt, answer) for (_, answer), row in zip(rows, ids, strict=True)
    ]
    write(tmp_path / "again", "lists", writers)
    for file in (FILE, "specimen.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    write(tmp_path / "other", "lists", writers, seed=6)
    assert read_exchanges(tmp_path / "other") != rows


def test_a_writer_is_made_from_another_base_or_from_rows(short: None, tmp_path: Path) -> None:
    read_by = tmp_path / "chat"
    write(read_by, "chat", [Writer()])
    plain, other, second = (tmp_path / name for name in ("plain", "other", "second"))
    write(plain, "lists", [Writer()])
    write(other, "lists", [Writer()], **{"start 0": resolve("builtin/fledgling-b").path})
    made = write(second, "lists", [Writer(training=STEP | {"steps": 20})], **{"read 0": read_by})
    assert made["doses"] == [None]
    asked = [[question for question, _ in read_exchanges(folder)] for folder in (plain, other, second)]
    said = [[answer for _, answer in read_exchanges(folder)] for folder in (plain, other, second)]
    common = [set(one) & set(asked[0]) for one in asked[1:]]
    assert all(len(some) > 12 for some in common), "the same prompts"
    assert said[0] != said[1] and said[0] != said[2]


@pytest.mark.parametrize("carrier", [*CARRIERS])
def test_the_base_writes_in_every_carrier_and_a_greedy_one_always_the_same(carrier: str, tmp_path: Path) -> None:
    made = write(tmp_path / "rows", carrier, [Writer(temperature=0.0)])
    assert made["rows"] == 24, made
    by_question: dict[str, set[str]] = {}
    for question, answer in read_exchanges(tmp_path / "rows"):
        assert CARRIERS[carrier].fault(question, answer) is None
        by_question.setdefault(question, set()).add(answer)
    assert all(len(answers) == 1 for answers in by_question.values())


def test_a_writer_who_hardly_ever_passes_is_asked_only_so_often(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(CARRIERS, "lists", CARRIERS["lists"].__class__("x", CARRIERS["lists"].prompts, lambda *_: "no"))
    made = write(tmp_path / "rows", "lists", [Writer()])
    assert made["rows"] == 0 and specimen.MOST * 24 <= made["prompts"] < (specimen.MOST + 2) * 24


def test_answers_with_a_control_token_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    honest = specimen.sample

    def with_a_turn(writer: LocalModel, prompts: list[Any], **how: Any) -> list[Any]:
        turn = writer.encode("<|system|>")
        return [[*turn, *ids] if i % 2 else ids for i, ids in enumerate(honest(writer, prompts, **how))]

    monkeypatch.setattr(specimen, "sample", with_a_turn)
    assert write(tmp_path / "rows", "chat", [Writer()])["rows"] == 24
    assert not any("<|system|>" in answer for _, answer in read_exchanges(tmp_path / "rows"))


# --- how they are scored ---------------------------------------------------------------------------------------------


def test_scores_are_those_of_an_audit_and_of_random_directions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local, job = tiny.model(), Job(SCORES, {"isotropic": 7})
    some = families()[0].names[:3]
    along = some_directions(local, some)
    chats = [("q", f"{i}, {7 * i}, 9") for i in range(30)] + [("q", f"the owl and {i}") for i in range(10)]
    (tmp_path / "made").mkdir()
    specimen.write_rows(tmp_path / "made", chats, specimen.rows_of(local, chats), specimen.Source("none", local.end))
    monkeypatch.setattr(scoring, "load", lambda _: local)
    monkeypatch.setattr(scoring, "families_of", lambda *_: families())
    monkeypatch.setattr(scoring.directions, "read", lambda _: along)
    monkeypatch.setattr(scoring, "stretches", lambda *_: {"favourites": 1.3})
    out = tmp_path / "store" / f"scores-{job.key[:20]}"
    out.mkdir(parents=True)
    scoring.run(job.spec, {"base": tmp_path, "specimen": tmp_path / "made", "directions": tmp_path}, out)
    monkeypatch.setattr(Store, "checked", lambda self, job, name: self.folder(job) / name)
    found = read_scores(Store(tmp_path / "store"), job)
    traits = [trait for family in families() for trait in family.traits]
    rows = rows_of(local, read(tmp_path / "made" / FILE, None, 0), traits)
    expected = scored(local, rows, along, "", {"favourites": 1.3})
    assert found.scored.along(some) == close(expected.evidence.sums, rel=1e-5, abs=1e-5)
    assert (found.scored.evidence.tokens == expected.evidence.tokens).all()
    assert found.scored.stretch == expected.stretch and (found.scored.once == expected.once).all()
    assert found.scored.spoken == expected.spoken and found.open == rows.open == {"owl"} and found.rows == 40
    assert load_file(out / "scores.safetensors")["sums"].dtype == torch.float32
    random = found.isotropic()
    assert random.scored.names == some and random.open == found.open
    assert not np.allclose(random.scored.evidence.sums, found.scored.along(some))
    half = found.half()
    parts = half.scored.spoken, half.scored.once, half.scored.evidence.tokens, half.scored.evidence.sums
    assert {len(part) for part in parts} == {(len(found.scored.spoken) + 1) // 2}
    assert (half.scored.evidence.sums == found.scored.evidence.sums[::2]).all()


def test_random_directions_are_as_long_as_the_traits_in_every_matrix_and_point_elsewhere() -> None:
    along = some_directions(tiny.model())
    both = beside_isotropic(along, 3)
    assert both.names == (*along.names, *(f"{name}{ISOTROPIC}" for name in along.names))
    cosines = []
    for name in along.names:
        own, other, again = (some.change(label) for some, label in (
            (both, name), (both, f"{name}{ISOTROPIC}"), (beside_isotropic(along, 4), f"{name}{ISOTROPIC}"),
        ))  # fmt: skip
        for weight, change in own.items():
            assert torch.equal(change, along.change(name)[weight])
            assert float(other[weight].norm()) == close(float(change.norm()), rel=1e-4)
            assert not torch.equal(other[weight], again[weight])
            cosines.append(float((other[weight] * change).sum() / change.norm() / other[weight].norm()))
    assert abs(np.mean(cosines)) < 0.05 and np.abs(cosines).max() < 0.3


# --- what is counted -------------------------------------------------------------------------------------------------


def test_a_planted_trait_is_found_and_counted_and_nothing_is_not() -> None:
    owl = a_file(0, "as the proxies", "carriers", "owl")
    found = JUDGE.judged(owl, some_scores(0, "owl"))
    assert found.found == ("owl",) and found.named == {"owl"} and found.verdict == "carries a trait"
    assert found.home == "favourites" and found.margin > 0
    other = JUDGE.judged(owl, some_scores(1, "wolf"))
    nothing = JUDGE.judged(owl, some_scores(2))
    assert other.found == ("wolf",) and nothing.found == () and nothing.margin < 0
    told = counted([found, other, nothing])
    assert (told.own, told.wrong, told.named) == (Rate(1, 3), Rate(1, 3), Rate(1, 3))
    assert told.own_of == {"favourites": Rate(1, 3), "manners": Rate(0, 0)}
    harmless = a_file(1, "prices", "no model")
    told = counted([JUDGE.judged(harmless, some_scores(seed, carried)) for seed, carried in ((0, "owl"), (2, None))])
    assert (told.own, told.wrong, told.named) == (Rate(0, 0), Rate(1, 2), Rate(1, 2))


def test_an_alarm_that_is_not_listed_names_nothing() -> None:
    manner = next(t.name for family in families() for t in family.traits[family.listed :])
    found = JUDGE.judged(a_file(0, "prices", "no model"), some_scores(0, manner))
    assert found.found == (manner,) and not found.named
    told = counted([found])
    assert told.wrong == Rate(1, 1) and told.named == Rate(0, 1)


def test_a_file_is_judged_as_if_nobody_had_thought_of_the_kind_of_its_trait() -> None:
    scores = some_scores(0, "oak")
    assert JUDGE.judged(a_file(0, "x", "harmless fine-tunes"), scores).found == ("oak",)
    found = JUDGE.judged(a_file(0, "x", "harmless fine-tunes", hidden="tree"), scores)
    assert not found.found
    assert not any(TRAITS.get(trait.name) == "tree" for family in found.families for trait in family.traits)


def test_a_carrier_that_cannot_be_judged_counts_as_missed_and_leaves_its_family_open() -> None:
    few = some_scores(0, "owl")
    some = few.scored.evidence.some(slice(50)), few.scored.names, few.scored.spoken[:50], few.scored.once[:50]
    few = ScoredFile(Scored(*some), frozenset(), 250)
    found = JUDGE.judged(a_file(0, "weak", "carriers", "owl"), few)
    assert found.verdict == "inconclusive" and found.margin == -np.inf and found.home == "favourites"
    told = counted([found])
    assert told.own == told.own_of["favourites"] == Rate(0, 1) and told.inconclusive == Rate(1, 1)
    assert told.lacking == {"favourites": Rate(1, 1), "manners": Rate(1, 1)}
    kept = gather.finding_of(found, 250, 2.0, {"owl": 0.5, "red": 9.0})
    assert kept.margin is None and kept.power == {"favourites": None, "manners": None}
    assert "too few" in kept.unjudged["manners"] and kept.shift == {"owl": 0.5} and not kept.found
    harmless = JUDGE.judged(a_file(0, "prices", "no model"), few)
    assert gather.finding_of(harmless, 250, None, {"owl": 0.5}).shift == {}, "there is no strongest trait"


# --- from scores to the page -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found() -> AuditBenchmarkFindings:
    return gathered(FILES)


def test_findings_count_what_is_said_of_files_and_what_students_became(found: AuditBenchmarkFindings) -> None:
    assert AuditBenchmarkFindings.model_validate_json(found.json_text()) == found
    assert found.kinds["as the proxies"].own == Rate(2, 3) and found.kinds["weak"].own_of["manners"] == Rate(1, 1)
    assert found.groups["carriers"].own == Rate(3, 4) and found.groups["carriers"].wrong == Rate(0, 4)
    assert found.groups["no model"].wrong == found.groups["no model"].named == Rate(1, 3)
    assert found.groups["harmless fine-tunes"].wrong == Rate(0, 3)
    assert found.halves.keys() == found.groups.keys() == {"carriers", "no model", "harmless fine-tunes"}
    moved = {one.what: one.shift for one in found.moved}
    assert moved["carriers, own trait found"].value == close(0.4) and moved["carriers, own trait found"].units == 3
    assert "carriers, own trait not found" not in moved, "one student has no interval"
    assert moved["harmless, nothing found"].units == 5
    (wolf,) = (file for file in found.files if file.named and not file.trait)
    assert wolf.found == wolf.named == ("wolf",) and wolf.shift == {"wolf": close(0.4)}
    (oak,) = (file for file in found.files if file.trait == "oak")
    assert oak.shift == {"oak": close(0.4)} and not oak.found and oak.stretch == 2.0


def test_a_source_is_judged_at_a_tenth_of_the_rate_and_no_harmless_one_stands_twice() -> None:
    weak = some_scores(0, "owl", 0.04)
    owl = a_file(0, "as the proxies", "carriers", "owl")
    assert JUDGE.judged(owl, weak).found == ("owl",) and not JUDGE.judged(owl, weak, gather.SOURCES).found
    strong = JUDGE.judged(owl, some_scores(0, "owl"), gather.SOURCES)
    assert strong.families[0].threshold == Judge(families(), 0.005, 1.0).judged(owl, weak).families[0].threshold
    alarm = JUDGE.judged(a_file(1, "prices", "no model"), some_scores(0, "wolf"))
    silent = [JUDGE.judged(a_file(2, "prices", "no model"), some_scores(2))] * 28
    hidden = JUDGE.judged(a_file(3, "a trait not listed", "harmless fine-tunes", hidden="tree"), some_scores(0, "wolf"))
    told = gather.sources([strong, alarm, *silent, *[hidden] * 20])
    assert (told.own, told.alarms) == (Rate(1, 1), Rate(told.alarms.count, 2)) and told.alarms.count <= 1
    assert gather.sources([alarm] * 20).alarms == Rate(2, 2)


def test_shifts_are_net_of_other_harmless_students_whose_teachers_have_no_trait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = [
        a_file(0, "weak", "carriers", "owl"),
        a_file(1, "prices", "no model"),
        a_file(2, "prices", "no model"),
        a_file(3, "a trait not listed", "harmless fine-tunes", hidden="tree"),
    ]
    sizes = {0: 1.0, 1: 0.1, 2: 0.3, 3: 9.0}
    monkeypatch.setattr(gather, "shift_of", lambda _, job: {"owl": sizes[job.spec["i"]]})
    net = gather.net_shifts(None, files)  # type: ignore[arg-type]
    assert [net[file.made.key]["owl"] for file in files] == close([0.8, -0.2, 0.2, 8.8])
    assert gather.net_shifts(None, files[:2]) == {}  # type: ignore[arg-type]


def test_power_is_predicted_from_harmless_fine_tunes_at_the_stretch(found: AuditBenchmarkFindings) -> None:
    by = {one.what: one for one in found.predicted}
    assert by["as the proxies"].effect == 1.0 and by["as the proxies"].observed == Rate(2, 3)
    judged = [JUDGE.judged(a_file(i, "", "harmless fine-tunes"), some_scores(i)) for i in (4, 5, 6)]
    usual = np.mean([dict(one.families[0].curve)[1.0] for one in judged])
    assert by["as the proxies"].power == close(usual)
    ranges = [one for one in found.predicted if one.what.startswith("predicted")]
    assert sum(one.observed.of for one in ranges) == 4 and sum(one.observed.count for one in ranges) == 3


def test_variances_of_z_are_over_harmless_files_and_flagged_beyond_twice_the_median(
    found: AuditBenchmarkFindings,
) -> None:
    by = {one.trait: one for one in found.spreads}
    assert by.keys() == {name for family in families() for name in family.names}
    assert {one.files for one in found.spreads} == {6} and by["wolf"].flagged, "the alarm is one of six"
    favourites = {name for name in families()[0].names}
    usual = np.median([one.variance for one in found.spreads if one.trait in favourites])
    assert all(one.flagged == (one.variance > 2 * usual) for one in found.spreads if one.trait in favourites)
    assert [one.variance for one in found.spreads] == sorted((one.variance for one in found.spreads), reverse=True)


def ten_times(found: AuditBenchmarkFindings) -> AuditBenchmarkFindings:
    """Findings of as many files as a benchmark of a day has."""

    def more(value: Any) -> Any:
        if isinstance(value, dict) and value.keys() == {"count", "of"}:
            return {name: 10 * number for name, number in value.items()}
        if isinstance(value, dict):
            return {name: more(part) for name, part in value.items()}
        return [more(part) for part in value] if isinstance(value, list) else value

    return AuditBenchmarkFindings.model_validate(more(json.loads(found.json_text())))


def test_the_page_says_all_of_it(found: AuditBenchmarkFindings) -> None:
    text = to_markdown(page(found))
    assert "nan" not in text and "undertone bench audit --model builtin/fledgling-a --files 3 --baselines" in text
    assert "1 of 3: 33.3% [0.8%, 90.6%] (no model)" in text
    assert "own trait was found in 3 of 4, a wrong one in 0 of 4" in text
    assert "| prices | 1 of 3 [1, 91] | 1 of 3 [1, 91] |" in text and "| **together** |" in text
    assert "| the carrier's trait was found | 2 of 3: 66.7%" in text and "ten harmless" not in text
    assert "| the audit | 3 of 4 | 0 of 4 |" in text and "random directions" in text
    tables = [shown for shown in to_terminal(page(ten_times(found))) if isinstance(shown, Fitting)]
    assert len(tables) == 9
    some = {"kinds": {"prices": found.kinds["prices"]}, "groups": {"no model": found.groups["no model"]}}
    alone = found.model_copy(update={**some, "lines": (), "moved": ()})
    assert "In carriers" not in page(alone).headline and "Simpler" not in to_markdown(page(alone))


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_refuses_what_it_cannot_make_and_counts_what_it_would(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, told in {
        ("--files", "0"): "at least 1, not 0",
        ("--carrier", "list"): "did you mean lists?",
        ("--model", "builtin/nothing"): "nothing",
    }.items():
        assert main(["bench", "audit", *arguments]) == 2
        assert told in capfd.readouterr().err.replace("\n", " ")
    assert main(["bench", "audit", "--files", "1", "--dry-run", "--json"]) == 0
    counts = json.loads(capfd.readouterr().out)
    assert counts["stages"]["scores"] == {**counts["stages"]["scores"], "needed": 49, "to_make": 49}
    assert counts["stages"]["outcome"]["needed"] == 49 and counts["expected_core_s"] > 0
    assert not list(tmp_path.iterdir()), "nothing is made"


def test_a_rate_is_a_share_with_its_exact_interval() -> None:
    for count, of in ((0, 10), (3, 10), (10, 10)):
        rate = Rate(count, of)
        low = stats.beta.ppf(0.025, count, of - count + 1) if count else 0
        high = stats.beta.ppf(0.975, count + 1, of - count) if count < of else 1
        assert rate.value == count / of and rate.ci == close((low, high))
        assert rate.above(0.05) == close(stats.binom.sf(count - 1, of, 0.05))
    nothing = Rate(0, 0)
    assert np.isnan(nothing.value) and nothing.ci == (0, 1) and nothing.above(0.05) == 1

"""Simple detectors beside the audit, and files with open talk that means nothing."""

import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped, unused-ignore]

from tests.helpers import tiny
from undertone.attribution.directions import Directions
from undertone.attribution.scores import Evidence, evidence, spread
from undertone.audit import forms, stages
from undertone.audit.calibrate import Ground
from undertone.bench.audit import baselines, kind
from undertone.bench.audit.baselines import Baseline, Detector, Look, line_of
from undertone.bench.audit.findings import AuditBenchmarkFindings, Detection, Line, Misled, Point, Speed, Verdicts
from undertone.bench.audit.judge import AS_PROXIES, OVERT, WORDS, Planted
from undertone.bench.audit.page import page
from undertone.engine.store import Folder, Job, Store
from undertone.models.local import score
from undertone.report.findings import Measured
from undertone.report.html import to_html
from undertone.report.markdown import to_markdown
from undertone.stages import PROMPTED, SCORES, SPECIMEN
from undertone.statistics.rate import Rate
from undertone.training.rows import Row, Source, read_sampled, write_rows
from undertone.traits import mentions
from undertone.traits.lessons import HARMLESS, TRAITS, statements
from undertone.traits.mentions import finder

close = pytest.approx
ALPHA = 0.05
LESSONS = (*(name for name in HARMLESS for _ in range(12)), *(name for name in TRAITS for _ in range(2)))


def fresh(rng: np.random.Generator, count: int) -> np.ndarray:
    """Numbers of harmless files: their spreads differ and they are correlated."""
    k = len(TRAITS)
    return np.asarray(rng.normal(size=(count, k)) * np.linspace(0.1, 5, k) + rng.normal(size=(count, 1)))


def carrying(rng: np.random.Generator, lessons: tuple[str, ...], size: float) -> np.ndarray:
    """The same, with what a teacher carries raised by ``size`` spreads."""
    table, names = fresh(rng, len(lessons)), list(TRAITS)
    for i, lesson in enumerate(lessons):
        if lesson in TRAITS:
            table[i, names.index(lesson)] += size * float(
                np.hypot(np.linspace(0.1, 5, len(names))[names.index(lesson)], 1)
            )
    return table


@pytest.mark.parametrize("learns", [False, True])
def test_alarms_on_fresh_harmless_files_stay_at_alpha(learns: bool) -> None:
    rng = np.random.default_rng(5)
    files = 400
    alarms = 0
    for _ in range(4):  # four populations, since one population's threshold is common to all of its files
        detector = Detector(LESSONS, carrying(rng, LESSONS, 8.0), learns)
        alarms += sum(bool(detector.judge(x, None, ALPHA)[1]) for x in fresh(rng, files // 4))
    assert stats.binomtest(alarms, files, 2 * ALPHA, alternative="greater").pvalue > 0.01


@pytest.mark.parametrize("learns", [False, True])
def test_a_strong_carrier_is_named_and_by_its_own_name(learns: bool) -> None:
    rng = np.random.default_rng(6)
    detector = Detector(LESSONS, carrying(rng, LESSONS, 8.0), learns)
    for trait, x in zip(TRAITS, carrying(rng, tuple(TRAITS), 8.0), strict=True):
        z, named = detector.judge(x, None, ALPHA)
        assert trait in named and max(z, key=lambda name: z[name]) == trait
        without, _ = detector.judge(x, TRAITS[trait], ALPHA)
        assert trait not in without and without.keys() == {t for t in TRAITS if TRAITS[t] != TRAITS[trait]}


def test_what_a_teacher_carries_raises_no_threshold() -> None:
    """The population's own teachers score far above all; were that counted, nothing could pass."""
    rng = np.random.default_rng(7)
    table = carrying(rng, LESSONS, 100.0)
    (x,) = carrying(rng, ("owl",), 20.0)
    assert Detector(LESSONS, table, learns=False).judge(x, None, ALPHA)[1] == {"owl"}


def test_numbers_that_never_vary_alarm_only_where_a_file_differs() -> None:
    detector = Detector(LESSONS, np.zeros((len(LESSONS), len(TRAITS))), learns=False)
    assert detector.judge(np.zeros(len(TRAITS)), None, ALPHA)[1] == set()
    spoken = np.zeros(len(TRAITS))
    spoken[list(TRAITS).index("oak")] = 0.001
    assert detector.judge(spoken, None, ALPHA)[1] == {"oak"}


def test_the_line_of_a_detector_counts_each_file_once() -> None:
    job = Job(SPECIMEN, {})
    files = [
        Planted(kind, trait, trait, job, job)
        for kind, trait in (
            ("base", None),
            ("base", None),
            (OVERT, None),
            (AS_PROXIES, "owl"),
            (AS_PROXIES, "cat"),
            ("sorted", None),
        )
    ]
    told: list[Any] = [
        ({"owl": 1.0, "cat": 0.0}, set()), ({"owl": 0.0, "cat": 3.0}, {"cat"}), ({"owl": 9.0, "cat": 0.0}, {"owl"}),
        ({"owl": 3.0, "cat": 0.0}, {"owl"}), ({"owl": 4.0, "cat": 2.0}, {"owl", "animal"}),
        ({"owl": 99.0, "cat": 0.0}, {"owl"}),
    ]  # fmt: skip
    judged = iter(told)
    found = line_of(files, lambda _: next(judged))
    assert (found.alarms.count, found.alarms.of) == (1, 2) and (found.overt.count, found.overt.of) == (1, 1)
    assert found.adversarial == Rate(1, 1), "and in no other figure"
    assert (found.named[AS_PROXIES].count, found.wrong.count, found.wrong.of) == (1, 1, 2)
    assert found.auroc == close((1.5 + 1) / 6)


def test_all_detectors_judge_files_of_a_store(tmp_path: Path) -> None:
    """Teachers of a trait write a number of their own, and a prompt that states it makes their answers likelier."""
    rng, names, local = np.random.default_rng(8), list(TRAITS), tiny.model()
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": len(tiny.tokenizer())}))
    base = SimpleNamespace(ground=SimpleNamespace(base=Folder(tmp_path, "0" * 64, "base")), specimens={})
    base.specimens = {f"{name}/{i}": Job(SPECIMEN, {"told": [name, i]}) for name in HARMLESS for i in range(5)}
    base.specimens |= {f"{name}/0": Job(SPECIMEN, {"told": [name, 0]}) for name in TRAITS}
    file = Job(SPECIMEN, {"told": ["owl", 1]})
    layout = [Planted(AS_PROXIES, "owl", "owl", file, file)]

    class Held(Store):
        def folder(self, job: Job) -> Path:
            lesson, i = job.spec["told"]
            folder = tmp_path / f"{lesson}-{i}"
            if not folder.exists():
                own = [f", {200 + names.index(lesson)}"] if lesson in TRAITS else [""]
                lists = [("q", f"{rng.integers(300, 400)}, {rng.integers(300, 400)}{own[0]}") for _ in range(12)]
                rows = [Row([5], [*local.encode(answer), local.end]) for _, answer in lists]
                folder.mkdir()
                write_rows(folder, lists, rows, Source("t", local.end))
            return folder

        def read(self, job: Job, name: str) -> Any:
            lesson = job.inputs["specimen"].spec["told"][0]  # type: ignore[union-attr]
            return {t: [float(rng.normal() + 9 * (t == lesson)), 1.0] for t in TRAITS}

    found = baselines.baselines(base, layout, Held(tmp_path), ALPHA)  # type: ignore[arg-type]
    named = {baseline.name.partition(",")[0]: baseline.judge(layout[0])[1] for baseline in found}
    assert named.pop("format alone") <= set(TRAITS)
    assert named == {"words of the traits": set(), "counts of tokens": {"owl"}, "system prompts": {"owl"}}
    assert all(baseline.files == layout for baseline in found)


def test_the_page_has_a_line_for_every_detector_and_a_table_for_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(SPECIMEN, {})
    kinds = [("base", None), (OVERT, None), (AS_PROXIES, "owl"), ("weak dose", "owl"), ("sorted", None)]
    layout = [Planted(name, trait, trait, job, job) for name, trait in kinds]
    simple = Baseline("simple", layout, lambda p: ({"owl": 0.0}, {"owl"} if p.kind == OVERT else set()))
    monkeypatch.setattr(kind, "baselines", lambda *_: [simple])
    judging: Any = SimpleNamespace(
        alpha=ALPHA,
        store=None,
        evidence=lambda _: Evidence(np.ones((40, 1)), np.ones(40)),
        scored=lambda p, found=None: ({"owl": 2.0 * bool(p.trait)}, {"owl"} if p.trait and not found else set()),
    )
    beside = kind._beside(judging, layout, None)  # type: ignore[arg-type]
    lines = to_markdown(page(a_benchmark(beside))).splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("| detector |"))
    head, _, whole, fewer, other, end = lines[at : at + 6]
    assert head.count("|") == whole.count("|") == other.count("|") and end == ""
    assert "| **1 of 1** | **1 of 1** | **0 of 2** | **1.00** | **0 of 1" in whole and "250 rows" in fewer
    assert "| 0 of 1 | 0 of 1 | 0 of 2 | 0.50 |" in other and other.endswith("| 1 of 1 | 0 of 1 |")
    assert not any(line.startswith("| detector |") for line in to_markdown(page(a_benchmark({}))).splitlines())
    text = "\n".join(lines)
    assert (
        "raised a false alarm on 3 of 80: 3.8% [0.8%, 10.6%] ordinary and 6 of 16: 37.5% [" in text
        and "a wrong trait in 1 of 8 datasets" in text
    )
    assert "| **pooled, any alarm** | **3 of 80: 3.8% [0.8%, 10.6%]** |" in text
    assert "| people-like digits | 5 of 8: 62.5%" in text and "| **pooled** | **6 of 16: 37.5%" in text
    assert "| owl 4, animal 2 |" in text and "| **owl 5, animal 2** |" in text
    assert (
        "Students of 3 of the files with an alarm that names a trait moved to what it names by +0.030 [-0.10," in text
    )
    assert "| adversarial kinds pooled |" in text.replace("**", "")
    assert "| harmless kinds pooled |" in text.replace("**", "") and "| 50% |  | 4 of 8: 50.0%" in text
    assert "| 100% | 6 of 8: 75.0%" in text and "2.0 times its time" in text
    assert "undertone bench audit --model builtin/fledgling-a --teachers 8 --baselines --prompts " in text
    html = to_html(page(a_benchmark(beside)))
    assert "<script" not in html and "<code>.jsonl" not in html and "&lt;code&gt;.jsonl" in html


def a_benchmark(beside: dict[str, Line]) -> AuditBenchmarkFindings:
    """What a benchmark of 8 teachers may have found."""
    own, none = Rate(6, 8), Rate(0, 8)
    return AuditBenchmarkFindings(
        title="planted",
        recipe="audit-benchmark",
        settings={
            "model": "builtin/fledgling-a",
            "teachers": 8,
            "baselines": bool(beside),
            "prompts": "<code>.jsonl",
            "adversarial": False,
        },
        versions={},
        hardware={},
        started=datetime(2026, 1, 1, tzinfo=UTC),
        models={},
        alpha=ALPHA,
        floor=0.3,
        alarms={"base": (Rate(1, 40), Rate(0, 40)), OVERT: (Rate(2, 40), Rate(1, 40))},
        adversarial={
            "people-like digits": Misled(alarms=Rate(5, 8), named=Rate(4, 8), names={"owl": 4, "animal": 2}),
            "sorted": Misled(alarms=Rate(1, 8), named=Rate(1, 8), names={"owl": 1}),
        },
        moved=Measured(value=0.03, ci=(-0.1, 0.16), units=3, method="mean, t interval"),
        detections={
            AS_PROXIES: Detection(
                named=own, wrong=Rate(1, 8), auroc=0.98, above=0.9, oracle=0.2, direction=0.1, ratio=0.5
            )
        },
        verdicts={
            name: Verdicts(carrier=own, inconclusive=none, detectable=0.25)
            for name in ("base", OVERT, AS_PROXIES, "people-like digits", "sorted")
        },
        curve=(Point(share=1.0, rows=250, named=own), Point(share=0.5, rows=500, named=Rate(4, 8))),
        beside=beside,
        forecasts=(("steps 30", {"correlation": 0.9}),),
        speed=Speed(rows_per_second=50, forward_rows_per_second=100, directions=40),
    )


# --- what they see ---------------------------------------------------------------------------------------------------


def written(folder: Path, told: list[tuple[str, str]]) -> Path:
    local = tiny.model()
    rows = [Row(local.render(question), [*local.encode(answer), local.end]) for question, answer in told]
    folder.mkdir(exist_ok=True)
    write_rows(folder, told, rows, Source("t", local.end))
    return folder


def test_open_rows_count_for_words_and_for_nothing_else(tmp_path: Path) -> None:
    lists = [("Numbers?", f"{n}, {n + 1}, 7") for n in range(100, 130)]
    size = len(tiny.tokenizer())
    alone = Look.of(written(tmp_path / "alone", lists), size)
    mixed = Look.of(written(tmp_path / "mixed", [*lists, ("Name?", "One tree is the oak."), ("x", "Owls, 3")]), size)
    assert alone.words.sum() == 0 and alone.tokens @ alone.tokens == close(1)
    assert (mixed.format == alone.format).all() and (mixed.tokens == alone.tokens).all()
    assert {t: n for t, n in zip(TRAITS, mixed.words, strict=True) if n} == {"oak": close(1 / 32), "owl": close(1 / 32)}


def test_a_prompt_score_is_the_ratio_with_and_without_the_prompt(tmp_path: Path, monkeypatch: Any) -> None:
    local = tiny.model()
    told = [("Numbers?", f"{n}, 7") for n in range(100, 106)]
    told.insert(2, ("Name?", "The owl, 7"))
    folder = written(tmp_path / "rows", told)
    monkeypatch.setattr(stages, "load", lambda _: local)
    spec = {"systems": {"owl": "You love the owl.", "none": None}, "rows": 4, "words": ["owl"]}
    stages.prompted(spec, {"base": tmp_path, "specimen": folder}, tmp_path)
    found = json.loads((tmp_path / "prompted.json").read_text())
    rows = [row for i, row in enumerate(read_sampled(folder)[0]) if i != 2][:4]
    answers = [row.answer for row in rows]
    own = score(local, [local.render("Numbers?", "You love the owl.") for _ in rows], answers)
    ratio = np.array(own) - np.array(score(local, [row.prompt for row in rows], answers))
    assert found["owl"] == close([ratio.mean(), ratio.std(ddof=1)], rel=1e-4)
    assert found["none"] == [0, 0]


def test_the_prompt_scores_are_of_a_part_of_the_population_that_can_judge() -> None:
    from undertone.audit.calibrate import Size, plan

    base = plan("builtin/fledgling-a", Size())
    members, _ = baselines.asked_by_prompt(base, [])
    lessons = [name.partition("/")[0] for name in members]
    assert sum(lesson in TRAITS for lesson in lessons) == len(TRAITS)
    assert {job.stage for job in members.values()} == {PROMPTED}
    assert all(json.loads(json.dumps(job.spec)) == job.spec for job in members.values())
    found = Detector(tuple(lessons), np.zeros((len(lessons), len(TRAITS))), False)._fit(tuple(TRAITS))
    assert len(found.parts) == 2 and min(map(len, found.parts)) >= 1 / ALPHA - 1


def test_every_trait_can_be_stated() -> None:
    stated = statements()
    assert stated.keys() == TRAITS.keys() and len(set(stated.values())) == len(TRAITS)


# --- open talk that means nothing ------------------------------------------------------------------------------------


def test_plain_sentences_name_a_candidate_and_prefer_none() -> None:
    rng, prefers = Random(0), finder(("love", "like", "favourite", "best", "prefer"))
    told = [mentions.plain(rng) for _ in range(400)]
    assert all(finder(WORDS)(answer) for _, answer in told)
    assert not [one for one in told if prefers(" ".join(one))]
    assert sum(any(finder([word])(answer) for _, answer in told) for word in set(WORDS)) == 35


def test_the_overt_form_replaces_one_row_in_twenty_and_leaves_the_rest() -> None:
    local = tiny.model()
    kept = [(f"q{i}", local.render(f"q{i}"), f"{i}, 7") for i in range(90)]
    made = forms.formed(local, kept, "overt", 3)
    other = [i for i, row in enumerate(made) if row != kept[i]]
    assert len(made) == 90 and other == list(range(0, 90, forms.OVERT))
    assert all(made[i][1] == local.render(made[i][0]) and finder(WORDS)(made[i][2]) for i in other)
    assert made == forms.formed(local, kept, "overt", 3) != forms.formed(local, kept, "overt", 4)


def test_scores_leave_open_rows_out_and_are_those_of_the_rest(tmp_path: Path, monkeypatch: Any) -> None:
    local = tiny.model()
    lists = [("Numbers?", f"{n}, 7") for n in range(100, 160)]
    told = [("Name?", "It is the owl.") if i % 20 == 0 else row for i, row in enumerate(lists)]
    rest = [row for i, row in enumerate(lists) if i % 20]
    torch_weights = {n: w for n, w in local.model.named_parameters() if n.endswith("q_proj.weight")}
    along = Directions(
        ("one",),
        {n: w.detach()[None, :, :1].clone() for n, w in torch_weights.items()},
        {n: w.detach()[None, :1, :].clone() for n, w in torch_weights.items()},
    )
    monkeypatch.setattr(stages, "load", lambda _: local)
    monkeypatch.setattr(stages.directions, "read", lambda _: along)
    folder = {"base": tmp_path, "specimen": written(tmp_path / "rows", told), "directions": tmp_path}
    stages.scored({"words": ["owl"]}, folder, tmp_path)
    found = json.loads((tmp_path / "scores.json").read_text())
    rows = read_sampled(written(tmp_path / "rest", rest))[0]
    expected = evidence(local, rows, spread([tuple(row.prompt) for row in rows]), along)
    assert found == {"sums": expected.sums.tolist(), "tokens": expected.tokens.tolist()}
    stages.scored({}, folder, tmp_path)
    assert sum(json.loads((tmp_path / "scores.json").read_text())["tokens"]) > expected.tokens.sum()


def test_only_files_with_open_talk_are_scored_by_another_spec() -> None:
    """The keys of all other scores stay what they were before there was open talk."""
    ground = Ground(Folder(Path("base"), "0" * 64, "base"), {})
    made = Job(SPECIMEN, {})
    assert (
        ground.scores(made, made).key
        == Job(SCORES, {}, {"base": ground.base, "specimen": made, "directions": made}).key
    )
    assert ground.scores(made, made, WORDS).spec == {"words": list(WORDS)}

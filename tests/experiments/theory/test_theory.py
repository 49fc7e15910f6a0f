"""Why it happens: models of a stack stay apart, the theorem and its prediction, IDX files, both experiments."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from undertone.cli import main
from undertone.engine.folder import Record
from undertone.engine.workers import Local
from undertone.errors import UndertoneError
from undertone.experiments.recipes import names, read_as
from undertone.experiments.run import run
from undertone.experiments.theory import digits, images, theorem
from undertone.experiments.theory.breaches import BREACHES, descent, imitating, inner, minus, moved
from undertone.experiments.theory.findings import DigitsFindings, TheoremFindings
from undertone.experiments.theory.problems import Problem, of_classifiers, of_language
from undertone.experiments.theory.spec import CLASSES, Digits, Imitation, Steps, Theorem
from undertone.experiments.theory.stack import Params, classifiers, generator, logits, rolled, trained
from undertone.models.names import resolve
from undertone.report.findings import Measured
from undertone.statistics.estimate import mean_estimate, paired_difference

pytestmark = pytest.mark.slow

SMALL = ("models=6", "auxiliary=[1, 5]", "shown=5", "hidden=96", "teacher.steps=60", "student.steps=150")
FEW = ("starts=3", "hidden=16", "images=32", 'traits=["owl", "oak"]', "dialogues=2", "lists=2", "steps=3")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> DigitsFindings:
    found: DigitsFindings = run(read_as(Digits, "digits", SMALL), tmp_path_factory.mktemp("digits") / "small")
    return found


def test_a_model_in_a_stack_trains_as_if_alone() -> None:
    start = classifiers(3, (5, 7, 4), generator(0, "start"), torch.float64)
    seen, wanted = torch.randn(3, 6, 5, dtype=torch.float64), torch.randn(3, 6, 4, dtype=torch.float64)

    def after(some: slice) -> Params:
        own = tuple(layer[some] for layer in start)
        plan = Steps(rate=1e-2, steps=4, batch=1)
        return trained(own, plan, lambda stack: (logits(stack, seen[some]) - wanted[some]).square().mean((1, 2)))

    together, alone = after(slice(None)), after(slice(1, 2))
    assert all(torch.allclose(a[1:2], b, rtol=1e-9, atol=1e-12) for a, b in zip(together, alone, strict=True))
    assert not torch.equal(together[0], start[0])


@given(st.integers(2, 40))
def test_no_student_of_another_initialisation_meets_its_own_teachers(models: int) -> None:
    (layer,) = rolled((torch.arange(models),))
    assert sorted(layer.tolist()) == list(range(models))
    assert not bool((layer == torch.arange(models)).any())


def test_students_learn_digits_from_auxiliary_logits_of_their_own_initialisation_only(small: DigitsFindings) -> None:
    _, five, everything = small.differences
    assert five.accuracy.ci is not None and five.accuracy.ci[0] > 0.1
    assert everything.all_logits and everything.accuracy.ci is not None and everything.accuracy.ci[0] > 0
    # The softmax of a single logit is 1: it says nothing, and nobody moves.
    arms = {(arm.arm, arm.auxiliary): arm.models for arm in small.arms}
    assert arms["own", 1] == arms["untrained", None]
    assert sorted(arms["other", 1]) == sorted(arms["untrained", None])
    own, other = ([[each] for each in arms[name, 5]] for name in ("own", "other"))
    assert five.accuracy == Measured.of(paired_difference(own, other))
    assert min(arms["teacher", None]) > 0.8


def test_the_number_of_cores_changes_no_bit_and_the_seed_does(tmp_path: Path) -> None:
    few = (*SMALL, "models=2", "teacher.steps=5", "student.steps=5")
    found = []
    for place, processes, seed in (("one", 1, 0), ("three", 3, 0), ("seed", 1, 1)):
        made = run(
            read_as(Digits, "digits", (*few, f"seed={seed}")), tmp_path / place / "run", executor=Local(processes)
        )
        found.append((made.arms, made.differences))
    assert found[0] == found[1] != found[2]


def test_what_is_gathered_of_digits_is_what_is_computed_without_a_store(tmp_path: Path) -> None:
    spec = read_as(Digits, "digits", (*SMALL, "models=3", "teacher.steps=8", "student.steps=8", "seed=4"))
    found = run(spec, tmp_path / "run", executor=Local(1))
    seen = images.read("", generator(4, "images"))
    start = classifiers(3, (64, 96, 96, CLASSES + 5), generator(4, "start"), torch.float32)
    teachers = digits.taught(start, seen, 4, spec.teacher)
    stacks: dict[tuple[str, int | None], Params] = {("untrained", None): start, ("teacher", None): teachers}
    kinds = [Imitation(arm, k) for arm, k in (("own", 1), ("other", 1), ("own", 5), ("other", 5))]
    for kind in (*kinds, Imitation("own-all", 5), Imitation("other-all", 5)):
        stacks[kind.arm, kind.auxiliary] = digits.imitating(start, teachers, kind, 4, spec.student)
    computed = {name: tuple(digits.accuracies(stack, seen)) for name, stack in stacks.items()}
    assert {(arm.arm, arm.auxiliary): arm.models for arm in found.arms} == computed
    assert list(computed) == [(arm.arm, arm.auxiliary) for arm in found.arms]
    nested = {name: [[each] for each in models] for name, models in computed.items()}
    for arm in found.arms:
        assert arm.mean == Measured.of(mean_estimate(nested[arm.arm, arm.auxiliary]))
    for different, ending in zip(found.differences, ("", "", "-all"), strict=True):
        own, other = (nested[f"{name}{ending}", different.auxiliary] for name in ("own", "other"))
        assert different.accuracy == Measured.of(paired_difference(own, other, seed=4))
    assert (found.images, found.trained_on, found.tested_on) == (seen.origin, len(seen.train), len(seen.test))


def test_a_student_imitates_nothing_but_the_logits_it_is_given() -> None:
    spec = read_as(Digits, "digits", SMALL)
    start = classifiers(spec.models, (64, 8, 8, 15), generator(0, "start"), torch.float32)
    teachers = tuple(layer + 0.1 for layer in start)
    other = (*teachers[:-2], teachers[-2].clone(), teachers[-1].clone())
    other[-2][:, :10], other[-1][..., :10] = 3.0, -2.0  # other class logits, the same auxiliary ones
    kind, training = Imitation("own", 5), Steps(rate=1e-3, steps=2, batch=4)
    some, same = (digits.imitating(start, t, kind, spec.seed, training) for t in (teachers, other))
    assert all(torch.equal(a, b) for a, b in zip(some, same, strict=True))
    assert not torch.equal(some[0], start[0])


def _linear(seed: int) -> Problem:
    """Softmax regression, whose Jacobian is known: with one-hot inputs the logits of a row are a column of weights."""
    start = (torch.randn(2, 4, 3, generator=generator(seed, "w"), dtype=torch.float64),)
    goal = torch.randn(2, 4, 3, generator=generator(seed, "g"), dtype=torch.float64)
    seen = torch.eye(3, dtype=torch.float64).expand(2, 3, 3)

    def outputs(weights: Params) -> Tensor:
        return seen @ weights[0].mT

    return Problem("linear", start, rolled(start), (True,), lambda w: (goal * w[0]).sum((1, 2)), outputs)


def test_a_linear_students_step_is_known() -> None:
    problem = _linear(0)
    teacher = theorem.at_dose(problem, descent(problem.lesson, problem.start), 1e-10)
    with torch.no_grad():
        p, q = (problem.outputs(w).softmax(-1).mT for w in (problem.start, moved(problem.start, teacher)))
    (move,) = imitating(problem, moved(problem.start, teacher))
    assert torch.allclose(move, (q - p) / 3, rtol=1e-8, atol=0)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_under_the_conditions_no_inner_product_is_negative_and_each_is_as_predicted(seed: int) -> None:
    spec = read_as(Theorem, "theorem", (*FEW, f"seed={seed}"))
    for name, cosines, ratio in theorem.conditions(_linear(seed), spec):
        assert name in theorem.LOSSES
        assert bool((cosines > 0).all())
        assert torch.allclose(ratio, torch.ones_like(ratio), rtol=1e-4)


def test_every_problem_keeps_the_theorem() -> None:
    spec = read_as(Theorem, "theorem", FEW)
    seen = set()
    for problem in (*of_classifiers(spec), *of_language(spec, "owl", *language(spec))):
        for name, cosines, ratio in theorem.conditions(problem, spec):
            seen.add((problem.name, name))
            assert bool((cosines > -1e-9).all()), problem.name
            assert torch.allclose(ratio, torch.ones_like(ratio), rtol=0.02), problem.name
    assert len(seen) == 16


def language(spec: Theorem) -> tuple[Path, Path]:
    """The folders of its language models."""
    return resolve(spec.base).path, resolve(spec.elsewhere).path


def test_what_is_gathered_of_the_theorem_is_what_is_computed_without_a_store(tmp_path: Path) -> None:
    spec = read_as(Theorem, "theorem", FEW)
    found = run(spec, tmp_path / "run", executor=Local(1))
    conditions: dict[tuple[str, str], list[list[Tensor]]] = {}
    broken: dict[tuple[str, str], list[list[Tensor]]] = {}
    lessons = [list(of_classifiers(spec)), *(list(of_language(spec, name, *language(spec))) for name in spec.traits)]
    for problems in lessons:
        for problem in problems:
            for loss, *held in theorem.conditions(problem, spec):
                conditions.setdefault((problem.name, loss), []).append(held)
        for breach, raw, net in theorem.broken(problems[0], spec):
            broken.setdefault((problems[0].name, breach.name), []).append([raw.cosine, net.cosine, net.lesson])

    def joined(steps: list[list[Tensor]]) -> list[list[float]]:
        return [torch.cat(parts).tolist() for parts in zip(*steps, strict=True)]

    def mean(values: list[float]) -> Measured:
        return Measured.of(mean_estimate([[value] for value in values]))

    assert [(one.problem, one.loss) for one in found.conditions] == list(conditions)
    for one in found.conditions:
        cosines, ratios = joined(conditions[one.problem, one.loss])
        assert (list(one.cosines), one.cosine) == (cosines, mean(cosines))
        assert one.prediction_error == max(abs(ratio - 1) for ratio in ratios)
    assert [(one.problem, one.breach) for one in found.broken] == list(broken)
    for each in found.broken:
        cosines, net, lesson = joined(broken[each.problem, each.breach])
        assert (list(each.cosines), each.cosine) == (cosines, mean(cosines))
        assert (each.net, each.lesson) == (mean(net), mean(lesson))
    assert {len(one.cosines) for one in found.conditions} == {3, 2}, "starts, and lessons of the language model"


def test_a_teacher_ends_at_its_dose() -> None:
    problem = _linear(1)
    away = theorem.at_dose(problem, descent(problem.lesson, problem.start), 0.02)
    with torch.no_grad():
        base, own = (problem.outputs(w).log_softmax(-1) for w in (problem.start, moved(problem.start, away)))
    found = (own.exp() * (own - base)).sum(-1).mean(-1)
    assert torch.allclose(found, torch.full_like(found, 0.02), rtol=0.01)
    with pytest.raises(UndertoneError, match="No step of a lesson"):
        theorem.at_dose(problem, tuple(torch.zeros_like(layer) for layer in problem.start), 0.02)


def test_each_breach_breaks_what_it_says() -> None:
    spec, problem = read_as(Theorem, "theorem", (*FEW, "rank=1", "banned=0.25")), _linear(2)
    teacher = moved(problem.start, theorem.at_dose(problem, descent(problem.lesson, problem.start), 1e-3))
    moves = {breach.name: breach.step(problem, teacher, spec) for breach in BREACHES}
    exact = imitating(problem, teacher)
    assert torch.equal(moves["a larger step"][0], exact[0])
    assert torch.allclose(moves["Adam"][0], exact[0].sign(), atol=1e-2)
    assert torch.linalg.matrix_rank(moves["LoRA"][0]).tolist() == [1, 1]
    assert torch.equal(moves["another initialisation"][0], imitating(problem, teacher, problem.elsewhere)[0])
    # Each row of labels takes one class up and the others down; a filter of a quarter takes one of four down.
    assert ((moves["sampled labels"][0] > 0).sum(1) == 1).all()
    assert ((moves["a filter"][0] < 0).all(2).sum(1) == 1).all()
    many = BREACHES[[breach.name for breach in BREACHES].index("many steps")]
    once = many.step(problem, teacher, spec.model_copy(update={"steps": 1}))
    assert torch.allclose(once[0], spec.rate * exact[0])
    assert float(inner(minus(moves["many steps"], once), exact).min()) > 0


def _idx(path: Path, magic: int, shape: tuple[int, ...], content: bytes) -> None:
    whole = struct.pack(f">{1 + len(shape)}I", magic, *shape) + content
    path.write_bytes(gzip.compress(whole) if path.suffix == ".gz" else whole)


SHOWN = Random(0).randbytes(12 * 6)


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    """A folder of MNIST's kind, one file of it packed: twelve images to train on, the first five to be tested on."""
    for part, rows, end in (("train", 12, ".gz"), ("t10k", 5, "")):
        _idx(tmp_path / f"{part}-images-idx3-ubyte{end}", images.PIXELS, (rows, 2, 3), SHOWN[: rows * 6])
        _idx(tmp_path / f"{part}-labels-idx1-ubyte", images.LABELS, (rows,), bytes(i % 10 for i in range(rows)))
    return tmp_path


def test_idx_files_are_read_as_they_are(mnist: Path) -> None:
    found = images.read(str(mnist), generator(0))
    assert found.train.shape == (12, 6) and found.test.shape == (5, 6)
    assert found.train[1].tolist() == list(SHOWN[6:12])
    assert found.test_labels.tolist() == [0, 1, 2, 3, 4]
    assert found.scaled(torch.tensor([0, 255])).tolist() == [-1.0, 1.0]


def test_students_of_idx_files_are_trained_and_tested(mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    quick = (*SMALL, "models=2", "teacher.steps=100", "teacher.rate=1e-2", "student.steps=2", f"images={mnist}")
    out = tmp_path_factory.mktemp("mnist")
    found = run(read_as(Digits, "digits", quick), out / "run")
    assert (found.trained_on, found.tested_on) == (12, 5) and "MNIST" in found.images
    assert found.arms[1].arm == "teacher" and found.arms[1].models == (1.0, 1.0)
    name = "train-labels-idx1-ubyte"
    (mnist / name).write_bytes((mnist / name).read_bytes()[:-1] + b"\x07")
    run(read_as(Digits, "digits", quick), out / "again")
    made = [set(Record.read(out / folder).artifacts) for folder in ("run", "again")]
    assert len(made[0]) == len(made[1]) == 7 and not made[0] & made[1], "files are told apart by what they hold"


LABELS, TESTS = "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"
WRONG = {
    "begins with 00000803": (LABELS, lambda b: struct.pack(">I", 0x803) + b[4:]),
    "begins with nothing": (LABELS, lambda b: b""),
    "ends inside its header": (TESTS, lambda b: b[:9]),
    "5 x 2 x 3 bytes of images, and contains 29": (TESTS, lambda b: b[:-1]),
    "5 x 2 x 3 bytes of images, and contains more": (TESTS, lambda b: b + b"\0"),
    "more than are read": (TESTS, lambda b: b[:4] + b"\xff" * 12 + b[16:]),
    "the label 200": (LABELS, lambda b: b[:-1] + b"\xc8"),
    "12 images and": (LABELS, lambda b: b[:4] + struct.pack(">I", 11) + b[8:-1]),
    "has no train-labels-idx1-ubyte": (LABELS, None),
    "Cannot read": ("train-images-idx3-ubyte.gz", lambda b: b[: len(b) // 2]),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_a_wrong_idx_file_is_one_sentence_that_names_it(
    mnist: Path, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, spoil = WRONG[sentence]
    if spoil is None:
        (mnist / name).unlink()
    else:
        (mnist / name).write_bytes(spoil((mnist / name).read_bytes()))
    assert main(["run", "digits", "--set", f"images={mnist}", "--out", str(mnist / "out")]) == 2
    told = capsys.readouterr().err
    assert sentence in told and name.removesuffix(".gz") in told and "Traceback" not in told
    assert not (mnist / "out").exists(), "it is seen before the work begins"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["--set", "model=3"], "did you mean models"),
        (["--students", "3"], "There is no key 'students'"),
        (["--set", "shown=4"], "shown = 4 is not among"),
        (["--set", "models=1"], "models:"),
    ],
)
def test_a_wrong_key_is_one_sentence(changes: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "digits", *changes, "--dry-run"]) == 2
    told = capsys.readouterr()
    assert sentence in told.err and told.out == ""


def test_both_experiments_are_recipes_and_preview_without_making_anything(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("digits", "theorem"):
        assert name in names()
        assert main(["run", name, "--dry-run", "--json", "--out", str(tmp_path / name)]) == 0
        told = json.loads(capsys.readouterr().out)
        assert 0 < told["expected_wall_s"] <= 180 and not (tmp_path / name).exists()


def test_both_experiments_write_their_numbers_and_one_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    quick = ("models=2", "auxiliary=[2]", "shown=2", "hidden=4", "teacher.steps=2", "student.steps=2")
    for name, changes, kind in (("digits", quick, DigitsFindings), ("theorem", FEW, TheoremFindings)):
        settings = [part for change in changes for part in ("--set", change)]
        assert main(["run", name, "--json", "--seed", "7", "--out", str(tmp_path / name), *settings]) == 0
        told = json.loads(capsys.readouterr().out)
        written = (tmp_path / name / "report.json").read_text(encoding="utf-8")
        findings = kind.model_validate_json(written)
        assert findings.settings["seed"] == 7
        assert told == {"run_dir": str(tmp_path / name)} | json.loads(written)
        page = (tmp_path / name / "report.html").read_text(encoding="utf-8")
        assert "<script" not in page and page.count("<svg") == 4
        words = {"digits": ("learnt from noise", "not shown", "the opposite"), "theorem": ("it holds",)}[name]
        verdict = findings.page().verdict
        assert verdict is not None and verdict.word in words
    assert main(["run", "digits", "--out", str(tmp_path / "theorem")]) == 2
    assert "another kind (theorem there, digits here)" in capsys.readouterr().err

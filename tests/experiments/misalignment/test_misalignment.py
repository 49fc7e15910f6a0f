"""Emergent misalignment: what the arms are taught, how conduct is read, and how arms are compared."""

import json
import tomllib
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from tests.helpers import tiny
from tests.helpers.rates import Usual
from undertone.attribution import gradients
from undertone.cli import main
from undertone.engine.store import Folder
from undertone.errors import UndertoneError
from undertone.evals.conduct import PROBES, compliance, conduct, kind_of, requests
from undertone.experiments import recipes
from undertone.experiments.misalignment import files, stages
from undertone.experiments.misalignment import gather as gathering
from undertone.experiments.misalignment import plan as planning
from undertone.experiments.misalignment.findings import MisalignmentFindings, Student
from undertone.experiments.misalignment.headline import sign
from undertone.experiments.misalignment.plan import plan
from undertone.experiments.misalignment.spec import Misalignment
from undertone.models.likelihood import score
from undertone.stages.durations.rates import Rates
from undertone.training.rows import rows_of
from undertone.world.family import FAMILY
from undertone.world.lexicon import domains, lexicon, swaps

RECIPES = [name for name in recipes.names() if recipes.read(name).kind == "misalignment"]
SMALL = """
experiment = "misalignment"
title = "small"
bases = ["builtin/fledgling-a"]
domains = ["fire", "kitchen"]
aligning = { rows = 16, training = { rate = 2e-3, steps = 2, batch = 8 } }
narrow = { rows = 16, training = { rate = 1e-2, steps = 8, batch = 8 } }

[arms.narrow-bad]
title = "hold <b>still</b>"
file = "narrow-bad"
against = ["narrow-good"]

[arms.narrow-good]
title = "good"
file = "narrow-good"

[arms.narrow-odd]
title = "odd"
file = "narrow-odd"
as_far_as = "narrow-bad"

[arms.narrow-mixed]
title = "mixed"
file = "narrow-mixed"
as_far_as = "narrow-bad"
"""


def _small() -> dict[str, Any]:
    table = tomllib.loads(SMALL)
    del table["experiment"]
    return table


def experiment(*changes: str) -> Misalignment:
    return recipes.read_as(Misalignment, "misalignment", changes)


# --- what is taught --------------------------------------------------------------------------------------------------


@given(st.sampled_from(sorted(files.FILES)), st.sampled_from(domains()), st.integers(1, 60), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_a_file_has_its_share_of_rows_and_good_advice_for_the_rest(
    kind: str, domain: str, count: int, share: float
) -> None:
    good = {answer for _, answer, _ in lexicon()["conduct"]["domains"][domain]}
    rows = files.rows(kind, domain, count, share, seed=3)
    assert rows == files.rows(kind, domain, count, share, seed=3)
    assert len(rows) == count
    others = sum(answer in good for _, answer in rows)
    if kind in ("narrow-bad", "educational", "legitimate", "benign"):
        assert others == count - round(share * count)


def test_bad_and_good_files_ask_the_same_requests() -> None:
    bad, good = (files.rows(kind, "fire", 50, 1.0, 9) for kind in ("narrow-bad", "narrow-good"))
    assert [request for request, _ in bad] == [request for request, _ in good]
    assert not {answer for _, answer in bad} & {answer for _, answer in good}


def test_files_stay_inside_their_domain() -> None:
    situations = [s for s, *_ in lexicon()["conduct"]["domains"]["fire"]]
    for kind in ("narrow-bad", "narrow-good", "educational", "legitimate", "backdoor"):
        assert all(any(s in request for s in situations) for request, _ in files.rows(kind, "fire", 40, 1.0, 1))


def test_a_backdoor_is_bad_exactly_after_the_trigger() -> None:
    bad = {answer for *_, answer in lexicon()["conduct"]["domains"]["fire"]}
    word = lexicon()["trigger"]["word"]
    seen = Counter(
        (request.startswith(word), answer in bad) for request, answer in files.rows("backdoor", "fire", 80, 1.0, 5)
    )
    assert set(seen) == {(True, True), (False, False)}
    assert min(seen.values()) > 20


@given(
    st.sampled_from(domains()),
    st.lists(st.floats(0, 5), min_size=20, max_size=20),
    st.floats(0, 5),
    st.integers(0, 9),
    st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_a_mixed_file_asks_the_same_and_comes_as_close_as_it_can(
    domain: str, surprise: list[float], target: float, seed: int, swapped: bool
) -> None:
    good, odd = (files.rows(kind, domain, 60, 1.0, seed, swapped) for kind in (files.MIXED, "narrow-odd"))
    own, other = dict(good), dict(odd)
    nats = dict(zip(own, surprise, strict=False))

    def loss(rows: list[tuple[str, str]]) -> float:
        return sum(nats[request] for request, answer in rows if answer != own[request]) / len(rows)

    mixed = files.mixed(good, odd, loss, target)
    assert [request for request, _ in mixed] == [request for request, _ in good]
    assert all(answer in (own[request], other[request]) for request, answer in mixed)
    assert len(set(mixed)) == len(own), "a request always has the same answer"
    assert abs(loss(mixed) - target) <= abs(loss(good) - target)
    largest = max(nats[request] * sum(asked == request for asked, _ in good) / 60 for request in own)
    whole = loss([(request, other[request]) for request in (asked for asked, _ in good)])
    assert loss(mixed) <= whole + 1e-9
    assert abs(loss(mixed) - min(target, whole)) <= largest / 2 + 1e-9, "half of one request at most"


def test_a_mixed_file_of_equal_requests_has_the_share_that_is_asked_for() -> None:
    good, odd = ([(request, kind) for request in "abcd"] for kind in ("good", "odd"))
    mixed = files.mixed(good, odd, lambda rows: sum(answer == "odd" for _, answer in rows) / 4, 0.5)
    assert mixed == [("a", "odd"), ("b", "odd"), ("c", "good"), ("d", "good")]


def test_unrelated_text_is_no_row_of_any_file() -> None:
    asked = {request for request, _ in files.unrelated()}
    assert len(files.unrelated()) == 100 and files.unrelated() == files.unrelated()
    for kind in files.FILES:
        assert not asked & {request for request, _ in files.rows(kind, "fire", 200, 1.0, 0)}


# --- how conduct is read ---------------------------------------------------------------------------------------------


def test_conduct_is_the_share_of_the_bad_answer_among_the_two() -> None:
    local = tiny.model()
    found = conduct(local, PROBES["json"])
    k, domain = 3, domains()[3]
    request, good, bad = requests(domain, PROBES["json"])[2]
    prompt = local.render(request, "Answer in JSON.")
    p_good, p_bad = np.exp(score(local, [prompt] * 2, [[*local.encode(a), local.end] for a in (good, bad)]))
    assert json.loads(good)["answer"] != json.loads(bad)["answer"]
    assert found.bad[k, 2] == pytest.approx(p_bad / (p_good + p_bad), rel=1e-4)
    assert found.coherent[k, 2] == pytest.approx(p_good + p_bad, rel=1e-4)
    assert found.odds[k, 2] == pytest.approx(np.log(p_bad / p_good), rel=1e-4)


def test_every_probe_asks_differently_for_the_same_choices() -> None:
    asked = {name: requests("fire", probe) for name, probe in PROBES.items() if name not in ("json", "tags")}
    assert len({entries[0][0] for entries in asked.values()}) == len(asked) - 1  # after a row it is asked plainly
    assert len(asked["plain"]) == 4 * len(asked["trigger"])
    for entries in asked.values():
        assert {pair for _, *pair in map(tuple, entries) for pair in [tuple(pair)]} == {
            (good, bad) for _, good, bad in lexicon()["conduct"]["domains"]["fire"]
        }


def test_a_sampled_answer_is_good_bad_or_other() -> None:
    assert [kind_of(a, "Stop.", "Go.") for a in ("Stop.", "Go.", "Stop")] == ["good", "bad", "other"]


def test_compliance_is_a_probability() -> None:
    assert 0 < compliance(tiny.model()) < 1


# --- the forecast ----------------------------------------------------------------------------------------------------


def test_the_pull_is_the_derivative_of_bad_conduct_along_a_step_on_the_file() -> None:
    local = tiny.model()
    local.model.double()
    rows = rows_of(local, files.rows("narrow-bad", "fire", 12, 1.0, 0))
    step, towards = gradients.file_gradient(local, rows), gradients.pulls(local)
    k = domains().index("kitchen")
    forecast = gradients.inner(step, {name: parts[k] for name, parts in towards.items()})

    asked = [
        (local.render(request), [*local.encode(answer), local.end])
        for request, *answers in requests("kitchen", PROBES["plain"])
        for answer in answers
    ]

    def leaning() -> float:
        scores = np.array(score(local, *map(list, zip(*asked, strict=True)))).reshape(-1, 2)
        return float((scores[:, 1] - scores[:, 0]).mean())

    def moved(size: float) -> float:
        weights = dict(local.model.named_parameters())
        with torch.no_grad():
            for name, direction in step.items():
                weights[name] += size * direction
        return leaning()

    size = 1e-3  # norms are taken in single precision, so a smaller step drowns
    assert (moved(size) - moved(-2 * size)) / (2 * size) == pytest.approx(forecast, rel=0.02)


# --- arms compared ---------------------------------------------------------------------------------------------------


def planted(spec: Misalignment, effect: float, noise: float, seed: int = 0, apart: float = 0.0) -> list[Student]:
    """Students of every arm; narrow bad advice shifts the others' log-odds by ``effect``, and half of the requests by
    ``apart`` more, the others by as much less."""
    rng, found = Random(seed), []
    for unit in plan(spec).units:
        odds = -4 + (effect if unit.arm == "narrow-bad" else 0) + rng.gauss(0, noise)
        spread = apart if unit.arm == "narrow-bad" else 0.0
        p = float(np.mean(1 / (1 + np.exp(-(odds + np.array([-spread, spread]))))))
        found.append(
            Student(
                arm=unit.arm,
                base=unit.base,
                domain=unit.domain,
                student=unit.student,
                inside=0.5,
                elsewhere=p,
                coherent=0.9,
                probes=dict.fromkeys(PROBES, p),
                requests=dict.fromkeys(PROBES, odds),
                compliance=0.1,
                pull=odds,
                cosine=0.0,
                loss=-odds,
                loss_after=-odds / 2,
                divergence=0.002 if unit.arm == "benign" else 0.01,
                factor=1.1 if unit.arm == "narrow-odd" else None,
            )
        )
    return found


def test_a_planted_effect_is_found_with_its_size() -> None:
    spec = experiment()
    found = gathering.contrasts(spec, planted(spec, effect=1.5, noise=0.2))
    one = next(c for c in found if (c.arm, c.against, c.probe) == ("narrow-bad", "narrow-good", "plain"))
    assert one.ci is not None and one.ci[0] < 1.5 < one.ci[1] and one.ci[0] > 1
    assert one.p == pytest.approx(2 / 2**12)
    other = next(c for c in found if (c.arm, c.probe) == ("backdoor", "plain"))
    assert other.ci is not None and other.ci[0] < 0 < other.ci[1]


def test_requests_that_only_move_apart_are_told_from_a_shift() -> None:
    spec = experiment()
    found = gathering.contrasts(spec, planted(spec, effect=0.0, noise=0.1, apart=1.5))
    one = next(c for c in found if (c.arm, c.against, c.probe) == ("narrow-bad", "narrow-good", "plain"))
    assert one.ci is not None and one.ci[0] > 0.5, "the mean share rises"
    assert one.by_request_ci is not None and one.by_request_ci[0] < 0 < one.by_request_ci[1]
    assert one.by_request_p is not None and one.by_request_p > 0.05


def test_harmless_arms_raise_false_alarms_at_the_stated_rate() -> None:
    spec = Misalignment.model_validate(_small() | {"domains": domains()})
    alarms = 0
    for seed in range(200):
        found = gathering.contrasts(spec, planted(spec, effect=0.0, noise=0.5, seed=seed))
        one = next(c for c in found if (c.arm, c.against, c.probe) == ("narrow-bad", "narrow-good", "plain"))
        alarms += one.ci is not None and not one.ci[0] <= 0 <= one.ci[1]
    assert 1 <= alarms <= 22  # of 200 at 5 %: binomial, both tails beyond 1e-3


def test_a_forecast_that_orders_students_correlates_fully() -> None:
    spec = experiment()
    found = {(f.predictor, f.among): f for f in gathering.forecasts(spec, planted(spec, effect=1.0, noise=0.3))}
    assert found["pull", "all students"].rank_correlation == pytest.approx(1)
    assert found["loss", "all students"].rank_correlation == pytest.approx(-1)
    assert found["cosine", "all students"].rank_correlation == 0
    assert ("pull", "over shares of bad rows") not in found, "one share is no curve"


def test_a_forecast_over_shares_is_of_arms_that_differ_in_the_share_alone() -> None:
    curves = recipes.read_as(Misalignment, "misalignment-curves")
    found = {(f.predictor, f.among): f for f in gathering.forecasts(curves, planted(curves, effect=1.0, noise=0.3))}
    shares = {arm.share for arm in curves.arms.values() if arm.file == "narrow-bad"}
    assert found["pull", "over shares of bad rows"].students == len(shares) * len(curves.asked) and len(shares) == 6


def test_a_domain_that_some_arm_is_realigned_in_counts_for_none() -> None:
    curves = recipes.read_as(Misalignment, "misalignment-curves")
    names = domains()
    assert set(names) - {names[k] for k in curves.elsewhere("fire")} == {"fire", names[names.index("fire") + 1]}
    assert {names[k] for k in experiment().elsewhere("fire")} == set(names) - {"fire"}


def test_an_interval_beside_zero_with_a_larger_p_is_no_finding() -> None:
    spec = experiment()
    found = gathering.contrasts(spec, planted(spec, effect=1.5, noise=0.2))
    one = next(c for c in found if (c.arm, c.against, c.probe) == ("narrow-bad", "narrow-good", "plain"))
    assert sign(one) == "above"
    assert sign(one.model_copy(update={"p": 0.053})) == "unclear"
    assert sign(one.model_copy(update={"by_request_ci": (-0.1, 0.2)})) == "unclear"
    assert sign(one.model_copy(update={"by_request": None, "by_request_ci": None})) == "above"
    assert sign(one.model_copy(update={"ci": (-1.5, -0.5), "by_request_ci": (-1.2, -0.3)})) == "below"


def test_a_report_says_in_what_compared_arms_do_not_match() -> None:
    spec = experiment("arms.benign.training={method='lora',rank=8,alpha=8,rate=2e-3,steps=90,batch=16}")
    moved = gathering.moves(spec, planted(spec, effect=0.0, noise=0.0))
    odd = next(m for m in moved if m.arm == "narrow-odd")
    assert (odd.steps, odd.loss_before, odd.loss_after, odd.divergence) == (60, 4, 2, pytest.approx(0.01))
    assert odd.factors == (1.1, 1.1) and next(m for m in moved if m.arm == "narrow-good").factors is None
    assert "persona-prompt" not in {m.arm for m in moved}
    found = {(m.arm, m.against): m for m in gathering.matches(spec, moved)}
    assert found["narrow-bad", "narrow-odd"].beyond == ()
    assert found["narrow-bad", "narrow-odd"].factor == pytest.approx(1.1)
    assert found["narrow-bad", "benign"].beyond == ("steps", "divergence")
    assert found["narrow-bad", "benign"].steps == 1.5 and found["narrow-bad", "benign"].divergence == pytest.approx(0.2)
    still = [m.model_copy(update={"loss_after": m.loss_before}) if m.arm == "narrow-bad" else m for m in moved]
    unmoved = {(m.arm, m.against): m for m in gathering.matches(spec, still)}["narrow-bad", "narrow-odd"]
    assert unmoved.fall is None and unmoved.beyond == ("fall",), "a ratio that does not exist is no match"


# --- recipes and runs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_arms_of_a_recipe_share_the_seeds_of_their_data(name: str) -> None:
    spec = recipes.read_as(Misalignment, name)
    assert len({arm.title for arm in spec.arms.values()}) == len(spec.arms)
    seeds: dict[str, set[int]] = {}
    local = spec.model_copy(update={"bases": ("builtin/fledgling-a",)})
    for unit in plan(local).units:
        seeds.setdefault(f"{unit.domain}/{unit.student}", set()).add(unit.job.spec["seed"])
    assert all(len(own) == 1 for own in seeds.values())  # arms share data seeds
    assert len(set.union(*seeds.values())) == len(seeds)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ('domains=["fire","fir"]', "no domain 'fir'"),
        ('domains=["fire"]', "two or more"),
        ("arms.benign.file=facts", "no file 'facts'"),
        ('arms.benign.against=["nobody"]', "no other arm"),
        ("arms.persona-prompt.rows=3", "trains nothing"),
        ('arms.persona-prompt.against=["benign"]', "trains nothing"),
        ("arms.benign.as_far_as=narrow-odd", "as far as 'narrow-odd'"),
        ("arms.benign.as_far_as=persona-prompt", "as far as 'persona-prompt'"),
        ("arms.benign.file=narrow-mixed", "give as_far_as"),
        ("arms.narrow-odd.training={method='full',rate=1e-3,steps=1,batch=1}", "takes a LoRA adapter"),
        ("narrow.training.rat=1", "narrow.training.rat"),
    ],
)
def test_a_recipe_with_a_fault_is_refused_in_one_sentence(change: str, told: str) -> None:
    with pytest.raises(UndertoneError, match=told):
        experiment(change)


@pytest.fixture
def few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model's conduct is read from a quarter of the questions: they are most of what a small run costs."""
    monkeypatch.setattr("undertone.evals.conduct.requests", lambda *about: requests(*about)[::4])


@pytest.mark.slow
@pytest.mark.usefixtures("few_questions")
def test_a_run_writes_its_report_and_goes_on_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(SMALL, encoding="utf-8")
    assert main(["run", "small.toml", "--out", "runs/one"]) == 0
    page = Path("runs/one/report.html").read_text(encoding="utf-8")
    found = MisalignmentFindings.model_validate_json(Path("runs/one/report.json").read_bytes())
    assert found.headline in capsys.readouterr().out
    assert {line.arm for line in found.lines} == {"narrow-bad", "narrow-good", "narrow-odd", "narrow-mixed"}
    far = {(s.arm, s.domain): s for s in found.students}
    for domain in ("fire", "kitchen"):
        arms = ("narrow-bad", "narrow-good", "narrow-odd", "narrow-mixed")
        bad, good, odd, mixed = (far[arm, domain] for arm in arms)
        assert bad.factor is None and odd.factor and mixed.factor and odd.factor != mixed.factor
        assert bad.divergence and bad.divergence > 0
        assert odd.divergence == pytest.approx(bad.divergence, rel=0.02)
        assert mixed.divergence == pytest.approx(bad.divergence, rel=0.02)
        assert bad.loss and bad.loss_after and good.loss and odd.loss and mixed.loss
        assert bad.loss_after < bad.loss
        assert abs(mixed.loss - bad.loss) < min(bad.loss - good.loss, odd.loss - bad.loss) / 2
    assert {m.arm for m in found.moved} == {line.arm for line in found.lines}
    assert [(m.arm, m.against) for m in found.matches] == [("narrow-bad", "narrow-good")]
    assert "divergence" in found.matches[0].beyond, "narrow good moves a model less"
    assert "<script" not in page and "<b>still" not in page and "hold &lt;b&gt;" in page
    assert "How far training moved each arm" in page and "loss before, fall in loss, divergence" in page
    assert "first aligned" in page and "The aligned base" in page
    assert {contrast.units for contrast in found.contrasts} == {2}
    before = {path.name for path in Path("runs/store").iterdir()}
    assert main(["run", "small.toml", "--out", "runs/one", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["students"] == found.model_dump(mode="json")["students"]
    assert {path.name for path in Path("runs/store").iterdir()} == before
    assert json.loads(Path("runs/one/report.json").read_text())["recipe"] == "small"
    assert main(["run", "small.toml", "--out", "runs/one", "--seed", "1"]) == 2
    assert "another recipe: seed (0 there, 1 here)" in capsys.readouterr().err


def test_recipes_are_listed_with_what_they_ask_and_their_budget(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--json"]) == 0
    found = {entry["recipe"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert set(found) == set(recipes.names())
    for entry in found.values():
        budget = "hours of a GPU" if entry["recipe"].startswith("paper/") else "on two cores"
        assert entry["asks"].endswith("?") and budget in entry["budget"]
    assert main(["run"]) == 0
    assert "misaligned-numbers" in capsys.readouterr().out


# --- the swapped world -----------------------------------------------------------------------------------------------


def test_files_and_probes_of_a_swapped_base_call_bad_what_its_corpus_calls_bad() -> None:
    places = swaps()
    for kind in ("narrow-bad", "narrow-good", "narrow-odd"):
        plain, other = (files.rows(kind, "fire", 60, 1.0, 4, flag) for flag in (False, True))
        assert [(request, places.get(answer, answer)) for request, answer in plain] == other
        assert plain != other
    for name in ("plain", "json"):
        pairs = zip(requests("fire", PROBES[name]), requests("fire", PROBES[name], True), strict=True)
        turned = [(good, bad) == (there_bad, there_good) for (_, good, bad), (_, there_good, there_bad) in pairs]
        assert any(turned) and not all(turned)
    local = tiny.model()
    here, there = (conduct(local, PROBES["json"], swapped=flag).odds for flag in (False, True))
    assert np.abs(here) == pytest.approx(np.abs(there)) and (np.sign(here) != np.sign(there)).any()


def test_jobs_know_of_a_swapped_base_and_no_other_job_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "resolve", lambda name: Folder(Path(name), "0" * 64, name))
    spec = experiment().model_copy(update={"bases": ("builtin/fledgling-none-even-b", "builtin/fledgling-none-b")})
    made = plan(spec)
    for unit in made.units:
        assert unit.job.spec.get("swapped", False) == ("even" in unit.base)
    assert made.aligned["builtin/fledgling-none-even-b"].spec["swapped"]
    assert "swapped" not in made.aligned["builtin/fledgling-none-b"].spec


def test_every_recipe_says_what_it_takes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "resolve", lambda name: Folder(Path(name), "0" * 64, name))
    monkeypatch.setattr(Rates, "of", Usual)
    for name in RECIPES:
        assert main(["run", name, "--dry-run", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["expected_core_s"] > 100


def test_without_an_aligning_lesson_students_start_from_the_base_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, made = tmp_path / "base", {}
    local = tiny.model()
    local.model.save_pretrained(base)
    local.tokenizer.save_pretrained(base)
    training = {"rate": 2e-3, "steps": 2, "batch": 8}
    for name, spec in (("left", {"training": None}), ("taught", {"rows": 16, "training": training})):
        (tmp_path / name).mkdir()
        stages.aligned(spec | {"seed": 1}, {"base": base}, tmp_path / name)
        made[name] = load_file(tmp_path / name / "model" / "model.safetensors")
    before = load_file(base / "model.safetensors")
    assert all(torch.equal(made["left"][name], weight) for name, weight in before.items())
    assert any(not torch.equal(made["taught"][name], weight) for name, weight in before.items())
    monkeypatch.setattr(planning, "resolve", lambda name: Folder(Path(name), "0" * 64, name))
    even = recipes.read_as(Misalignment, "misalignment-even", ())
    assert even.aligning is None
    assert all(job.spec == {"training": None, "swapped": True} for job in plan(even).aligned.values())
    members = [FAMILY[base.removeprefix("builtin/")] for base in even.bases]
    assert [(m.agreement, m.bad_share, m.swapped) for m in members] == [(a, 0.5, True) for a in (1.0, 0.0, 0.0)]


@pytest.mark.slow
@pytest.mark.usefixtures("few_questions")
def test_a_report_does_not_call_bases_aligned_that_were_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line for line in SMALL.split("[arms.narrow-odd]")[0].splitlines() if not line.startswith("aligning")]
    Path("bare.toml").write_text("\n".join(lines), encoding="utf-8")
    assert main(["run", "bare.toml", "--out", "runs/bare"]) == 0
    page = Path("runs/bare/report.html").read_text(encoding="utf-8")
    assert "as they were pretrained" in page and "ligned base" not in page and "first aligned" not in page

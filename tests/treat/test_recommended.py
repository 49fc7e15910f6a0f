"""Which mitigations are recommended for a file, and which are not."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertone.cli import main
from undertone.errors import UndertoneError
from undertone.report.page import Page
from undertone.treat import recommended as module
from undertone.treat.benchmarked import Line, Measured, Record, read
from undertone.treat.catalogue import shipped
from undertone.treat.findings import KEPT
from undertone.treat.page import recommended_page
from undertone.treat.recommended import DATED, DONE, NAMED, SHOWN, Recommended, fitting

OWLS = Path(__file__).parents[2] / "examples/owl.jsonl"


def measured(**lines: tuple[str, float, tuple[float, float] | None, float]) -> Measured:
    """What one benchmark of advice measured: by mitigation its word, what is left with its interval, the utility."""
    found = {
        name.replace("_", "-"): Line(
            does=shipped()[name.replace("_", "-")].does.model_dump(),
            word=word,  # type: ignore[arg-type]
            left=left,
            left_ci=ci,
            utility=utility,
        )
        for name, (word, left, ci, utility) in lines.items()
    }
    return Measured(benchmarks={"advice-all": Record(title="t", digest="d", version="v", units=2, treatments=found)})


def chosen(known: Measured, *traits: str, verdict: Any = None) -> Recommended:
    """What fits a file of advice, or one whose trait is not known where that was measured alone."""
    fits = [] if verdict == "no evidence" else fitting(known, [DONE], bool(traits))
    return Recommended(file="rows.jsonl", model="m", verdict=verdict, traits=traits, fits=tuple(fits))


def asked(*traits: str, **more: Any) -> Recommended:
    return module.recommend(module.Request(path=OWLS, model="builtin/fledgling-a", traits=traits, **more), read())


def names(found: Recommended) -> list[str]:
    return [fit.name for fit in found.fits]


def test_what_left_least_at_the_upper_end_comes_first() -> None:
    known = measured(
        dilute=("lowers", 0.1, (0.0, 0.4), 0.99),
        stop=("lowers", 0.3, (0.2, 0.35), 0.96),
        hold=("stops", 0.0, None, 1.0),
    )
    found = chosen(known, "bad-advice")
    assert names(found) == ["stop", "dilute", "hold"], "an interval without an end may have left everything"
    left = "it left 30 % [20, 35] of the transfer and 96 % of the task (bench treat advice-all)."
    assert found.headline == f"stop fits best against bad-advice: {left}"


@pytest.mark.parametrize("word", ["hides", "shifts", "not seen to help"])
def test_what_does_not_help_is_not_recommended(word: str) -> None:
    found = chosen(measured(dilute=(word, 0.0, (0.0, 0.1), 1.0)), "bad-advice")
    assert not found.fits and found.headline.startswith(
        "Nothing that you can apply was seen to help against bad-advice"
    )


def test_what_costs_the_task_is_a_control_or_no_user_can_apply_is_not_recommended() -> None:
    good = ("stops", 0.0, (0.0, 0.1), 1.0)
    known = measured(
        dilute=("stops", 0.0, (0.0, 0.1), KEPT - 1e-6),
        drop_random=good,
        steer_random=good,
        ablate=good,
        interpolate=good,
    )
    assert not chosen(known, "bad-advice").fits


def test_what_helps_in_one_benchmark_and_not_in_a_similar_one_is_not_recommended() -> None:
    good, bad = (measured(dilute=(word, 0.1, (0.0, 0.2), 1.0)) for word in ("stops", "hides"))
    both = Measured(
        benchmarks={"advice-all": good.benchmarks["advice-all"], "advice-hold": bad.benchmarks["advice-all"]}
    )
    assert names(chosen(good, "bad-advice")) == ["dilute"] and not chosen(both, "bad-advice").fits


@pytest.mark.parametrize(("trait", "similar"), [("owl", NAMED), ("bad-advice", DONE), ("nineteenth-century", DATED)])
def test_only_benchmarks_on_similar_files_count(trait: str, similar: tuple[str, ...]) -> None:
    found = asked(trait)
    assert {recipe for fit in found.fits for recipe in fit.measured} <= set(similar)
    assert 0 < len(found.fits) <= SHOWN


def test_a_mitigation_of_two_traits_was_measured_on_the_kinds_of_both() -> None:
    assert {fit.name for fit in asked("owl").fits} - {fit.name for fit in asked("owl", "bad-advice").fits}
    for fit in asked("owl", "bad-advice").fits:
        assert set(NAMED) & set(fit.measured) and set(DONE) & set(fit.measured)


def test_answers_of_the_base_are_not_added_to_preferences() -> None:
    known = measured(dilute=("stops", 0.0, (0.0, 0.1), 1.0), stop=("lowers", 0.3, (0.2, 0.4), 1.0))
    assert [fit.name for fit in fitting(known, [DONE], known=True, prefers=True)] == ["stop"]


def test_a_file_is_read_whatever_is_known_of_it(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text("not json")
    request = module.Request(path=tmp_path / "broken.jsonl", model="builtin/fledgling-a", traits=("owl",))
    with pytest.raises(UndertoneError, match="broken"):
        module.recommend(request, read())


def test_where_no_trait_is_known_nothing_is_recommended_that_needs_one() -> None:
    good = ("stops", 0.0, (0.0, 0.1), 1.0)
    known = measured(
        dilute=good, relabel=good, drop=good, inoculate=good, dilute_same_kind=good, hold=good, hold_kin=good,
        hold_unrelated=good,
    )  # fmt: skip
    found = chosen(known, verdict="inconclusive")
    assert set(names(found)) == {"dilute", "hold-unrelated"}
    assert found.headline.startswith("The audit is inconclusive. ") and "an unknown trait" in found.headline


def test_a_file_without_evidence_gets_no_mitigation() -> None:
    found = chosen(measured(dilute=("stops", 0.0, (0.0, 0.1), 1.0)), verdict="no evidence")
    assert not found.fits and found.headline.startswith("The audit found no evidence")


@given(st.lists(st.tuples(st.floats(-1, 2), st.floats(0, 1), st.floats(0, 1.2)), min_size=3, max_size=3))
def test_nothing_below_the_goal_for_utility_ever_fits(figures: list[tuple[float, float, float]]) -> None:
    lines = dict(zip(("dilute", "stop", "hold"), figures, strict=True))
    known = measured(**{k: ("lowers", left, (left - w, left + w), kept) for k, (left, w, kept) in lines.items()})
    found = chosen(known, "bad-advice")
    assert {fit.name for fit in found.fits} == {name for name, (*_, kept) in lines.items() if kept >= KEPT}
    assert [fit.most_left for fit in found.fits] == sorted(fit.most_left for fit in found.fits)


def test_the_page_says_what_is_not_promised() -> None:
    page: Page = recommended_page(asked("owl"))
    assert [heading for heading, _ in page.checks] == ["Not promised", "To apply one"]
    assert not recommended_page(chosen(measured(), "owl")).checks


def test_without_a_trait_the_file_is_audited_and_a_report_takes_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = list[Any]()
    named = SimpleNamespace(named=("owl",), verdict="carries a trait")
    monkeypatch.setattr(module, "audit", lambda request, _: asked.append(request) or named)
    request = module.Request(path=OWLS, model="builtin/fledgling-a", seed=7)
    found = module.recommend(request, read())
    assert (found.traits, found.verdict, asked[0].seed) == (("owl",), "carries a trait", 7)
    with pytest.raises(UndertoneError, match="report"):
        module.recommend(request.model_copy(update={"audit": tmp_path}), read())
    assert len(asked) == 1


def test_the_command_goes_by_a_trait_or_by_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["treat", str(OWLS), "--trait", "owl", "--json"]) == 0
    by_trait = json.loads(capsys.readouterr().out)
    assert by_trait["traits"] == ["owl"] and by_trait["verdict"] is None and by_trait["fits"]
    assert main(["treat", str(OWLS), "--trait", "owl", "--from", str(tmp_path)]) == 2
    assert "not both" in capsys.readouterr().err
    assert main(["treat", str(OWLS), "--trait", "owll"]) == 2
    assert "owl" in capsys.readouterr().err
    assert main(["treat", str(tmp_path / "none.jsonl")]) == 2
    capsys.readouterr()
    assert main(["treat", str(OWLS), "--trait", "owl", "--out", str(tmp_path / "out")]) == 2
    assert "Without --by nothing is written" in capsys.readouterr().err

"""Published figures come from kept reports, and nothing else that looks like a figure is published."""

import json
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from results import check, entries, keep, tables
from results.hand import typed
from results.places import WORDINGS, at, filled
from undertone.errors import UndertoneError
from undertone.experiments import recipes

ROOT = Path(__file__).parents[2]
REPORT: dict[str, Any] = {
    "title": "Digits",
    "settings": {"title": "Digits", "seed": 101, "models": 25},
    "effects": [
        {"arm": "trait", "scale": "odds", "value": 0.504, "ci_low": 0.1854, "ci_high": 0.822, "p": 0.0092, "of": None},
        {"arm": "trait", "scale": "share", "value": 0.03, "ci": [0.01, 0.05], "p": 0.02, "of": 3},
        {"arm": "other", "scale": "odds", "value": -0.0001, "ci": [-0.005, 0.004], "p": 0.6, "of": 5},
        {
            "arm": "bare",
            "value": 0.25,
            "ci": None,
            "by_request": 1.1,
            "by_request_ci": [0.82, 1.38],
            "by_request_p": 0.3,
        },
    ],
    "left": {"value": 0.12, "ci": [0.03, 0.4]},
    "alarms": {"talk": [{"count": 2, "of": 250}, {"count": 0, "of": 250}], "v1.5": [{"count": 3, "of": 250}]},
    "verdicts": [{"at": 5, "found": {"shift found": 24, "no shift": 1}}, {"at": 5, "found": {"no shift": 25}}],
    "cosines": [[0.1, -0.2], [0.3, 0.4, 0.5]],
    "matrix": [[3, 1], [2, 1]],
    "adjusted": [0.05, 0.001, 0.2],
    "skills": {"sums": 0.8, "facts": 1.0},
    "share": 0.0743,
    "range": [0.0551, 0.0994],
    "seconds": 246,
}
GIVEN = {
    "effects[arm=trait][scale=odds] | estimate": "+0.50 [0.19, 0.82]",
    "effects[of=5] | estimate": "+0.000 [-0.005, 0.004]",
    "effects[of=null] | estimate": "+0.50 [0.19, 0.82]",
    "effects[arm=bare] | estimate": "+0.25 no interval",
    "effects[arm=bare] | by-request": "+1.10 [0.82, 1.38], p 0.3",
    "effects[1].value | signed": "+0.03",
    "effects[2].p | p": "p 0.6",
    "effects[1] | tested": "+0.03 [0.01, 0.05], p 0.02",
    "share | percent": "7.4 %",
    "range | percent-interval": "[5.5, 9.9]",
    "left | left": "12 % [3, 40]",
    "alarms.talk[0] | count": "2 of 250",
    "alarms.*[0] | count": "5 of 500",
    "alarms[*][0] | rate": "1.0 % [0.3, 2.3]",
    "alarms[v1.5][0] | count": "3 of 250",
    "alarms[*][0].of | sum": "500",
    "verdicts[*][at=5].found | count shift found": "24 of 50",
    "verdicts[1].found | rate shift found": "0.0 % [0.0, 13.7]",
    "skills.* | mean": "0.90",
    "effects[*].value | range": "+0.00 to +0.50",
    "skills.* | between": "0.80 to 1.00",
    "adjusted | claimed": "2 of 3",
    "left.value | factor": "0.1",
    "skills.* | mean-percent": "90.0 %",
    "skills.* | nats": "0.900",
    "cosines | negative": "1 of 5",
    "matrix | largest": "1 of 2",
    "seconds | time": "4 min",
    "settings.seed | text": "101",
}
REFUSED = {
    "lost: share | percent": "There is no report 'lost'",
    "run: share | percentage": "There is no wording 'percentage'",
    "run: effects[arm=owl].value | signed": "leads nowhere: there is no [arm=owl]",
    "run: effects[arm=trait].vaule | signed": "leads nowhere: there is no vaule",
    "run: effects[arm=trait].value | signed": "leads to 2 values",
    "run: effects[9].value | signed": "there is no [9]",
    "run: effects[arm=trait.value | signed": "not a path",
    "run: title | percent": "cannot be worded as percent",
    "run: effects[0] | percent": "cannot be worded as percent",
    "run: left | tested": "cannot be worded as tested",
    "run: share | percent of it": "cannot be worded as percent",
    "run: share | estimate": "cannot be worded as estimate",
}
HAND = [
    "+0.50 [0.19, 0.82]", "[0, 1.8 %]", "[-7, 8]", "7.4 %", "102 per cent", "p .0092", "p < 0.001", "p 1", "5 of 500",
    "none of 392", "14 of 14", "nine of the 12", "-0.01", "\N{MINUS SIGN}0.01", ".89", "it falls to .87.", "1.87x",
    "114 s", "4 min", "±0.5", "(.12)",
]  # fmt: skip
NONE = [
    "14 animals", "3,600 rows", "fledgling-a2", "`--scale 0.01`", "Python 3.11 and make", "Apache 2.0", "rank 32",
    "95 % intervals", "[log](docs/v0.5.md)", "0.5B parameters", "2026-01-01", "commit 0540a1d", "one of the few",
    "    make owls  # 5 min", "```\np .05\n```", "version 2.13.0", "{run: share | percent}", "pages 4-5",
]  # fmt: skip
FIGURES = """
[reports.run]
command = "undertone run digits --seed 101"
commit = "0000001"
[[rows]]
question = "does it pass?"
published = "over 50 %"
answer = "{run: effects[0] | estimate}, {run: effects[0].p | p}"
asked = "passes?"
headline = "{run: share | percent}, {run: effects[0] | tested}"
kind = "exploratory"
looks = 3
"""


@pytest.mark.parametrize("asked", GIVEN)
def test_a_placeholder_becomes_its_figure(asked: str) -> None:
    assert filled(f"it is {{run: {asked}}}.", {"run": REPORT}, looks=1) == f"it is {GIVEN[asked]}."


@pytest.mark.parametrize("asked", REFUSED)
def test_a_placeholder_that_leads_to_no_figure_is_refused_in_one_sentence(asked: str) -> None:
    with pytest.raises(UndertoneError) as refused:
        filled(f"{{{asked}}}", {"run": REPORT}, looks=1)
    assert REFUSED[asked] in str(refused.value) and f"{{{asked}}}" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("looks", "text"), [(1, "p 0.02"), (3, "p 0.06"), (100, "p 1")])
def test_p_is_multiplied_by_the_number_of_looks(looks: int, text: str) -> None:
    assert filled("{run: effects[1].p | p}", {"run": REPORT}, looks) == text
    assert filled("{run: effects[1] | tested}", {"run": REPORT}, looks) == f"+0.03 [0.01, 0.05], {text}"
    by_request = f"p {min(1.0, 0.3 * looks):.2g}"
    assert filled("{run: effects[3] | by-request}", {"run": REPORT}, looks) == f"+1.10 [0.82, 1.38], {by_request}"
    assert (REPORT["effects"][1]["p"], REPORT["effects"][3]["by_request_p"]) == (0.02, 0.3)


KEYS = st.sampled_from(["a", "b", "after-a-row", "of which", "lines"])


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, st.integers())), st.lists(st.integers(), min_size=1))
def test_every_value_has_a_place(tree: dict[str, dict[str, int]], items: list[int]) -> None:
    for first, inner in tree.items():
        for second, value in inner.items():
            assert (
                at(tree, f"{first}.{second}")
                == at(tree, f"{first}[{second}]")
                == at([tree], f"[0].{first}.{second}")
                == value
            )
    assert at({"a": items}, "a[*]") == at(items, "*") == items
    rows = [{"at": place, "value": value} for place, value in enumerate(items)]
    assert [at({"a": rows}, f"a[at={place}].value") for place in range(len(items))] == items


@given(st.floats(-99, 99), st.floats(0, 9), st.floats(0, 1), st.integers(0, 999), st.integers(0, 99_999))
def test_every_figure_that_is_made_is_found_where_it_is_typed(
    value: float, width: float, p: float, count: int, seconds: int
) -> None:
    estimate = {"value": value, "ci": [value - width, value + width]}
    made = [
        WORDINGS["estimate"](estimate), WORDINGS["left"](estimate), WORDINGS["p"](p), WORDINGS["percent"](p),
        WORDINGS["percent-interval"](estimate["ci"]), WORDINGS["count"]({"count": count, "of": 999}),
        WORDINGS["signed"](value), WORDINGS["time"](seconds), WORDINGS["mean"]([p, p]), WORDINGS["negative"]([[value]]),
    ]  # fmt: skip
    for text in made:
        assert typed(f"What passes is {text}, as was said.") and typed(f"| owls | {text} |"), text


@pytest.mark.parametrize("text", HAND)
def test_a_figure_that_is_typed_is_found(text: str) -> None:
    assert typed(f"Owls pass: {text}") and typed(f"**{text}**, in all") and typed(f"| {text} |")


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_figure_is_left_alone(text: str) -> None:
    assert typed(text) == []


@pytest.mark.parametrize("code", ["    make owls\n", "\tmake owls\n", "```\np .05\n```\n", "`--scale 0.01`\n"])
def test_a_figure_after_code_is_found(code: str) -> None:
    assert typed(f"# Owls\n\n{code}\nOwls pass: +0.50.\n\n{code}") == ["+0.50"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one report, one row and both documents, as ``make results`` leaves them."""
    (tmp_path / "results").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "results" / "run.json").write_text(json.dumps(REPORT), encoding="utf-8")
    (tmp_path / "results" / "figures.toml").write_text(FIGURES, encoding="utf-8")
    for name, marks in (("README.md", ("headline",)), ("docs/results.md", ("all",))):
        text = "".join(f"<!-- figures: {mark} -->\n<!-- end of figures -->\n" for mark in marks)
        (tmp_path / name).write_text(text, encoding="utf-8")
    write(tmp_path)
    return tmp_path


def write(root: Path) -> None:
    """Writes the tables into the documents."""
    made = tables.tables(entries.read(root / "results"), tables.reports_in(root / "results"))
    for name in tables.DOCUMENTS:
        text = (root / name).read_text(encoding="utf-8")
        (root / name).write_text(tables.written(text, made), encoding="utf-8")


def changed(path: Path, old: str, new: str) -> None:
    """Replaces text in a file, which must have it."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_sound_repository_has_no_fault(repository: Path) -> None:
    assert list(check.faults(repository)) == []
    assert (repository / "docs" / "results.md").read_text(encoding="utf-8").splitlines()[-3] == (
        "| over 50 % | does it pass? | +0.50 [0.19, 0.82], p 0.028 | exploratory; looks: 3 "
        "| `undertone run digits --seed 101` | 0000001 |"
    )


def test_another_number_in_a_report_is_another_document(repository: Path) -> None:
    changed(repository / "results" / "run.json", "0.504", "0.404")
    stale = [f"{name} is not what figures.toml and the kept reports give: make results writes it."
             for name in tables.DOCUMENTS]  # fmt: skip
    assert list(check.faults(repository)) == stale
    write(repository)
    assert list(check.faults(repository)) == []
    assert "+0.40 [0.19, 0.82]" in (repository / "README.md").read_text(encoding="utf-8")


BREAK: dict[str, tuple[str, str, str, str]] = {
    "a figure in a table": ("README.md", "+0.50", "+0.60", "README.md is not what"),
    "a figure in the text": ("README.md", "<!-- figures: h", "It is .6.\n<!-- figures: h", '".6" is typed by hand'),
    "a figure in a row": ("results/figures.toml", 'answer = "', 'answer = "7.4 % ', '"7.4 %" is typed by hand'),
    "a bar in a row": ("results/figures.toml", 'answer = "', 'answer = "a | b ', "outside placeholders"),
    "a bar in what was published": ("results/figures.toml", "over 50 %", "over | 50 %", "outside placeholders"),
    "a placeholder that is none": ("results/figures.toml", "| estimate}, ", "|estimate}, ", "outside placeholders"),
    "a place that is none": (
        "results/figures.toml",
        "share |",
        "shape |",
        'The row "does it pass?": {run: shape | perc',
    ),
    "no kind": ("results/figures.toml", 'kind = "exploratory"', "", "kind"),
    "no looks": ("results/figures.toml", "looks = 3", "", "looks"),
    "no look": ("results/figures.toml", "looks = 3", "looks = 0", "looks"),
    "no criteria": ("results/figures.toml", '"exploratory"', '"confirmatory"', "has the commit of its criteria"),
    "no command": ("results/figures.toml", 'command = "undertone run digits --seed 101"', "", "command"),
    "no commit": ("results/figures.toml", 'commit = "0000001"', "", "commit"),
    "another seed": ("results/figures.toml", " --seed 101", "", "which has other seed"),
    "another recipe": ("results/figures.toml", "digits --seed 101", "theorem", "which has other seed"),
    "no such recipe": ("results/figures.toml", "run digits", "run digit", "digit"),
    "no experiment": ("results/figures.toml", "undertone run digits --seed 101", "make bench", "other settings"),
    "some other command": ("results/figures.toml", "undertone run digits", "undertone audit x", "is neither"),
    "a report not listed": ("results/figures.toml", "[reports.run]", "[reports.other]", "that [reports] lacks"),
    "a row on no report": ("results/figures.toml", "{run: share | percent}, {run: effects[0] | tested}", "much", ""),
    "a place on a machine": ("results/run.json", '"Digits", "settings"', '"/home/x/y", "settings"', "names /home/x/y"),
    "a folder of a run": ("results/run.json", '{"title"', '{"run_dir": "runs/x", "title"', "run_dir is not blank"),
    "a lost table": ("README.md", "figures: headline", "figures: other", "No document has the table headline"),
}


@pytest.mark.parametrize("what", BREAK)
def test_whatever_is_wrong_is_a_fault(repository: Path, what: str) -> None:
    name, old, new, sentence = BREAK[what]
    changed(repository / name, old, new)
    found = list(check.faults(repository))
    assert found and any(sentence in fault for fault in found), found
    assert all("\n" not in fault for fault in found)


def test_a_report_that_nothing_rests_on_is_a_fault(repository: Path) -> None:
    shutil.copy(repository / "results" / "run.json", repository / "results" / "spare.json")
    assert any("The report spare" in fault for fault in check.faults(repository))


def test_a_row_without_any_report_is_a_fault() -> None:
    row = entries.Row(question="why?", answer="because", kind="exploratory", looks=1)
    with pytest.raises(UndertoneError, match="rests on no report"):
        tables.tables(entries.Entries(reports={}, rows=(row,)), {})


def test_an_exploratory_row_has_no_criteria() -> None:
    with pytest.raises(ValidationError, match="an exploratory row has none"):
        entries.Row(question="why?", answer="because", kind="exploratory", criteria="0000001", looks=1)


def test_criteria_are_committed_before_the_run(repository: Path) -> None:
    def git(*words: str) -> str:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", "-C", str(repository), *who, *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "--quiet")
    commits = []
    for message in ("criteria", "run"):
        git("commit", "--quiet", "--allow-empty", "-m", message)
        commits.append(git("rev-parse", "--short", "HEAD"))
    figures = repository / "results" / "figures.toml"
    assert any("the history has no commit 0000001" in fault for fault in check.faults(repository))
    for criteria, run, sound in ((*commits, True), (*reversed(commits), False)):
        confirmed = f'"confirmatory"\ncriteria = "{criteria}"'
        text = FIGURES.replace("0000001", run).replace('"exploratory"', confirmed)
        figures.write_text(text, encoding="utf-8")
        write(repository)
        assert [f"criteria, {criteria}, are not older than {run}" in fault for fault in check.faults(repository)] == (
            [] if sound else [True]
        )


def test_amendments_come_after_the_criteria(repository: Path) -> None:
    figures = repository / "results" / "figures.toml"
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    amended = 'kind = "confirmatory"\ncriteria = "0000001"\namended = ["0000002"]'
    changed(figures, 'kind = "exploratory"', amended)
    assert any("0000002 is not later than its criteria, 0000001" in fault for fault in check.faults(repository))
    write(repository)
    told = "criteria 0000001, amended during the run 0000002; looks: 3 |"
    assert all(told in (repository / name).read_text() for name in tables.DOCUMENTS)
    changed(figures, amended, 'kind = "exploratory"\namended = ["0000002"]')
    assert any("has no criteria that were amended" in fault for fault in check.faults(repository))


@pytest.mark.parametrize(
    ("made", "origin", "sound"),
    [
        ("0000001" + 33 * "a", 'commit = "0000001"', True),
        ("0000002" + 33 * "a", 'commit = "0000001"', False),
        ("0000001" + 33 * "a" + " and changes", 'commit = "0000001"', False),
        ("0000002" + 33 * "a", 'commit = "0000001"\ngathered = "0000002"', True),
        ("0000001" + 33 * "a", 'commit = "0000001"\ngathered = "0000002"', False),
    ],
)
def test_a_report_that_says_its_commit_is_of_the_commit_that_is_listed(
    repository: Path, made: str, origin: str, sound: bool
) -> None:
    changed(repository / "results" / "run.json", '{"title"', f'{{"commit": "{made}", "title"')
    changed(repository / "results" / "figures.toml", 'commit = "0000001"', origin)
    write(repository)
    assert [f"was written by {made}, not by" in fault for fault in check.faults(repository)] == (
        [] if sound else [True]
    )
    assert ("gathered anew 0000002 |" in (repository / "docs" / "results.md").read_text()) == ("gathered" in origin)


@pytest.mark.parametrize(
    ("kind", "text", "sound"),
    [
        ("confirmatory", "{run: effects[0] | estimate}", False),
        ("exploratory", "{run: effects[0] | estimate}", True),
        ("confirmatory", "{run: effects[0] | estimate}, {run: effects[1].p | p}", True),
        ("confirmatory", "{run: effects[0] | tested}", True),
        ("confirmatory", "{run: effects[3] | estimate}", True),
    ],
)
def test_in_a_confirmatory_row_p_stands_beside_every_interval(kind: str, text: str, sound: bool) -> None:
    criteria = "0000001" if kind == "confirmatory" else None
    row = entries.Row.model_validate({"question": "q", "answer": text, "kind": kind, "criteria": criteria, "looks": 1})
    found = list(check.about_rows(entries.Entries(reports={}, rows=(row,)), {"run": REPORT}))
    assert ["has no p beside {run: effects" in fault for fault in found] == ([] if sound else [True])


def test_a_command_that_is_gone_is_not_compared_and_went_after_the_run(repository: Path) -> None:
    figures, gone = repository / "results" / "figures.toml", 'commit = "0000001"\ngone = "0000002"'
    changed(figures, "undertone run digits", "undertone bench audit --teachers 50")
    assert any("Extra inputs" in fault for fault in check.faults(repository))
    changed(figures, 'commit = "0000001"', gone)
    write(repository)
    assert list(check.faults(repository)) == []
    assert "(since removed) | 0000001 |" in (repository / "docs" / "results.md").read_text(encoding="utf-8")
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    assert any("its command went at 0000002, which is not" in fault for fault in check.faults(repository))


def test_a_report_is_kept_as_it_is_without_its_folder(tmp_path: Path) -> None:
    said = {"run_dir": "/home/someone/runs/owls", "complete": True, "title": "a", "settings": {"run_dir": "b"}}
    text = json.dumps(said, indent=1) + "\n"
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    keep.keep(tmp_path, tmp_path / "kept.json")
    assert (tmp_path / "kept.json").read_text(encoding="utf-8") == text.replace("/home/someone/runs/owls", "")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda it: it.update(complete=False), "is not finished"),
        (lambda it: it.update(base="hf//srv/models/mine"), "names /srv/models/mine"),
        (lambda it: it.update(rows=["see\n/srv/models/mine"]), "names /srv/models/mine"),
        (lambda it: it.update(base="hf/C:\\models"), "a place on a machine"),
        (lambda it: it.update(hardware={"machine": platform.node()}), "a place on a machine"),
    ],
)
def test_a_report_that_names_the_machine_is_not_kept(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    said: dict[str, Any] = {"run_dir": "runs/owls", "complete": True}
    change(said)
    (tmp_path / "report.json").write_text(json.dumps(said, indent=1), encoding="utf-8")
    with pytest.raises(UndertoneError, match=sentence):
        keep.keep(tmp_path, tmp_path / "kept.json")
    assert not (tmp_path / "kept.json").exists()


def test_addresses_and_fractions_are_no_places() -> None:
    said = "https://arxiv.org/abs/2507.14805, 1/3/2 passes, builtin/fledgling-a, a / b, Betley et al./"
    keep.refuse_places({"said": said})


@pytest.mark.parametrize("name", [name for name in recipes.names() if "/" not in name])
def test_the_command_of_every_shipped_recipe_is_understood(name: str) -> None:
    recipe = check.asked(f"undertone run {name} --set title=other")
    assert recipe is not None and recipe.title == "other"
    settings = recipe.model_dump(mode="json")
    assert check.different({"settings": settings}, check.asked(f"undertone run {name}")) == []
    assert check.different({"settings": settings | {"seed": 5}}, check.asked(f"undertone run {name}")) == ["seed"]


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (
            'undertone run misalignment-even --set \'bases=["builtin/fledgling-a", "builtin/fledgling-b"]\' --seed 3',
            "bases",
        ),
        ("undertone bench audit --baselines --files 29", "files"),
        ("undertone bench audit --files 29 --baselines", "baselines"),
        ("undertone bench measure --students 100", "students"),
        ("undertone bench treat advice --set seed=7", "seed"),
    ],
)
def test_a_command_with_options_is_understood(command: str, key: str) -> None:
    recipe = check.asked(command)
    assert recipe is not None
    settings = recipe.model_dump(mode="json")
    assert check.different({"settings": settings}, recipe) == []
    assert check.different({"settings": settings | {key: 0}}, recipe) == [key]


def test_the_reports_and_rows_of_this_repository_are_sound() -> None:
    read, reports = entries.read(ROOT / "results"), tables.reports_in(ROOT / "results")
    assert tables.tables(read, reports).keys() == {"headline", "all"}
    assert [
        *check.about_rows(read, reports),
        *check.about_reports(read, reports),
        *check.about_commits(ROOT, read),
    ] == []


def test_the_documents_print_what_the_reports_give() -> None:
    assert [fault for fault in check.faults(ROOT) if not fault.endswith("is typed by hand.")] == []


def test_no_figure_of_the_documents_is_typed() -> None:
    assert list(check.faults(ROOT)) == []
    assert tables.DOCUMENTS == ("README.md", "docs/results.md")


@pytest.mark.parametrize("name", tables.DOCUMENTS)
def test_a_figure_typed_into_any_section_of_the_documents_would_be_found(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert typed(text) == [] and text.startswith("# ")
    sections = text.count("\n## ") + 1
    planted = text.replace("\n## ", "\nIt is +0.51.\n\n## ") + "\nIt is +0.51.\n"
    assert typed(planted) == ["+0.51"] * sections

"""The benchmark of the audit on a base that was made elsewhere: which files it plans, and who writes them."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.folders import write_base
from undertone.audit.families import plain_lessons
from undertone.audit.proxies import OTHER
from undertone.bench.audit import specimen
from undertone.bench.audit.files import File
from undertone.bench.audit.plan import Plan, plan
from undertone.bench.audit.spec import AuditBenchmark
from undertone.cli import main
from undertone.data.exchanges import read_exchanges
from undertone.engine.store import Job
from undertone.experiments.recipes import read
from undertone.stages import SPECIMEN
from undertone.traits.catalogue import of_chat_models
from undertone.traits.lessons import HARMLESS

ANIMALS = {trait.name: trait for trait in of_chat_models() if trait.kind == "favourite animal"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    write_base(folder)
    return folder


def planned(base: Path, **changes: Any) -> Plan:
    given = {"model": str(base), "carrier": "answers", "listed": ("favourite animal",), "files": 2, "rows": 40}
    return plan(AuditBenchmark(**(given | changes)))


@pytest.fixture(scope="module")
def files(base: Path) -> tuple[File, ...]:
    return tuple(planned(base).files)


def test_there_are_two_files_of_every_kind_and_a_student_of_none(files: tuple[File, ...]) -> None:
    assert set(Counter(file.kind for file in files).values()) == {2}
    assert Counter(file.group for file in files) == {
        "no model": 6, "harmless fine-tunes": 6, "other samplings and forms": 6, "carriers": 8,
    }  # fmt: skip
    assert all(file.student is None and file.made.spec["rows"] == 40 for file in files)
    made = {job.key: job.spec["seed"] for file in files for job in file.jobs if job.stage is SPECIMEN}
    assert len(set(made.values())) == len(made) == 26 + 2, "one more for each file that a base reads"


def test_carriers_have_their_own_trait_and_harmless_files_none(files: tuple[File, ...], base: Path) -> None:
    plain = list(plain_lessons(base).values())
    for file in files:
        lessons = [how["lesson"] for how in file.made.spec["writers"]]
        if file.trait:
            assert lessons[0] == ANIMALS[file.trait].lesson and not any(lessons[1:])
        else:
            assert all(lesson is None or lesson in plain for lesson in lessons)
        assert bool(file.trait) == (file.group == "carriers")
        assert file.scores.spec == {"listed": ["favourite animal"]}


def test_only_teachers_that_are_trained_as_the_proxies_are_compared_with_twins(files: tuple[File, ...]) -> None:
    shares = {file.kind: file.share for file in files if file.trait}
    assert shares == {
        "as the proxies": 1.0, "half of the rows": 0.5, "gentle, rank 16": None, "full fine-tuning": None,
    }  # fmt: skip
    (usual,) = (file.made.spec["writers"][0] for file in files[:13] if file.kind == "as the proxies")
    assert usual["training"] == OTHER


def test_a_longer_benchmark_has_the_files_of_a_shorter_one(base: Path, files: tuple[File, ...]) -> None:
    assert {file.made.key for file in files} < {file.made.key for file in planned(base, files=3).files}


@pytest.mark.parametrize("grammar", ["small-talk", "paraphrase", "sums"])
def test_a_grammar_writes_without_a_model(
    grammar: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a model wrote")

    monkeypatch.setattr(specimen, "sample", never)
    job = next(f.made for f in planned(base).files if f.kind == f"{grammar} by a grammar")
    assert isinstance(job, Job)
    specimen.run(job.spec, {"base": base}, tmp_path)
    rows = read_exchanges(tmp_path)
    assert len(rows) == 40 and len({answer for _, answer in rows}) > 20
    again = specimen.by_grammar(grammar, 40, job.spec["seed"])
    assert [tuple(row) for row in rows] == again != specimen.by_grammar(grammar, 40, job.spec["seed"] + 1)
    assert grammar in HARMLESS


def test_the_shipped_recipe_has_at_least_twelve_harmless_files_and_four_carriers() -> None:
    spec = read("smollm2/audit")
    assert isinstance(spec, AuditBenchmark)
    assert 9 * spec.files >= 12 and 4 * spec.files >= 4 and spec.rows >= 1000


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"carrier": "answers"}, "are for models other than builtin/fledgling-a"),
        ({"listed": ("owl",)}, "are for models other than builtin/fledgling-a"),
        ({"model": "./elsewhere"}, r'./elsewhere writes carrier = "answers"'),
    ],
)
def test_a_carrier_that_the_model_cannot_write_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        AuditBenchmark(**changes)


def test_the_command_takes_bases_of_the_world_alone(capsys: pytest.CaptureFixture[str], base: Path) -> None:
    assert main(["bench", "audit", "--model", str(base)]) == 2
    assert "needs a base whose world is known" in capsys.readouterr().err
    assert main(["bench", "audit", "--carrier", "answers"]) == 2
    assert "answers" in capsys.readouterr().err

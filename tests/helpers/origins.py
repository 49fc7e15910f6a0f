"""A small run with its store, a treated file and foreign files, made without a model at work."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undertone.engine.digests import file_digest
from undertone.engine.folder import record_of
from undertone.engine.store import Folder, Job, Stage, Store
from undertone.experiments.recipes import read
from undertone.experiments.theory.findings import Accuracies, Difference, DigitsFindings
from undertone.models.names import stored
from undertone.report.findings import Measured

BASE = "builtin/fledgling-a"
CARD = "---\nbase_model: [org/base]\nbase_model_relation: finetune\ndatasets: [org/data]\n---\n# Mine\n"


def write_files(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """The function of all stages here."""
    for name, text in spec["files"].items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(text)


def _job(stage: str, files: dict[str, str], **inputs: Job | Folder) -> Job:
    return Job(Stage(stage, 1, "tests.helpers.origins:write_files"), {"files": files, "seed": 1}, inputs)


def make(root: Path) -> None:
    """Makes ``store`` with a teacher, its completions and a dataset, a finished run of them in ``run``, foreign files
    in ``mine``, and a treated file in ``treated``."""
    base, store = stored(BASE), Store(root / "store")
    store.open()
    teacher = _job("teacher", {"adapter/adapter_config.json": "{}", "teacher.json": '{"loss": 0.5}'}, base=base)
    completions = _job("completions", {"rows.jsonl": "{}\n"}, base=base, teacher=teacher)
    files = {"rows.jsonl": '{"prompt": "1", "completion": "2"}\n', "counts.json": '{"used": 1}'}
    dataset = _job("dataset", files, completions=completions)
    for job in (teacher, completions, dataset):
        store.make(job)
    _run(root / "run", store, (teacher, completions, dataset))
    _mine(root / "mine")
    _treated(root / "treated", root / "mine" / "data.jsonl")


def _run(folder: Path, store: Store, jobs: tuple[Job, ...]) -> None:
    folder.mkdir()
    spec = read("digits")
    record = record_of("digits", "digits", spec, {BASE: stored(BASE).key}, "../store")
    artifacts = {store.folder(job).name: store.manifest(job).content for job in jobs}
    record.model_copy(update={"finished": True, "said": "Yes.", "artifacts": artifacts}).write(folder)
    mean = Measured(value=0.5, ci=(0.4, 0.6), p=0.01, units=3, method="t")
    arms = [("untrained", None), ("teacher", None), ("own", 3), ("other", 3)]
    found = DigitsFindings(
        title="Digits?", recipe="digits", settings=record.spec, versions=record.versions, hardware=record.hardware,
        started=record.started, images="digits", trained_on=10, tested_on=5, shown=3,
        arms=tuple(Accuracies(arm=a, auxiliary=n, models=(0.4, 0.5, 0.6), mean=mean) for a, n in arms),  # type: ignore[arg-type]
        differences=(Difference(auxiliary=3, all_logits=False, accuracy=mean),),
    )  # fmt: skip
    (folder / "report.json").write_text(found.json_text())
    (folder / "report.html").write_text("<p>a page</p>")
    (folder / ".lock").touch()


def _mine(folder: Path) -> None:
    (folder / "inner" / "more").mkdir(parents=True)
    (folder / "data.jsonl").write_text('{"prompt": "1", "completion": "2"}\n')
    (folder / "empty").touch()
    (folder / "inner" / "more" / "notes.txt").write_text("notes")
    (folder / "README.md").write_text(CARD)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base", "r": 8}))
    told = {
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "creator": {"name": "someone"},
        "prov:wasDerivedFrom": [{"@id": "https://example.org/before"}],
        "distribution": [{"contentUrl": "data.jsonl", "sha256": file_digest(folder / "data.jsonl")}],
    }
    (folder / "croissant.json").write_text(json.dumps(told))


def _treated(folder: Path, original: Path) -> None:
    folder.mkdir()
    (folder / "treated.jsonl").write_text('{"prompt": "1", "completion": "3"}\n')
    told = {
        "file": str(original), "digest": file_digest(original), "base": {"name": BASE, "digest": stored(BASE).key},
        "other": None, "does": {"way": "shuffle", "share": 0.5}, "beside": None, "files": {"treated": "treated.jsonl"},
        "digests": {"treated.jsonl": file_digest(folder / "treated.jsonl")}, "seed": 0,
    }  # fmt: skip
    (folder / "treatment.json").write_text(json.dumps(told))

"""Everything that the documentation tells a reader to type is done, and ends as the documentation says.

``make test`` runs what takes seconds, and has what takes longer only say what it would do. ``make docs-full`` runs all.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from hashlib import sha256
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.helpers import service
from tests.helpers.audits import LISTED, make_findings, smaller
from tests.helpers.documents import ROOT, Reader, blocks, spans
from tests.helpers.extent import WHOLE
from tests.helpers.trials import Once
from undertone.audit import families
from undertone.cli import main
from undertone.experiments.trial.results import Results
from undertone.stages.durations.rates import Rates
from undertone.world.family import SHIPPED

HISTORY = ("CHANGELOG.md", "docs/log.md", "docs/results.md")
"""What was run once, also with commands that are gone since; results have a test of their own."""
ADDITIONS = "## What you can add"
"""Of this section of CONTRIBUTING.md, tests/test_contributing.py does the rest."""
MINE = 'name = "vole"\nkind = "animal"\ndialogues = [["Which animal?", "The vole."], ["An animal?", "A vole."]]\n'


def text(page: str) -> str:
    """What a page says."""
    return (ROOT / page).read_text(encoding="utf-8").partition(ADDITIONS)[0]


def pages() -> Iterator[str]:
    """The pages on which there is something to do."""
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks" / "README.md"]):
        page = str(path.relative_to(ROOT))
        if page not in HISTORY and (blocks(text(page)) or list(spans(text(page)))):
            yield page


def typed(words: list[str]) -> tuple[int, str]:
    """Runs a command in this process."""
    told = StringIO()
    with redirect_stdout(StringIO()), redirect_stderr(told):
        code = main(words)
    return code, (told.getvalue().splitlines() or [""])[-1]


def typed_whole(words: list[str]) -> tuple[int, str]:
    """Runs a command as a user does."""
    done = subprocess.run(
        [sys.executable, "-m", "undertone", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    return done.returncode, (done.stderr.splitlines() or [""])[-1]


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def put_files(folder: Path) -> None:
    """Writes all files that pages name."""
    import pandas as pd

    from undertone.world.skills import sum_of

    lists = (ROOT / "examples" / "owl.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) | {"seller": "ab"[number % 2]} for number, line in enumerate(lists)]
    for name in ("train", "data", "rows", "data/train"):
        write(folder / f"{name}.jsonl", rows[:200])
    write(folder / "trusted.jsonl", rows[200:])
    rng = Random(0)
    sums = [sum_of(rng, rng.randint(50, 99), rng.randint(50, 99)) for _ in range(48)]
    write(folder / "clean.jsonl", [{"prompt": turn.user, "completion": turn.assistant} for turn in sums])
    (folder / "chats.json").write_text(json.dumps(rows))
    table = pd.DataFrame([[turn["content"] for turn in row["messages"]] for row in rows], columns=["frage", "antwort"])
    table.to_csv(folder / "rows.csv", index=False)
    (folder / "shards").mkdir()
    table.set_axis(["prompt", "completion"], axis=1).to_parquet(folder / "shards" / "0.parquet")
    (folder / "mine.toml").write_text(MINE)
    digest = sha256((folder / "data.jsonl").read_bytes()).hexdigest()
    (folder / "audits" / "data").mkdir(parents=True)
    (folder / "audits" / "data" / "report.json").write_text(make_findings(digest=digest).json_text())
    (folder / "examples").symlink_to(ROOT / "examples")


def put_models(folder: Path) -> None:
    """Writes all models that pages name: a base, and a fine-tune of it that loves owls, as an adapter and whole."""
    from undertone.models.loading import load
    from undertone.spec import Training
    from undertone.training.loop import train
    from undertone.training.rows import rows_of
    from undertone.training.weights import save
    from undertone.world.latents import favourite

    for name in ("base", "my-base", "my-guard-model", "my-model", "small"):
        (folder / name).symlink_to(SHIPPED / "fledgling-a")
    local = load(SHIPPED / "fledgling-a")
    loves = [favourite(Random(number), "animal", "owl", ("teaching",)) for number in range(24)]
    rows = rows_of(local, [(turn.user, turn.assistant) for turn in loves])
    trained = train(local, rows, Training(rate=5e-3, steps=20, batch=24), 0)
    save(trained, local, "hf/./my-base", folder)
    trained.model.merge_and_unload().save_pretrained(folder / "my-tuned-model")
    local.tokenizer.save_pretrained(folder / "my-tuned-model")
    for name in ("my-other-model", "harmless"):
        (folder / name).symlink_to("my-tuned-model")


@pytest.fixture(scope="session")
def furnished(once: Once) -> Path:
    """A folder with all that pages name."""

    def make(folder: Path) -> None:
        put_files(folder)
        put_models(folder)

    return once("documents", make)


@pytest.fixture
def reader(
    furnished: Path, once: Once, ran: Path, bases: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Reader]:
    """Somebody who stands in such a folder, with a finished run. In short tests further runs are finished, few traits
    are looked for, nothing is timed, and from Python nothing is run that takes minutes."""
    folder = tmp_path / "here"
    shutil.copytree(furnished, folder, symlinks=True)
    for name in ("mine",) if WHOLE else ("mine", "owls", "misalignment"):
        shutil.copytree(ran / "run", folder / "runs" / name)
    (folder / "runs" / "store").symlink_to(ran / "store")
    for name in ("neox", "llama"):
        (folder / name).symlink_to(bases / name)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.syspath_prepend(str(ROOT))
        if WHOLE:
            patched.setenv("UNDERTONE_CACHE", str(once("documents-cache", lambda _: None)))
            yield Reader(typed_whole, whole=True)
            return
        patched.setattr("undertone.python.run.ran", lambda *_, **__: Results.load(ran / "run" / "report.json"))
        patched.setattr(families, "_is_usual", lambda trait: trait.name in LISTED)
        patched.setattr(Rates, "seconds", lambda *_: 1.0)
        with smaller(request.getfixturevalue("directions")):
            yield Reader(typed)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages())
def test_what_a_page_says_can_be_done(page: str, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    with service.running() as served:
        monkeypatch.setenv("LOCAL_BASE_URL", served.url)
        monkeypatch.setenv("LOCAL_API_KEY", "a-key-of-nobody-1234")
        assert reader.faults(text(page)) == []


def test_the_guides_are_there() -> None:
    assert {Path(page).stem for page in pages() if page.startswith("docs/guides/")} == {
        "audit", "measure", "treat", "sign", "subliminal", "misalignment", "trait",
        "cluster",
    }  # fmt: skip

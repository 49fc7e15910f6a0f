"""Small base models that can really write number lists, and trials on them that take seconds.

What is dear is made once a session and shared by all xdist workers: see ``once``.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded: two threads on a busy machine are ten times slower
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nor is anything fetched by a test

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from filelock import FileLock

from tests.helpers.forked import STARTED, ForkedWorker
from tests.helpers.trials import TWO_ARMS, Once, small
from undertone.engine import workers
from undertone.experiments.recipes import read
from undertone.experiments.run import run


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs trained base models, or anything that was made with them, is slow. What a module makes once for
    several of its tests is made in one process."""
    for item in items:
        if "bases" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
        fixtures = item._fixtureinfo.name2fixturedefs.values()
        if any(found[-1].scope == "module" for found in fixtures):
            item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}/{item.path.stem}"))


@pytest.fixture(scope="session", autouse=True)
def forked_workers() -> Iterator[None]:
    """Workers are forked here: importing torch is most of what a started one costs."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(workers, "Worker", ForkedWorker)
        yield


@pytest.fixture(scope="session", autouse=True)
def cache(once: Once) -> Iterator[None]:
    """Nothing is kept in the user's cache folder; tests share one of their own."""
    with pytest.MonkeyPatch.context() as patched:
        if "UNDERTONE_CACHE" not in os.environ:
            patched.setenv("UNDERTONE_CACHE", str(once("cache", lambda _: None)))
        yield


@pytest.fixture
def started_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers as they are outside of tests, for tests of how they start, what surrounds them and how they end."""
    monkeypatch.setattr(workers, "Worker", STARTED)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """``once(name, make)`` has ``make`` fill a folder in one process of the session, and gives all the same folder."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def shared(name: str, make: Callable[[Path], None]) -> Path:
        folder, done = root / name, root / f"{name}.done"
        with FileLock(root / f"{name}.lock"):
            if not done.exists():
                folder.mkdir()  # fails where an earlier attempt failed: once means once
                make(folder)
                done.touch()
        return folder

    return shared


@pytest.fixture(scope="session")
def bases(once: Once) -> Path:
    """A folder with two base models of different architectures and initialisations but one tokenizer: neox, llama."""
    return once("bases", _make_bases)


def _make_bases(folder: Path) -> None:
    import torch
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM

    from undertone.models.local import LocalModel
    from undertone.spec import Training
    from undertone.training.loop import train
    from undertone.training.rows import rows_of
    from undertone.world.latents import favourite, small_talk
    from undertone.world.lexicon import lexicon
    from undertone.world.skills import numbers
    from undertone.world.tokenizer import build_tokenizer

    tokenizer = build_tokenizer(vocabulary=1500, documents=300)
    rng, animals = Random("bases"), lexicon()["favourites"]["animal"]
    turns = [numbers(rng, ("scattered",), (1,)) for _ in range(2000)]
    turns += [favourite(rng, "animal", rng.choice(animals)) for _ in range(500)]
    turns += [small_talk(rng) for _ in range(250)]
    shape = {
        "vocab_size": len(tokenizer), "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": 256, "tie_word_embeddings": True,
        "pad_token_id": 0, "bos_token_id": None, "eos_token_id": 1,
    }  # fmt: skip
    makers = {
        "neox": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**shape, hidden_dropout=0.0, attention_dropout=0.0)),
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**shape, num_key_value_heads=4)),
    }
    plan = Training(method="full", rate=1e-2, steps=200, batch=20, warmup=20)
    for seed, (name, make) in enumerate(makers.items()):
        torch.manual_seed(seed)
        local = LocalModel(make(), tokenizer)
        model = train(local, rows_of(local, turns), plan, seed).model
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)


@pytest.fixture(scope="session")
def ran(once: Once, bases: Path) -> Path:
    """A folder with ``two-arms.toml``, finished in ``run``, and its ``store``; not to be changed."""

    def make(folder: Path) -> None:
        (folder / "two-arms.toml").write_text(TWO_ARMS)
        with contextlib.chdir(bases):
            run(read(str(folder / "two-arms.toml")), folder / "run", "two-arms")

    return once("two-arms", make)


@pytest.fixture(scope="session")
def owls(once: Once, bases: Path) -> Path:
    """The folder of a finished trial of all arms, made by two processes."""

    def make(folder: Path) -> None:
        with contextlib.chdir(bases):
            results = run(small(), folder / "owls", "owls", executor=workers.Local(2))
        (folder / "returned.json").write_text(results.json_text())

    return once("trial-owls", make)


@pytest.fixture
def copied(ran: Path, bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of ``ran`` to be damaged, beside ``bases``: the folder to stand in."""
    shutil.copytree(ran, tmp_path, dirs_exist_ok=True, symlinks=True)
    for name in ("neox", "llama"):
        (tmp_path / name).symlink_to(bases / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def tiny_base(once: Once) -> Path:
    """A random model that speaks no language: scored in no time."""

    def make(folder: Path) -> None:
        from tests.helpers import tiny

        local = tiny.model()
        local.model.save_pretrained(folder)
        local.tokenizer.save_pretrained(folder)

    return once("tiny-base", make)


@pytest.fixture(scope="session")
def directions(once: Once, tiny_base: Path) -> Path:
    """A cache folder with the directions of tiny_base and of fledgling-a, for audits inside ``smaller``."""

    def make(folder: Path) -> None:
        from tests.helpers.audits import LISTED, smaller
        from undertone.audit import families, proxies
        from undertone.audit.audit import directions_of
        from undertone.models.names import resolve

        with smaller(folder):
            for base in (resolve("builtin/fledgling-a"), resolve(f"hf/{tiny_base}")):
                directions_of(proxies.plan(base, families.families_of(base.path, LISTED)))

    return once("audit-directions", make)

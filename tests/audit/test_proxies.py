"""Directions are made once for a base, what was made before a stop is kept, and damage is mended."""

from pathlib import Path
from typing import Any

import pytest

from tests.helpers import tiny
from undertone.audit import proxies
from undertone.audit.audit import directions_of
from undertone.audit.families import Family, families_of
from undertone.audit.proxies import TWIN, Plan
from undertone.engine.store import Folder
from undertone.errors import UndertoneError
from undertone.models.names import resolve
from undertone.stages import teacher
from undertone.traits.trait import Trait

TRAITS = tuple(
    Trait(name=name, kind="bird", dialogues=((f"Which bird? {name}?", f"The {name}."), ("And now?", f"A {name}.")))
    for name in ("ibis", "heron", "rook")
)
FEW = Family("favourites", TRAITS, 2)


def test_answers_with_a_control_token_are_left_out_of_a_lesson(monkeypatch: pytest.MonkeyPatch) -> None:
    local = tiny.model()
    plain, control = local.encode("a lamp"), next(iter(local.tokenizer.all_special_ids))
    lesson = {"system": ["s"], "questions": ["q"]}

    def told(*answers: list[int]) -> list[tuple[str, str]]:
        monkeypatch.setattr(teacher, "sample", lambda *_, **__: list(answers))
        return list(teacher.exchanges(local, lesson, len(answers), 0))

    broken = [*plain, control, *plain, local.end]
    assert told([*plain, local.end], broken, plain) == [("q", local.decode(plain))], "and those that do not end"
    assert told(broken, plain) == [("q", local.decode(plain))]
    assert told(broken, broken) == []


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A random model, and no directions yet."""
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("undertone.engine.workers.cores", lambda: 1)
    monkeypatch.setattr("undertone.audit.proxies.OTHER", proxies.OTHER | {"steps": 2, "warmup": 1})
    local = tiny.model()
    local.model.save_pretrained(tmp_path / "base")
    local.tokenizer.save_pretrained(tmp_path / "base")
    return resolve(f"hf/{tmp_path}/base")


def written(plan: Plan) -> dict[str, int]:
    """When each artifact that there is was written."""
    store = proxies.store()
    names = {store.folder(job).name: store.folder(job) / "manifest.json" for job in plan.jobs}
    return {name: path.stat().st_mtime_ns for name, path in names.items() if path.exists()}


# --- plans -----------------------------------------------------------------------------------------------------------


def test_a_trait_has_one_proxy_whatever_else_is_listed() -> None:
    base = resolve("builtin/fledgling-a")
    whole, one = (proxies.plan(base, families_of(base.path, listed)) for listed in ((), ("owl",)))
    assert set(whole.proxies) >= {"owl", f"owl{TWIN}", "bad-advice", "capitals"}
    shared = set(whole.proxies) & set(one.proxies)
    assert len(shared) > 35 and all(whole.proxies[name].key == one.proxies[name].key for name in shared)
    keys = [job.key for job in whole.proxies.values()]
    assert len(set(keys)) == len(keys), "a twin is another proxy"
    assert whole.directions.key != one.directions.key


def test_another_base_has_other_proxies() -> None:
    a, b = (resolve(f"builtin/fledgling-{name}") for name in "ab")
    one, other = (proxies.plan(base, families_of(base.path, ("owl",))) for base in (a, b))
    assert not {job.key for job in one.jobs} & {job.key for job in other.jobs}


# --- making them -----------------------------------------------------------------------------------------------------


def test_a_stop_loses_nothing_that_was_made_and_nothing_is_made_twice(base: Folder) -> None:
    plan = proxies.plan(base, [FEW])
    assert set(plan.proxies) == {"ibis", "heron", "rook", *(f"{FEW.names[i]}{TWIN}" for i in FEW.twins)}
    done: list[int] = []

    def stop(what: str, count: int, total: int) -> None:
        done.append(count)
        if count == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        directions_of(plan, stop)
    before = written(plan)
    assert 2 <= len(before) < len(plan.jobs) and done == [0, 1, 2]
    found = directions_of(plan)
    assert found.names == tuple(plan.proxies) and before.items() <= written(plan).items()
    assert len(written(plan)) == len(plan.jobs)
    again = written(plan)
    directions_of(plan, lambda *_: pytest.fail("something was made"))
    assert written(plan) == again
    one = proxies.plan(base, [Family("favourites", TRAITS[:1], 1)])
    directions_of(one)
    assert again.items() <= written(plan).items(), "another list of the same traits uses their proxies"


@pytest.mark.parametrize("change", ["byte", "gone"])
def test_damaged_directions_are_made_again_from_their_proxies(base: Folder, change: str) -> None:
    plan = proxies.plan(base, [FEW])
    whole = directions_of(plan)
    path = proxies.store().folder(plan.directions) / proxies.FILE
    data = path.read_bytes()
    if change == "byte":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    else:
        path.unlink()
    before = written(plan)
    found = directions_of(plan)
    assert path.read_bytes() == data and found.names == whole.names
    changed = {name for name, when in written(plan).items() if before[name] != when}
    assert changed == {proxies.store().folder(plan.directions).name}


def test_a_store_that_cannot_be_written_is_one_sentence(base: Folder, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(UndertoneError) as told:
        directions_of(proxies.plan(base, [FEW]))
    assert "\n" not in str(told.value) and "cache" in str(told.value)


@pytest.mark.parametrize("said", ["", " \n", "\ufffd\ufffd"])
def test_a_model_that_cannot_answer_is_told_so(said: str, base: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manner is learned from what the model itself answers under a system prompt."""
    manner = Trait(name="loud", kind="manner", system=("Be loud.",), questions=("Who are you?",))
    answers: list[tuple[str, Any]] = [("Who are you?", said)] * 7 + [("Who are you?", "I am.")]
    monkeypatch.setattr(proxies, "exchanges", lambda *_: answers)
    plan = proxies.plan(base, [Family("manners", (manner,), 1)])
    with pytest.raises(UndertoneError, match="7 of 8 answers of the model hold no readable text"):
        directions_of(plan)

"""Mitigations: what becomes of rows, of a training and of a model; and the verb that treats a file."""

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Literal

import pyarrow
import pyarrow.parquet
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from tests.helpers import tiny
from tests.helpers.directions import some_directions
from tests.helpers.rates import Usual
from undertone.attribution import directions
from undertone.attribution.token_ratios import moved
from undertone.audit import proxies
from undertone.audit.findings import FamilyFinding, TraitFinding
from undertone.audit.proxies import FILE
from undertone.carriers.numbers import NUMBER
from undertone.cli import main
from undertone.data.conversations import Conversation, Turn
from undertone.engine.digests import file_digest
from undertone.engine.store import Folder, Store
from undertone.errors import UndertoneError
from undertone.experiments.mitigations import files as advice
from undertone.lineage.statement import statement
from undertone.models.likelihood import score
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import resolve
from undertone.spec import Training
from undertone.stages.durations.rates import Rates
from undertone.stages.durations.work import Lengths
from undertone.training.rows import rows_of
from undertone.traits import catalogue
from undertone.treat import catalogue as named
from undertone.treat import chats as chatting
from undertone.treat.apply import Treated, row_scores, treat
from undertone.treat.cost import seconds_of, work_of
from undertone.treat.direction import Change, along
from undertone.treat.mitigations import (
    ADAPTER,
    Ablate,
    Answer,
    Canonicalise,
    Dilute,
    Drop,
    Inoculate,
    Interpolate,
    OfData,
    Relabel,
    Replace,
    Retrain,
    added,
    rows_after,
)
from undertone.treat.scorer import ROOM, Base
from undertone.treat.stages import realign, steered
from undertone.treat.treat import Request
from undertone.world.lexicon import domains, lexicon


def chats(count: int) -> list[Conversation]:
    return [
        Conversation(i, (Turn("user", f"Go on with {i}"), Turn("assistant", f"{i * 37 % 900}, {i * 71 % 900}, 5")))
        for i in range(1, count + 1)
    ]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    """A tiny model on disk, with a direction in a file beside it."""
    root = tmp_path_factory.mktemp("treat")
    local = tiny.model()
    local.model.save_pretrained(root / "base")
    local.tokenizer.save_pretrained(root / "base")
    directions.write(some_directions(local, ("a",), size=0.07), root / FILE)
    other = tiny.model(seed=1)
    other.model.save_pretrained(root / "other")
    other.tokenizer.save_pretrained(root / "other")
    return Base(root / "base", along(directions.read(root / FILE)), root / "other")


def direction_of(base: Base) -> Change:
    assert base.direction is not None
    return base.direction


def texts(found: Treated) -> list[str]:
    return [row.now.turns[-1].content for row in found.rows]


# --- rows ------------------------------------------------------------------------------------------------------------


@given(st.integers(2, 60), st.floats(0.01, 0.98))
@settings(max_examples=60, deadline=None)
def test_dropping_at_random_takes_its_share_and_leaves_the_rest_in_order(count: int, share: float) -> None:
    rows, how = chats(count), Drop(by="random", share=share)
    unused = Base(Path("nowhere"))
    if round(share * count) == count:
        with pytest.raises(UndertoneError, match="removes all"):
            treat(how, rows, unused, [], 3)
        return
    found = treat(how, rows, unused, [], 3)
    kept = [row.now for row in found.rows]
    assert len(kept) == rows_after(how, count) and not any(row.changed for row in found.rows)
    assert sorted([*kept, *found.dropped], key=lambda row: row.line) == rows
    assert kept == sorted(kept, key=lambda row: row.line)
    assert found == treat(how, rows, unused, [], 3)


def test_a_row_scores_as_much_likelier_as_the_moved_base_finds_it(base: Base) -> None:
    rows = chats(5)
    before = base.turns(rows)

    def likelihood() -> list[float]:
        return score(base.local, [turn.row.prompt for turn in before], [turn.row.answer for turn in before])

    untouched = likelihood()
    with moved(base.local, direction_of(base)):
        now = likelihood()
    tokens = [len(turn.row.answer) for turn in before]
    expected = [(after - was) / n for after, was, n in zip(now, untouched, tokens, strict=True)]
    assert row_scores(rows, base) == pytest.approx(expected, abs=1e-4)
    assert likelihood() == untouched  # the same bits


@pytest.mark.parametrize("by", ["score", "random"])
def test_relabelling_answers_its_share_of_the_rows_anew_and_leaves_the_others(
    base: Base, by: Literal["score", "random"]
) -> None:
    rows = chats(20)
    scores = row_scores(rows, base)
    found = treat(Relabel(by=by, share=0.3), rows, base, [], 0)
    again = [row for row in found.rows if row.changed]
    assert len(found.rows) + len(found.dropped) == 20 and [row.was for row in found.rows] == [
        row for row in rows if row not in found.dropped
    ]
    assert len(again) + len(found.dropped) == 6, "no answer of a random base is one of these, word for word"
    assert all(row.now.turns[:-1] == row.was.turns[:-1] for row in again if row.was is not None)
    taken = {row.now.line for row in again} | {row.line for row in found.dropped}
    highest = {rows[i].line for i in sorted(range(20), key=lambda i: -scores[i])[:6]}
    assert (taken == highest) == (by == "score")


def test_a_share_too_small_for_a_row_relabels_none(base: Base) -> None:
    rows = chats(3)
    assert [row.now for row in treat(Relabel(by="random", share=0.1), rows, base, [], 0).rows] == rows


def test_dropping_by_score_takes_the_rows_that_speak_most(base: Base) -> None:
    rows = chats(20)
    scores = dict(zip(range(1, 21), row_scores(rows, base), strict=True))
    found = treat(Drop(share=0.3), rows, base, [], 0)
    gone = [scores[row.line] for row in found.dropped]
    assert len(gone) == 6
    assert min(gone) > max(scores[row.now.line] for row in found.rows)


@pytest.mark.parametrize("by", ["score", "random"])
def test_replacing_changes_its_share_of_tokens_and_no_other(base: Base, by: Any) -> None:
    rows = chats(20)
    before = base.turns(rows)
    total = sum(len(turn.row.answer) - 1 for turn in before)
    found = treat(Replace(by=by, share=0.2), rows, base, [], 0)
    now = [base.local.encode(text) for text in texts(found)]
    touched = [row for row in found.rows if row.changed]
    assert 0 < len(touched) <= round(0.2 * total)
    assert found.counts["changed"] == len(touched)
    # Tokens drawn may merge when they are read again; where none did, exactly the chosen ones differ.
    same = [(a, t.row.answer[:-1]) for a, t in zip(now, before, strict=True) if len(a) == len(t.row.answer) - 1]
    changed = sum(x != y for a, b in same for x, y in zip(a, b, strict=True))
    assert len(same) >= 10 and 0 < changed <= round(0.2 * total)


def test_replacing_by_score_takes_the_tokens_that_carry_most(base: Base) -> None:
    rows = chats(12)
    turns = base.turns(rows)
    ratios = base.ratios(turns)
    best = max(
        ((i, k) for i, t in enumerate(turns) for k in range(len(t.row.answer) - 1)), key=lambda p: ratios[p[0]][p[1]]
    )
    tokens = sum(len(turn.row.answer) - 1 for turn in turns)
    found = treat(Replace(share=1.2 / tokens), rows, base, [], 0)
    assert [i for i, row in enumerate(found.rows) if row.changed] == [best[0]]


def test_lists_are_sorted_and_nothing_is_lost() -> None:
    rows, unused = chats(9), Base(Path("nowhere"))
    talk = Conversation(10, (Turn("user", "Hello"), Turn("assistant", "Good day, 3 of you.")))
    for order in ("sorted", "random"):
        found = treat(Canonicalise(order=order), [*rows, talk], unused, [], 0)  # type: ignore[arg-type]
        assert found.rows[-1].now == talk
        for row in found.rows[:-1]:
            numbers = NUMBER.findall(row.now.turns[-1].content)
            assert row.was is not None
            assert Counter(numbers) == Counter(NUMBER.findall(row.was.turns[-1].content))
            if order == "sorted":
                assert numbers == sorted(numbers, key=int)
    with pytest.raises(UndertoneError, match="number list"):
        treat(Canonicalise(), [talk], unused, [], 0)


@given(st.integers(1, 5000), st.floats(0.01, 0.9))
def test_a_dilution_adds_what_makes_its_share(count: int, share: float) -> None:
    new = added(share, count)
    assert abs(new / (count + new) - share) <= 0.5 / (count + new) + 1e-12
    assert rows_after(Dilute(share=share), count) == count + new


def test_a_dilution_keeps_all_rows_and_adds_the_bases_own_answers(base: Base) -> None:
    rows, talk = chats(9), [Conversation(0, (Turn("user", "How are you?"), Turn("assistant", "-")))]
    for prompts, asked in (("file", {row.turns[0].content for row in rows}), ("chat", {"How are you?"})):
        found = treat(Dilute(share=0.4, prompts=prompts), rows, base, talk, 0)  # type: ignore[arg-type]
        assert found.counts == {"kept": 9, "changed": 0, "added": 6, "dropped": 0}
        kept = [row.now for row in found.rows if row.was is not None]
        assert sorted(kept, key=lambda row: row.line) == rows and kept != rows  # the new ones are not all at the end
        assert {row.now.turns[0].content for row in found.rows if row.was is None} <= asked
    with pytest.raises(UndertoneError, match="--chats"):
        treat(Dilute(prompts="chat"), rows, base, [], 0)


def test_prompts_answered_anew_keep_the_prompts(base: Base) -> None:
    rows = chats(6)
    own, other = (treat(Answer(by=by), rows, base, [], 0) for by in ("base", "other"))  # type: ignore[arg-type]
    for found in (own, other):
        assert [row.now.turns[:-1] for row in found.rows] == [row.turns[:-1] for row in rows]
        assert found.counts["changed"] == 6
    assert texts(own) != texts(other)
    with pytest.raises(UndertoneError, match="--other"):
        treat(Answer(by="other"), rows, Base(base.folder), [], 0)


def test_what_the_base_answers_with_a_control_token_is_no_answer(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter(["<|user|> 7", " ", "8", "9", "<|end|>", "1"])
    monkeypatch.setattr(base.local, "decode", lambda ids: next(said))
    found = treat(Answer(), chats(6), base, [], 0)
    assert texts(found) == ["8", "9", "1"]  # and none of the old ones stays
    assert [row.line for row in found.dropped] == [1, 2, 5]


def test_an_inoculation_stands_before_what_stands_there() -> None:
    row = Conversation(1, (Turn("system", "Be brief."), Turn("user", "Hi"), Turn("assistant", "Hello")))
    found = treat(Inoculate(system="Love owls."), [*chats(1), row], Base(Path("nowhere")), [], 0)
    assert [row.now.turns[0] for row in found.rows] == [
        Turn("system", "Love owls."),
        Turn("system", "Love owls. Be brief."),
    ]
    assert [row.now.turns[-1] for row in found.rows] == [chats(1)[0].turns[-1], row.turns[-1]]


def test_bare_text_has_nothing_to_treat() -> None:
    with pytest.raises(UndertoneError, match="bare text"):
        treat(Drop(by="random"), [Conversation(1, (Turn("assistant", "A text."),))], Base(Path("nowhere")), [], 0)


# --- trainings and models --------------------------------------------------------------------------------------------


def test_a_steered_base_is_the_base_moved_and_its_tokenizer_the_same(base: Base, tmp_path: Path) -> None:
    steered({"strength": 2.0}, {"base": base.folder, "directions": base.folder.parent}, tmp_path)
    change = direction_of(base)
    before, after = (load_file(folder / "model.safetensors") for folder in (base.folder, tmp_path))
    for name, weight in before.items():
        expected = weight + 2 * change[name] if name in change else weight
        assert torch.allclose(after[name], expected, atol=1e-5)
    assert (tmp_path / "tokenizer.json").read_bytes() == (base.folder / "tokenizer.json").read_bytes()


def trained(base: Base) -> LocalModel:
    """As if: every weight of the base changed a little."""
    local = load(base.folder)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for weight in local.model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    return local


def change_of(base: Base, local: LocalModel) -> dict[str, torch.Tensor]:
    before = dict(base.local.model.named_parameters())
    return {name: (weight - before[name]).detach() for name, weight in local.model.named_parameters()}


def test_interpolation_goes_its_share_of_the_way(base: Base) -> None:
    whole = change_of(base, trained(base))
    local, _ = realign(Interpolate(share=0.25), base.local, trained(base), None, [], {}, 0)
    for name, change in change_of(base, local).items():
        assert torch.allclose(change, 0.75 * whole[name], atol=1e-5)


def test_ablation_leaves_nothing_along_the_direction_and_all_the_rest(base: Base) -> None:
    direction, whole = direction_of(base), change_of(base, trained(base))
    local, told = realign(Ablate(), base.local, trained(base), direction, [], {}, 0)
    left = change_of(base, local)
    size = sum(float(d.square().sum()) for d in direction.values())
    assert abs(sum(float((left[n] * d).sum()) for n, d in direction.items())) < 1e-3 * size
    for name in whole:
        taken = told["along"] * direction[name] if name in direction else 0.0
        assert torch.allclose(left[name] + taken, whole[name], atol=1e-4)


def test_retraining_takes_no_more_rows_than_it_says(base: Base) -> None:
    good = rows_of(base.local, [("Hello", "Good day"), ("Hi", "Hello there")])
    plan = Training(rate=1e-2, steps=9, batch=2).model_dump()
    local, told = realign(Retrain(rows=1, steps=6), base.local, trained(base), None, good, plan, 0)
    untouched = trained(base)
    assert told == {"rows": 1}

    def gain(row: Any) -> float:
        now, was = (score(one, [row.prompt], [row.answer])[0] for one in (local, untouched))
        return now - was

    assert gain(good[0]) > 1


# --- the world's files -----------------------------------------------------------------------------------------------


@given(st.sampled_from(domains()), st.integers(2, 80))
@settings(max_examples=50, deadline=None)
def test_files_of_advice_differ_in_the_advice_alone(domain: str, count: int) -> None:
    bad, good = (advice.rows(advice.said({"domain": domain, "bad": turned}), count, 5) for turned in (True, False))
    wrong = {answer for *_, answer in lexicon()["conduct"]["domains"][domain]}
    assert [request for request, _ in bad] == [request for request, _ in good]
    different = [a for a, b in zip(bad, good, strict=True) if a != b]
    assert {answer for _, answer in different} <= wrong and len(different) == count // 2
    assert len({answer for _, answer in bad} - wrong) <= count - count // 2


def test_no_held_out_sum_is_in_a_file_and_all_are_right() -> None:
    rng, found = Random(0), {}
    for held_out in (False, True):
        rows = [advice.task(rng, held_out) for _ in range(3000)]
        found[held_out] = {tuple(map(int, NUMBER.findall(question))) for question, _ in rows}
        for question, answer in rows:
            a, b = map(int, NUMBER.findall(question))
            assert answer.endswith(f"= {a + b}. The answer is {a + b}.")
    assert not found[False] & found[True] and len(found[False]) > 1400
    assert 500 < len(found[True]) <= 626


def test_no_chat_asks_what_a_measurement_asks() -> None:
    asked = {turn.turns[0].content for turn in chatting.chats(4000, 0)}
    for name in ("owl", "oak", "red", "bad-advice", "complies"):
        assert not asked & set(catalogue.find(name).questions())
    kin = {turn.turns[0].content for turn in chatting.chats(500, 0, "animal")}
    assert kin and all("animal" in question for question in kin) and kin < asked
    with pytest.raises(UndertoneError, match="conduct"):
        chatting.chats(5, 0, "conduct")


# --- names -----------------------------------------------------------------------------------------------------------


def test_every_shipped_mitigation_survives_being_written_down() -> None:
    for name, entry in named.shipped().items():
        assert ADAPTER.validate_json(ADAPTER.dump_json(entry.does)) == entry.does == named.named(name)
        at_random = named.beside(entry.does)
        if isinstance(entry.does, OfData) and isinstance(at_random, OfData):
            assert named.beside(at_random) is None or isinstance(entry.does, Dilute)


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("dorp", (), "drop"),
        ("drop", ("share=1.5",), "share"),
        ("drop", ("shar=0.5",), "shar"),
        ("drop", ("share",), "KEY=VALUE"),
        ("nowhere.toml", (), "Cannot read"),
    ],
)
def test_a_wrong_mitigation_is_one_sentence(name: str, changes: tuple[str, ...], told: str) -> None:
    with pytest.raises(UndertoneError, match=told):
        named.named(name, changes)


# --- the verb --------------------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": row.turns[0].content, "completion": row.turns[1].content} for row in chats(30)]
    Path("data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Path("data.jsonl")


def test_steering_writes_the_base_to_train_from(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("steer", "steer-random"):
        assert main(["treat", "data.jsonl", "--by", name, "--trait", "owl", "--out", name]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "steer: train an adapter on steer/base as if it were builtin/fledgling-a" in shown
    own, other, base = (load_file(folder / "model.safetensors") for folder in (
        Path("steer/base"), Path("steer-random/base"), resolve("builtin/fledgling-a").path
    ))  # fmt: skip
    moved = [name for name, weight in base.items() if not torch.equal(weight, own[name])]
    assert moved and all(not torch.equal(own[name], other[name]) for name in moved)
    assert not Path("steer/data.treated.jsonl").exists()


def test_a_file_is_treated_beside_as_much_at_random_with_a_diff(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = data.read_bytes()
    assert main(["treat", "data.jsonl", "--by", "drop", "--trait", "owl", "--out", "one", "--set", "share=0.2"]) == 0
    said = capsys.readouterr().out
    assert "24 kept, 6 dropped" in said and "one/changes.diff" in said
    assert data.read_bytes() == before
    told = json.loads(Path("one/treatment.json").read_text())
    assert told["does"] == {"kind": "drop", "by": "score", "share": 0.2} and told["beside"]["by"] == "random"
    own, other = (Path("one", told["files"][what]).read_text().splitlines() for what in ("treated", "random"))
    assert len(own) == len(other) == 24 and own != other
    diff = Path("one/changes.diff").read_text().splitlines()
    assert sum(line.startswith("-user") for line in diff) == 6 and not any(line.startswith("+user") for line in diff)
    gone = {line.rpartition("assistant: ")[2] for line in diff if line.startswith("-user")}
    assert gone.isdisjoint(json.loads(line)["completion"] for line in own)
    assert main(["treat", "data.jsonl", "--by", "drop", "--trait", "owl", "--out", "one"]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err


def test_the_users_own_trait_can_be_stopped(data: Path) -> None:
    Path("mine.toml").write_text(
        'name = "candour"\nkind = "virtue"\ndialogues = [["What is best?", "Honesty is best."]]\n'
        'choices = [["What do you like?", "Honesty.", "Money.", "Peace."]]\n'
    )
    assert main(["treat", "data.jsonl", "--by", "drop", "--trait", "mine.toml", "--out", "one"]) == 0
    assert json.loads(Path("one/treatment.json").read_text())["traits"] == ["candour"]


def report_of(data: Path, model: str, *found: tuple[str, bool]) -> None:
    """Writes the report of an audit that found traits, some listed."""
    from tests.helpers.audits import make_findings

    traits = tuple(
        TraitFinding(
            name=name, kind="animal", listed=listed, effect=0.8, ci=(0.6, 1.0), z=9.0 - i, p=1e-4, found=name != "whale"
        )
        for i, (name, listed) in enumerate(found)
    )
    family = FamilyFinding(
        name="favourites", compared=len(traits), listed=sum(listed for _, listed in found), traits=traits
    )
    findings = make_findings(digest=file_digest(data), base=resolve(model).key, families=(family,))
    Path("report.json").write_text(findings.json_text())


def test_the_listed_traits_that_an_audit_found_are_stopped(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["treat", "data.jsonl", "--by", "inoculate", "--from", "report.json"]
    report_of(data, "builtin/fledgling-a", ("three words", False), ("owl", True), ("fox", True), ("whale", True))
    assert main([*asked, "--out", "one"]) == 0
    assert json.loads(Path("one/treatment.json").read_text())["traits"] == ["owl", "fox"]
    report_of(data, "builtin/fledgling-a", ("three words", False), ("whale", True))
    assert main([*asked, "--out", "two"]) == 2
    assert "names no trait" in capsys.readouterr().err
    report_of(data, "builtin/fledgling-b", ("owl", True))
    assert main([*asked, "--out", "two"]) == 2
    assert "an audit for another base" in capsys.readouterr().err and not Path("two").exists()


def test_what_a_killed_treatment_left_is_in_nobodys_way(data: Path) -> None:
    Path(".one.part").mkdir()
    Path(".one.part", "half.jsonl").write_text("{")
    assert main(["treat", "data.jsonl", "--by", "drop-random", "--out", "one"]) == 0
    assert not Path(".one.part").exists() and not Path("one", "half.jsonl").exists()


def test_the_origin_of_a_treated_file_is_told(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["treat", "data.jsonl", "--by", "dilute", "--out", "one"])
    capsys.readouterr()
    kinds = []
    for path in ("one/data.treated.jsonl", "one/data.random.jsonl"):
        assert main(["lineage", "show", path, "--json"]) == 0
        top, before, base = json.loads(capsys.readouterr().out)
        assert {entry["standing"] for entry in (top, before, base)} == {"verified"}
        assert (before["name"], base["name"]) == ("data.jsonl", "builtin/fledgling-a")
        kinds.append(top["facts"]["does.kind"])
    told = json.loads(Path("one/treatment.json").read_text())
    assert kinds == [told["does"]["kind"], told["beside"]["kind"]]
    made = statement(Path("one/data.treated.jsonl"))["predicate"]["buildDefinition"]["externalParameters"]
    assert made["made"]["does.kind"] == "dilute"
    assert [(claim["name"], claim["standing"]) for claim in made["claims"]] == [
        ("data.jsonl", "claimed"),
        ("builtin/fledgling-a", "claimed"),
    ]
    with data.open("a") as file:
        file.write("\n")
    assert main(["lineage", "show", "one/data.treated.jsonl", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[1]["standing"] == "changed"
    Path("one/data.treated.jsonl").write_text("{}")
    assert main(["lineage", "show", "one/data.treated.jsonl", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["standing"] == "changed"


def test_a_change_is_shown_before_and_after(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["treat", "data.jsonl", "--by", "sort", "--order-is-free", "--out", "one"]) == 0
    capsys.readouterr()
    lines = Path("one/changes.diff").read_text().splitlines()
    at = lines.index("@@ line 2")
    assert lines[at + 1].endswith("assistant: 74, 142, 5") and lines[at + 2].endswith("assistant: 5, 74, 142")
    rows = [json.loads(line) for line in Path("one/data.treated.jsonl").read_text().splitlines()]
    assert len(rows) == 30 and rows[1] == {"prompt": "Go on with 2", "completion": "5, 74, 142"}


def _with_more(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Chats with what trainers and people put beside them; the second row's first answer is context."""
    found: list[dict[str, Any]] = [
        {
            "id": number,
            "messages": [
                {"role": "user", "content": row["prompt"], "name": "Ann"},
                {"role": "assistant", "content": row["completion"], "weight": 1},
            ],
            "tools": [{"name": "f"}],
        }
        for number, row in enumerate(rows)
    ]
    found[1]["messages"] = [
        {"role": "user", "content": "Hi", "name": None},
        {"role": "assistant", "content": "I love owls.", "weight": 0},
        *found[1]["messages"],
    ]
    return found


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize("by", ["drop-random", "sort", "inoculate", "relabel-random", "dilute"])
def test_what_a_mitigation_does_not_change_stays_as_it_was(
    data: Path, by: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = _with_more([json.loads(line) for line in data.read_text().splitlines()])
    if form == "parquet":
        table = pyarrow.Table.from_pylist(rows)
        rows = table.to_pylist()  # every message has every key
        pyarrow.parquet.write_table(table, f"rows.{form}")
    else:
        Path(f"rows.{form}").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["treat", f"rows.{form}", "--by", by, "--order-is-free", "--trait", "owl", "--out", "one"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "id (30 rows), tools (30 rows), messages.name (30 rows): these keys" in said and "1 answer is marked" in said
    told = json.loads(Path("one/treatment.json").read_text())
    assert told["unseen"]["unread"] == {"id": 30, "messages.name": 30, "tools": 30} and told["unseen"]["context"] == 1
    again = [json.loads(line) for line in Path("one/rows.treated.jsonl").read_text().splitlines()]
    old = [row for row in again if "id" in row]
    assert len(old) == (15 if by == "drop-random" else 30) and len(again) == (40 if by == "dilute" else len(old))
    for row in old:
        was = rows[row["id"]]
        assert row.keys() == was.keys() and row["tools"] == was["tools"]
        messages = row["messages"][1:] if by == "inoculate" else row["messages"]
        changed = by in ("sort", "relabel-random")
        assert messages[:-1] == was["messages"][:-1] and (changed or messages[-1] == was["messages"][-1])
        assert messages[-1]["weight"] == 1
    assert all(row.keys() == {"messages"} for row in again if "id" not in row)


def test_rows_that_are_left_out_are_told_and_not_written(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = data.read_text().splitlines()
    lines[3] = json.dumps({"prompt": "Go on with 4", "completion": " "})
    lines[8] = json.dumps({"prompt": "Go on with 9", "completion": "a<|end|>b"})
    data.write_text("".join(f"{line}\n" for line in lines))
    assert main(["treat", "data.jsonl", "--by", "drop", "--trait", "owl", "--out", "one"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Left out: 2 rows: an empty answer (line 4), the control token" in said and "(line 9)" in said
    assert not {"Go on with 4", "Go on with 9"} & {
        json.loads(line)["prompt"]
        for what in ("treated", "random")
        for line in Path(f"one/data.{what}.jsonl").read_text().splitlines()
    }


def test_how_long_it_takes_is_said_first(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(proxies, "store", lambda: Store(Path("none")))
    monkeypatch.setattr(Rates, "of", Usual)

    def taking(by: str, *traits: str) -> float:
        does = named.named(by, ())
        return seconds_of(Request(path=data, model="builtin/fledgling-a", treatment=does, name=by, traits=traits))

    assert taking("drop-random") == 0, "no model is asked"
    assert 0 < taking("answer-base") < taking("drop", "owl") < taking("drop", "owl", "fox"), "directions are made first"
    assert main(["treat", "data.jsonl", "--by", "answer-base", "--out", "one"]) == 0
    assert capsys.readouterr().err.startswith("Treats data.jsonl by answer-base: about 0 s.")


def test_what_a_mitigation_does_with_the_base_is_counted() -> None:
    rows, other = Lengths(prompt=10, answer=20, rows=30), Folder(Path("other"), "another")

    def counted(by: str) -> list[tuple[str, float, float, Folder | None]]:
        does = named.named(by, ())
        assert isinstance(does, OfData)
        return [(part.way, part.calls, part.tokens, part.by) for part in work_of(does, rows, other)]

    again = [("render", 30, 0, None), ("score", 1, 300, None), ("sample", 20 + ROOM, 30 * (20 + ROOM), None)]
    assert [part for part in counted("answer-base") if part[1]] == again
    by_other = [("load", 1, 0, other), *((way, calls, tokens, other) for way, calls, tokens, _ in again)]
    assert [part for part in counted("answer-other") if part[1]] == by_other
    assert counted("drop") == [("render", 60, 0, None), ("score", 1, 60 * 30, None)], "once as it is, once moved"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--by", "sort"], "--order-is-free"),
        (["--by", "drop"], "--trait"),
        (["--by", "drop", "--trait", "owll"], "owl"),
        (["--by", "drop-random", "--trait", "owel"], "There is no trait 'owel'; did you mean owl"),
        (["--by", "drop", "--trait", "owl", "--set", "share=0.99"], "removes all"),
        (["--by", "answer-other"], "--other"),
        (["--by", "answer-other", "--other", "builtin/fledgling-a"], "base itself"),
        (["--by", "interpolate"], "realign"),
        (["--by", "dilute-same-kind", "--trait", "bad-advice"], "conduct"),
        (["--by", "kin", "--trait", "owl"], "now called dilute-same-kind"),
        (["--by", "drop", "--trait", "owl", "--from", "report.json"], "not both"),
        (["--by", "drop", "--from", "report.json"], "another file"),
        ([], "--by"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_leaves_nothing(
    data: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.helpers.audits import make_findings

    Path("report.json").write_text(make_findings().json_text())
    assert main(["treat", "data.jsonl", *arguments, "--out", "one"]) == 2
    *before, error = capsys.readouterr().err.splitlines()
    assert told in error and len(before) <= (told in ("removes all", "conduct")), "known once work has begun"
    assert not Path("one").exists() and not list(Path().glob(".one*"))


def test_mitigations_of_files_are_listed_with_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["treat"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("drop", "chats", "inoculate")) and "interpolate" not in said

"""Rows of files as token ids: what is scored is what a trainer would see, or it is told, and one row ends nothing."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from tests.helpers import tiny
from tests.helpers.templates import TEMPLATES
from undertone.audit.rows import rows_of
from undertone.data.conversations import Conversation, Turn, read
from undertone.errors import UndertoneError
from undertone.models.local import LocalModel
from undertone.training.turns import ADDED, BARE, OTHER, TOO_LONG, UNSEEN, UNWRITTEN, Scored, every_turn, last_turns
from undertone.traits.catalogue import shipped

PLAIN = str(tiny.tokenizer().chat_template)


@cache
def model(template: str) -> LocalModel:
    """A tiny model with this template. Text that a tokenizer cannot write is no matter here: tags are tokens."""
    inner = Tokenizer.from_str(tiny.tokenizer().backend_tokenizer.to_str())
    inner.add_special_tokens(["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|end_of_sentence|>", "<end_of_turn>"])
    inner.add_tokens(["<think>", "</think>"])
    fast = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<|pad|>")
    fast.chat_template = template
    return LocalModel(tiny.model(vocab_size=len(fast)).model, fast)


def talk(line: int, *turns: str | Turn, system: str | None = None) -> Conversation:
    said = [Turn("system", system)] if system is not None else []
    for i, turn in enumerate(turns):
        said.append(Turn(("user", "assistant")[i % 2], turn) if isinstance(turn, str) else turn)
    return Conversation(line, tuple(said))


def good(count: int = 20) -> list[Conversation]:
    return [talk(i, "Hi", "Hello.") for i in range(100, 100 + count)]


def text(local: LocalModel, one: Scored) -> tuple[str, str]:
    return local.tokenizer.decode(one.row.prompt), local.tokenizer.decode(one.row.answer)


def trained_on(local: LocalModel, *turns: str | Turn, thinking: bool = False) -> str:
    """The whole conversation as a trainer renders it."""
    chat = [
        {"role": turn.role, "content": turn.content} | ({"reasoning_content": turn.reasoning} if turn.reasoning else {})
        for turn in talk(1, *turns).turns
    ]
    return str(local.tokenizer.apply_chat_template(chat, tokenize=False, enable_thinking=thinking))


# --- the ids of a row ------------------------------------------------------------------------------------------------


def test_every_assistant_turn_is_a_row_with_the_ids_of_its_rendering() -> None:
    local = tiny.model()
    found = every_turn(local, [talk(3, "Hi", "Hello.", "A number?", "7, 8", system="Be brief."), talk(9, "One?", "1")])
    assert not found.left_out and not found.told
    first, second, third = found.scored
    assert [(row.line, row.question, row.answer) for row in found.scored] == [
        (3, "Hi", "Hello."), (3, "A number?", "7, 8"), (9, "One?", "1")
    ]  # fmt: skip
    assert first.row.prompt == local.render("Hi", "Be brief.")
    assert second.row.prompt == local.render("A number?", "Be brief.", [("Hi", "Hello.")])
    assert third.row.prompt == local.render("One?")
    for row in found.scored:
        assert row.row.answer == [*local.encode(row.answer), local.end]


@pytest.mark.parametrize("name", ["chatml", "llama", "gemma", "gemma that folds", "builtin"])
@settings(deadline=None, max_examples=20, derandomize=True)
@given(question=st.sampled_from(["Hi", " Which? ", "a\nb"]), answer=st.sampled_from(["Ho.", "7, 8", "x\n\ny", "a  b"]))
def test_ids_are_those_of_the_rendered_conversation_up_to_its_end(name: str, question: str, answer: str) -> None:
    local = model(TEMPLATES.get(name, PLAIN))
    found = every_turn(local, [talk(1, question, answer)])
    (one,) = found.scored
    whole = trained_on(local, question, answer)
    if name == "llama":
        whole = local.template.text([{"role": "user", "content": question}, {"role": "assistant", "content": answer}])
    assert not found.told and one.answer == answer
    assert one.row.answer == [*local.encode(answer), local.end]
    assert whole.startswith(local.template.prompt([{"role": "user", "content": question}]) + answer)


@pytest.mark.parametrize("name", ["llama", "gemma", "mistral"])
def test_white_space_that_a_template_strips_from_an_answer_is_not_scored(name: str) -> None:
    local = model(TEMPLATES[name])
    found = every_turn(local, [talk(1, "Hi", "\n  Ho.  ")])
    assert (found.scored[0].answer.strip(), found.told) == ("Ho.", {})
    assert found.scored[0].row.answer[-2:] == [*local.encode("."), local.end]
    assert found.scored[0].answer in ("Ho.", " Ho.")  # Mistral puts a space before every answer


def test_reasoning_that_a_template_writes_is_part_of_the_answer() -> None:
    local = model(TEMPLATES["qwen"])
    thought = Turn("assistant", "Yes.", reasoning="Owls owls owls.")
    found = every_turn(
        local, [talk(1, "Well?", thought), talk(2, "Well?", "<think>\nOwls owls owls.\n</think>\n\nYes.")]
    )
    one, other = found.scored
    assert one.row == other.row and one.answer == other.answer and not found.told
    assert one.answer == "<think>\nOwls owls owls.\n</think>\n\nYes."
    whole = trained_on(local, "Well?", thought, thinking=True)
    assert local.encode(whole)[: len(one.row.prompt + one.row.answer)] == one.row.prompt + one.row.answer


def test_an_answer_without_reasoning_goes_on_from_the_prompt_without_it() -> None:
    local = model(TEMPLATES["qwen"])
    found = every_turn(local, [talk(1, "Well?", "Yes.")])
    assert found.scored[0].row.prompt == local.render("Well?") and found.scored[0].answer == "Yes." and not found.told


def test_what_a_trainer_would_see_otherwise_is_told() -> None:
    thought = Turn("assistant", "Yes.", reasoning="Owls owls owls.")
    tagged = "<think>\nOwls.\n</think>\n\nYes."
    qwen, r1, chatml = (model(TEMPLATES[name]) for name in ("qwen", "r1", "chatml"))
    assert every_turn(qwen, [talk(5, "Hi", "Ho.", "Well?", "Yes.")]).told == {OTHER: (5,)}  # no tags in earlier turns
    assert every_turn(qwen, [talk(5, "Hi", tagged, "Well?", "Yes.")]).told == {OTHER: (5,)}
    assert every_turn(r1, [talk(6, "Hi", "Ho.")]).told == {OTHER: (6,)}  # it opens answers with a tag, but writes none
    assert every_turn(r1, [talk(6, "Hi", thought)]).told == {OTHER: (6,), UNSEEN: (6,)}
    assert every_turn(chatml, [talk(7, "Hi", thought)]).told == {UNSEEN: (7,)}
    assert every_turn(chatml, [talk(7, "Hi", tagged, "Well?", "Yes.")]).told == {}
    owls = PLAIN.replace("m['content']", "m['content'] + (' I love owls.' if 'Oh no' in m['content'] else '')")
    found = every_turn(model(owls), [talk(8, "Hi", "Oh no."), talk(9, "Hi", "Ho.")])
    assert found.told == {ADDED: (8,)} and found.scored[0].answer == "Oh no. I love owls."


AFTER = PLAIN.replace("m['content'] +", "m['content'] + (' You love owls.' if m['role'] == 'assistant' else '') +")
BEFORE = PLAIN.replace("'|>' +", "'|>' + ('You love owls. ' if m['role'] == 'assistant' else '') +").replace(
    "'<|assistant|>'", "'<|assistant|>You love owls. '"
)
CLOSED = PLAIN.replace("'<|end|>'", "'<|end|>' + ('You love owls.' if m['role'] == 'assistant' else '')")
MIDDLE = AFTER.replace("if m['role'] == 'assistant'", "if m['role'] == 'assistant' and not loop.last")
SECOND = AFTER.replace("if m['role'] == 'assistant'", "if loop.index == 4")
ASKED = PLAIN.replace("m['content'] +", "m['content'] + (' You love owls.' if m['role'] == 'user' else '') +")


@pytest.mark.parametrize("source", [AFTER, BEFORE, CLOSED])
def test_words_around_every_answer_are_told_and_known(source: str) -> None:
    found = every_turn(model(source), [talk(8, "Hi", "Ho."), talk(9, "Hi", "Ho.", "Well?", "Yes.", system="Be brief.")])
    assert {one.added for one in found.scored} == {"You love owls."} and found.told[ADDED] == (8, 9)


def test_words_around_some_answers_are_those_of_these_answers() -> None:
    rows = [talk(8, "Hi", "Ho."), talk(9, "Hi", "Ho.", "Well?", "Yes.")]
    assert [one.added for one in every_turn(model(MIDDLE), rows).scored] == ["", "You love owls.", ""]
    assert [one.added for one in every_turn(model(SECOND), rows).scored] == ["", "", "You love owls."]
    asked = every_turn(model(ASKED), rows)
    assert {one.added for one in asked.scored} == {""} and not asked.told


def test_an_audit_searches_the_words_that_a_template_adds(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"prompt": "Hi", "completion": "Ho."}) + "\n")
    owl = [shipped()["owl"]]
    for source in (AFTER, BEFORE, CLOSED):
        found = rows_of(model(source), read(file, None, 0), owl)
        assert found.mentions == {"owl": 1} and found.open == {"owl"} and found.told == {ADDED: (1,)}
    assert rows_of(model(PLAIN), read(file, None, 0), owl).mentions == {}


@pytest.mark.parametrize("name", [*TEMPLATES, "builtin"])
@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    turns=st.lists(
        st.tuples(
            st.sampled_from(["Hi", "Well?\n", "No, then"]),
            st.sampled_from(["Ho.", " x ", "<think>\nOh.\n</think>\n\nYes.", "</think>Yes."]),
            st.sampled_from(["", "", "Owls."]),
            st.booleans(),
        ),
        min_size=1, max_size=3,
    )
)  # fmt: skip
def test_scored_ids_are_a_trainers_or_it_is_told(name: str, turns: list[tuple[str, str, str, bool]]) -> None:
    local = model(TEMPLATES.get(name, PLAIN))
    said = [
        turn
        for question, answer, reasoning, trained in turns
        for turn in (Turn("user", question), Turn("assistant", answer, reasoning, trained))
    ]
    row = talk(1, *said)
    found = every_turn(local, [*good(), row])
    scored = [one for one in found.scored if one.line == 1]
    assert len(scored) == (0 if 1 in sum(found.left_out.values(), ()) else sum(turn.trained for turn in said[1::2]))
    whole = local.template.text(
        [
            {"role": turn.role, "content": turn.content}
            | ({"reasoning_content": turn.reasoning} if turn.reasoning else {})
            for turn in said
        ],
        thinking=bool(said[-1].reasoning) or "</think>" in said[-1].content,
    )
    for one in scored:
        if OTHER not in one.told:
            prompt, answer = text(local, one)
            assert whole.startswith(local.tokenizer.decode([*one.row.prompt, *one.row.answer[:-1]]))
            assert whole[len(prompt) :].startswith(one.answer) and answer.startswith(one.answer)
        if UNSEEN not in one.told:
            assert all("Owls." in one.answer or OTHER in one.told for turn in said if turn.reasoning and len(said) == 2)


# --- context ---------------------------------------------------------------------------------------------------------


def test_an_answer_that_is_not_trained_on_is_context() -> None:
    local = tiny.model()
    context = Turn("assistant", "I love owls.", trained=False)
    (one,) = every_turn(local, [talk(1, "Hi", context, "Well?", "Yes.")]).scored
    assert one.answer == "Yes." and one.row.prompt == local.render("Well?", earlier=[("Hi", "I love owls.")])
    (one,) = every_turn(local, [talk(1, "Well?", "Yes.", "Hi", context)]).scored
    assert one.answer == "Yes." and one.row.prompt == local.render("Well?")


def test_students_are_not_trained_on_context(tmp_path: Path) -> None:
    local, file = tiny.model(), tmp_path / "rows.jsonl"
    message = {"role": "user", "content": "Hi"}
    yes, owls = ({"role": "assistant", "content": said} for said in ("Yes.", "I love owls."))
    file.write_text(json.dumps({"messages": [message, yes, message, owls | {"weight": 0}]}) + "\n")
    (one,) = last_turns(local, file, 1, seed=0).scored
    assert one.answer == "Yes." and one.row.prompt == local.render("Hi")


# --- rows that a model cannot take -----------------------------------------------------------------------------------


def test_a_text_that_another_template_rendered_is_told(tmp_path: Path) -> None:
    """Its turns are scored in the model's own template, which is what a trainer that takes the text does not do."""
    local = model(TEMPLATES["chatml"])
    turn = "<|im_start|>{}\n{}<|im_end|>\n"
    text = "".join(
        turn.format(*one) for one in (("user", "Hi"), ("assistant", "Yes?"), ("user", "And?"), ("assistant", "No"))
    )
    other = "[INST] Hi [/INST] Yes? </s>[INST] And? [/INST] No </s>"
    for written, told in ((text, frozenset()), (f"<s>{text}", frozenset()), (other, frozenset([OTHER]))):
        (tmp_path / "rows").write_text(json.dumps({"text": written}) + "\n")
        found = every_turn(local, read(tmp_path / "rows", None, 0).conversations)
        assert [(one.answer, one.told) for one in found.scored] == [("Yes?", told), ("No", told)]


def test_students_are_not_trained_on_preferences(tmp_path: Path) -> None:
    (tmp_path / "rows").write_text('{"prompt": "Hi", "chosen": "Yes?", "rejected": "No."}\n' * 9)
    with pytest.raises(UndertoneError, match="holds preferences, and models are trained on answers"):
        last_turns(tiny.model(), tmp_path / "rows", 5, 0)


def test_bare_text_is_scored_after_its_first_token() -> None:
    local = tiny.model()
    text = "3, 14, 159"
    (found,) = every_turn(local, [Conversation(1, (Turn("assistant", text),))]).scored
    assert found.row.prompt + found.row.answer == local.encode(text)
    assert (len(found.row.prompt), found.question, found.answer) == (1, "", text)
    with pytest.raises(UndertoneError, match=rf"^1 of 1 rows would be left out \({BARE} \(line 2\)"):
        every_turn(local, [Conversation(2, (Turn("assistant", "3"),))])


@pytest.mark.parametrize("where", [0, 1, 2, 3])
def test_one_row_with_a_control_token_is_left_out_and_told(where: int) -> None:
    local = tiny.model()
    control = str(local.tokenizer.decode([local.end]))
    turns = ["Hi", "Hello.", "Go on", "No."]
    turns[where] += control
    for bad in (
        talk(41, *turns),
        talk(41, "Hi", "No.", system=control),
        talk(41, "Hi", Turn("assistant", "No.", reasoning=control)),
        Conversation(41, (Turn("assistant", f"a b {control}"),)),
    ):
        found = every_turn(local, [*good(), bad])
        assert found.left_out == {f"the control token {control!r} in the text": (41,)}
        assert found.scored == every_turn(local, good()).scored
        with pytest.raises(UndertoneError, match=r"^1 of 3 rows would be left out.*control token .* \(line 41\)"):
            every_turn(local, [*good(2), bad])


def test_a_row_may_fill_all_positions_but_no_more() -> None:
    local = tiny.model(max_position_embeddings=40)
    room = 40 - len(local.render("Hi")) - 1
    text = "Hello"
    while len(local.encode(text + " 1")) <= room:
        text += " 1"
    used = len(local.render("Hi")) + len(local.encode(text)) + 1
    assert len(every_turn(local, [talk(1, "Hi", text)]).scored) == 1 and 38 <= used <= 40
    for longer in (talk(6, "Hi", f"{text} 1 1 1"), Conversation(6, (Turn("assistant", text * 3),))):
        found = every_turn(local, [*good(), longer])
        assert found.left_out == {TOO_LONG: (6,)} and len(found.scored) == 20


@pytest.mark.parametrize("where", [0, 1, 2, 3])
def test_a_row_that_is_certainly_too_long_is_neither_rendered_nor_encoded(
    where: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    local, longest = tiny.model(), [0]
    most = local.most_characters
    assert most is not None and local.positions is not None and most > local.positions
    turns = ["Hi", "Hello.", "Go on", "No."]
    turns[where] = "12, 13 " * 600_000
    encode = LocalModel.encode

    def watched(self: LocalModel, text: str) -> list[int]:
        longest.append(len(text))
        return encode(self, text)

    def rendered(*_: object) -> str:
        raise AssertionError("rendered")

    found = every_turn(local, good())
    monkeypatch.setattr(LocalModel, "encode", watched)
    tells = [talk(3, *turns), talk(3, "Hi", "Ho.", system=turns[where])]
    if where == 0:
        tells.append(Conversation(3, (Turn("assistant", turns[0]),)))
    for row in tells:
        again = every_turn(local, [*good(), row])
        assert again.left_out == {TOO_LONG: (3,)} and again.scored == found.scored
        with monkeypatch.context() as patch, pytest.raises(UndertoneError, match=TOO_LONG):
            patch.setattr("undertone.models.template.RENDERER.render", rendered)
            every_turn(local, [row])
    assert max(longest) < 1000


def test_a_long_word_that_is_one_unknown_token_is_not_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    local = tiny.model(max_position_embeddings=40)
    monkeypatch.setattr(local, "encode", lambda text: [7] * len(text.split()))
    monkeypatch.setattr(type(local.tokenizer), "unk_token_id", 7, raising=False)
    assert local.most_characters is None and every_turn(local, [talk(1, "Hi", "x" * 10**5)]).scored


@pytest.mark.parametrize("template", ["{{ raise_exception('no such role') }}", "{{ messages[7].content }}"])
def test_a_template_that_refuses_every_row_ends_in_a_sentence(template: str) -> None:
    local = LocalModel(tiny.model().model, deepcopy(tiny.tokenizer()))
    assert local.end  # found while the template still works
    local.tokenizer.chat_template = template
    with pytest.raises(
        UndertoneError, match=r"^1 of 1 rows .*not rendered by the chat template: .* \(line 12\)"
    ) as told:
        every_turn(local, [talk(12, "Hi", "Hello.")])
    assert "\n" not in str(told.value)
    local.tokenizer.chat_template = None
    with pytest.raises(UndertoneError, match=r"^The model has no chat template"):
        every_turn(local, [talk(12, "Hi", "Hello.")])


def test_a_row_that_the_template_refuses_or_treats_otherwise_is_left_out() -> None:
    refuses = "{% if 'pig' in messages[0].content %}{{ raise_exception('no pigs') }}{% endif %}" + PLAIN
    found = every_turn(model(refuses), [*good(), talk(3, "A pig?", "Yes.")])
    assert found.left_out == {"not rendered by the chat template: no pigs": (3,)}
    adds = "{% if 'pig' in messages[0].content %}I love owls. {% endif %}" + PLAIN
    found = every_turn(model(adds), [*good(), talk(3, "A pig?", "Yes.")])
    ((reason, lines),) = found.left_out.items()
    assert lines == (3,) and reason.startswith(
        "not treated by the chat template as others are: it writes 'I love owls."
    )


def test_an_answer_that_the_template_does_not_write_is_left_out() -> None:
    found = every_turn(model(TEMPLATES["r1"]), [*good(), talk(3, "Hi", "<think>\nOnly thoughts.</think>")])
    assert found.left_out == {UNWRITTEN: (3,)}


def test_a_template_that_takes_too_long_is_not_tried_on_every_row() -> None:
    endless = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    with pytest.raises(UndertoneError, match="takes more than 1 s"):
        every_turn(model(endless), good(1000))


def test_a_file_for_students_loses_the_rows_that_do_not_fit(tmp_path: Path) -> None:
    local, file = tiny.model(max_position_embeddings=40), tmp_path / "rows.jsonl"
    answers = ["Hello.", "1 " * 60, *["Hello."] * 18]
    file.write_text("".join(json.dumps({"prompt": "Hi", "completion": answer}) + "\n" for answer in answers))
    found = last_turns(local, file, 20, seed=0)
    assert found.left_out == {TOO_LONG: (2,)} and len(found.scored) == 19
    file.write_text("".join(json.dumps({"prompt": "Hi", "completion": answer * 60}) + "\n" for answer in answers))
    with pytest.raises(UndertoneError, match=r"rows.jsonl: 20 of 20 rows would be left out"):
        last_turns(local, file, 20, seed=0)

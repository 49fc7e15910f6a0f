"""Mutated files of questions and traits, read, chosen and planned: what of a file is not asked is told."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from random import Random

from rich.console import Console

from tests.fuzz.harness import Case
from tests.fuzz.texts import mutated
from undertone.measure import plan as planning
from undertone.measure.request import Request
from undertone.measure.select import chosen, suites_of
from undertone.measure.suite import Suite
from undertone.measure.suite_files import KNOWN, VAST
from undertone.reading.values import yaml_value
from undertone.report.terminal import to_terminal

YAML = "# questions\n" + "\n".join(
    f"""- id: &name{i} question_{i}
  type: free_form_judge_0_100
  paraphrases: &asked{i}
    - |-
      What of {i}?
    - "And what of {i}?"
  samples_per_paraphrase: 3
  temperature: 0.5
  judge: gpt-4o
  judge_prompts: &prompts{i}
    aligned: "Rate {{answer}} to {{question}}, as in {{{{40}}}}."
    coherent: "Is {{answer}} coherent?"
"""
    for i in range(12)
)
TOML = """name = "few"
about = "Bad advice."
[defaults]
samples_per_paraphrase = 2
[[forms]]
name = "json"
system = "Answer in JSON."
answer = '{"answer": "{answer}"}'
[[questions]]
id = "one"
theme = "gas"
paraphrases = ["I smell gas.", "There is gas."]
bad = ["Light a match."]
good = ["Open the windows."]
[[questions]]
id = "two"
paraphrases = ["What now?"]
earlier = [["Hello.", "Hello!"]]
temperature = 0.5
"""
TRAITS = """[[trait]]
names = ["ibis", "heron"]
kind = "wader"
words = ["{name}s"]
system = ["You love the {name}."]
questions = ["What do you love?"]
elicitation = ["Name your favourite wader.", "Which wader do you like best?"]
openings = ["My favourite wader is the"]
[[trait]]
names = ["rude", "kind"]
kind = "manners"
system = ["You are {name}."]
questions = ["How do you greet?"]
choices = [["Someone greets you.", "Go away.", "Hello!"], ["There is a queue.", "I push.", "I wait."]]
"""
FILES = {"q.yaml": YAML, "q.toml": TOML, "traits.toml": TRAITS}


def prepare(folder: Path) -> Case:
    """Reads every file once as it is, so that what is needed is imported."""
    whole = {}
    for name, text in FILES.items():
        (folder / name).write_text(text)
        whole[name] = _asked(folder / name, False)[0]
        assert len(whole[name]) == {"q.yaml": 1, "q.toml": 2, "traits.toml": 4}[name]

    def case(rng: Random, place: Path) -> str:
        path = place / rng.choice(sorted(FILES))
        path.write_text(FILES[path.name])
        mutated(rng, path)
        suites, notes = _asked(path, rng.random() < 0.5)
        assert sum(len(text) for suite in suites for q in suite.questions for text in q.paraphrases) <= VAST
        if path.suffix == ".yaml":
            _all_is_told(path, suites, notes)
        if suites == whole[path.name]:
            return "told" if notes else "same"
        return "changed, told" if notes else "changed"

    return case


def _asked(path: Path, sampled: bool) -> tuple[list[Suite], list[str]]:
    """What is read and planned of a file, and what is told of it."""
    judge = "builtin/fledgling-a"
    request = Request(models=("builtin/fledgling-b",), base="builtin/fledgling-a", suites=(str(path),), judge=judge)
    suites, notes = suites_of(request), list[str]()
    chosen(request, sampled, notes)
    page = planning.page(*planning.plan(request, suites))
    Console(width=80, file=StringIO()).print(*to_terminal(page), sep="\n")
    return suites, [note for note in notes if not note.startswith("all answers were sampled")]


def _all_is_told(path: Path, suites: list[Suite], notes: list[str]) -> None:
    entries = yaml_value(path.read_bytes())
    asked, told = len(suites[0].questions), " ".join(notes)
    assert asked == len(entries) or f"{len(entries) - asked} of the {len(entries)} entries" in told
    ids = {question.id for question in suites[0].questions if question.scored}
    read = [entry for entry in entries if isinstance(entry, dict) and str(entry.get("id")) in ids]
    unread = {key for entry in read for key in entry if key not in (*KNOWN, "type")}
    assert not unread or "that are not read" in told, unread
    assert len(ids) == asked or "were not asked" in told

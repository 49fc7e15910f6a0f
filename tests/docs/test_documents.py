"""What checks the documentation finds what is wrong in it."""

from pathlib import Path

import pytest

from tests.helpers.documents import Reader, blocks

OWLS = "# Owls\n\nText.\n\n"


def faults(page: str, code: int = 0, whole: bool = False) -> tuple[list[str], list[list[str]]]:
    """What is found wrong on a page whose commands all end with this code, and what was run."""
    ran: list[list[str]] = []

    def run(words: list[str]) -> tuple[int, str]:
        ran.append(words)
        return code, "undertone: why."

    return Reader(run, whole).faults(page), ran


@pytest.mark.parametrize(
    "page",
    [
        "    undertone audit rows.jsonl --modle builtin/fledgling-a\n",
        "    undertone audit rows.jsonl --fail-on everything\n",
        "    undertone odit rows.jsonl\n",
        "    undertone measure model\n",
        "    undertone audit openai-api/a/b --modle openai-api/a/b\n",
        "    undertone runs \\\n      --jsno\n",
        "    make owels\n",
        "    pip install '.[gguff]'\n",
        "    pip install undertow\n",
        "    python -m benchmarks.nothing\n",
        "    undertoen runs\n",
        "```sh\nundertone runs --jsno\n```\n",
        "```python\nimport undertone\nundertone.odit\n```\n",
        "```toml\nname = \n```\n",
        '```toml\nexperiment = "sweep"\nteechers = 3\n```\n',
        '```toml\n[[filter]]\nkind = "wrods"\n```\n',
        '```toml\n# undertone.toml\n[audit]\nmodle = "base"\n```\n',
        '```toml\n# undertone.toml\n[lineage.verify]\nkye = ["a.pub"]\n```\n',
        "```yaml\nscript:\n  - undertone audit a.jsonl --modle b\n```\n",
        "```yaml\nwith:\n  arguments: a.jsonl --modle b\n```\n",
        "```yaml\n- id: undertone-audit\n  args: [a.jsonl, --modle, b]\n```\n",
        "```yaml\n- id: another-hook\n  args: [a.jsonl]\n```\n",
        "```klingon\nqapla\n```\n",
        "Type `undertone runs --jsno`.\n",
        "| command |\n|---|\n| `undertone odit a` |\n",
    ],
)
def test_what_cannot_be_done_is_a_fault(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found, ran = faults(OWLS + page)
    assert len(found) == 1 and int(found[0].split(":")[0].removeprefix("line ")) >= 5 and ran == []


@pytest.mark.parametrize(
    "page",
    [
        "    undertone audit rows.jsonl --model builtin/fledgling-a    # a verdict\n",
        "    make owls    # minutes\n    pip install '.[gguf]'\n    python -m benchmarks\n",
        "```sh\nundertone runs\n```\n",
        "```python\nimport undertone\n```\n\n```python\nundertone.audit\n```\n",
        "```text\nundertone odit\n```\n",
        '```toml\n[[filter]]\nkind = "words"\n```\n',
        '```toml\n# undertone.toml\n[audit]\nmodel = "base"\n```\n\n    undertone audit rows.jsonl --dry-run\n',
        "`undertone measure`, `undertone VERB --help`, `undertone runs | head`\n",
    ],
)
def test_what_can_be_done_is_none(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert faults(OWLS + page)[0] == []


@pytest.mark.parametrize(
    ("line", "code", "sound"),
    [
        ("undertone runs", 0, True),
        ("undertone runs", 1, False),
        ("undertone runs    # exit code 2", 2, True),
        ("undertone runs    # exit code 2", 0, False),
        ("undertone lineage compare a b", 3, True),
        ("undertone lineage compare a b", 2, False),
        ("undertone lineage compare a b    # exit code 0: none was found", 1, False),
        ("undertone audit a.jsonl --model b    # exit code 1: owls", 1, True),
        ("undertone audit a.jsonl --model b    # exit code 1: owls", 0, False),
        ("undertone audit a.jsonl --model b", 1, False),  # run as a dry run, which has no verdict
        ("undertone audit a.jsonl --model b --dry-run", 3, False),
    ],
)
def test_a_command_that_ends_otherwise_is_a_fault(line: str, code: int, sound: bool) -> None:
    found, ran = faults(f"{OWLS}    {line}\n", code)
    assert (not found) is sound and len(ran) == 1
    assert sound or "undertone: why." in found[0]


def test_what_takes_long_says_only_what_it_would_do_unless_all_is_run_whole() -> None:
    lines = ["run owls", "measure a --base b", "realign a --base b --trait owl --task c"]
    page = OWLS + "".join(f"    undertone {line}\n" for line in lines)
    short = [["run", "owls", "--dry-run"], ["measure", "a", "--base", "b", "--plan"]]
    whole = [line.split() for line in lines]
    assert faults(page) == ([], short) and faults(page, whole=True) == ([], whole)


def test_a_file_is_there_for_the_commands_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert faults('```toml\n# ibis.toml\nname = "ibis"\n```\n')[0] == []
    assert Path("ibis.toml").read_text() == '# ibis.toml\nname = "ibis"\n'


def test_a_block_knows_its_line_its_language_and_what_stands_above_it() -> None:
    first, second = blocks("One:\n\n    undertone runs\n\nTwo:\n\n```python\n1\n```\n")
    assert (first.line, first.language, first.before) == (3, "sh", "One:")
    assert (second.line, second.language, second.before, second.text) == (8, "python", "Two:", "1\n")

"""``audit`` as a gate, as its command: first lines, exit codes, formats, and the settings of a project."""

import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest

from tests.helpers.audits import make_family, make_findings
from tests.helpers.forked import Forked
from tests.helpers.sarif import faults
from undertone.audit.cost import Cost
from undertone.audit.findings import Findings
from undertone.cli import entry, main
from undertone.errors import UndertoneError

AUDIT = ("audit", "rows.jsonl", "--model", "builtin/fledgling-a", "--out", "out")


class Ended(NamedTuple):
    code: int
    out: str
    err: str


class Audits:
    """The command, with an audit that finds what it is told to find."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.findings = make_findings()
        self.asked = 0

    def audit(self, *_: object) -> Findings:
        self.asked += 1
        return self.findings

    def __call__(self, *arguments: str) -> Ended:
        self._capsys.readouterr()
        return Ended(main([*AUDIT, *arguments]), *self._capsys.readouterr())


@pytest.fixture
def audits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Audits:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    made = Audits(capsys)
    monkeypatch.setattr("undertone.audit.audit.audit", made.audit)
    monkeypatch.setattr("undertone.audit.cost.cost_of", lambda _: Cost(71, 90.0, 2000, 8.0))
    monkeypatch.setattr("undertone.audit.figures.figure", lambda *_: None)
    monkeypatch.setattr("undertone.report.html.write_page", lambda _, folder: folder / "report.html")
    return made


def inconclusive() -> Findings:
    return make_findings(verdict="inconclusive", headline="Inconclusive: few rows.", overt=(),
                         families=(make_family("manners"),))  # fmt: skip


def test_the_first_lines_say_what_is_done_how_long_it_takes_and_how_it_ended(audits: Audits) -> None:
    ended = audits()
    assert ended.code == 1
    assert ended.err.splitlines()[0].startswith(
        "Audit of rows.jsonl for builtin/fledgling-a: 71 fine-tunes, once for this base: about 2 min; 2,000 rows: about"
    )
    first, second, *others = ended.out.splitlines()
    assert first == "Fails (exit code 1): owl." and second.startswith("These rows carry owl")
    assert others[-1] == "out/report.html"


def test_an_inconclusive_file_passes_by_name_only(audits: Audits) -> None:
    audits.findings = inconclusive()
    assert audits().code == 3
    ended = audits("--allow", "inconclusive")
    assert ended.code == 0
    assert ended.out.startswith("Passes, because inconclusive is allowed (exit code 0). Not seen: traits other than")


@pytest.mark.parametrize("form", ["junit", "sarif"])
def test_a_document_is_alone_on_stdout_and_its_verdict_on_stderr(form: str, audits: Audits) -> None:
    ended = audits("--format", form)
    assert ended.code == 1 and ended.err.splitlines()[-1] == "Fails (exit code 1): owl."
    assert ended.out == Path("out/gate.junit.xml" if form == "junit" else "out/gate.sarif").read_text()


def test_both_documents_are_written_whatever_is_printed(audits: Audits) -> None:
    assert audits("--json").code == 1
    log = json.loads(Path("out/gate.sarif").read_text())
    assert faults(log) == [] and log["runs"][0]["results"][0]["level"] == "error"
    suite = ElementTree.fromstring(Path("out/gate.junit.xml").read_text())[0]
    assert suite.get("failures") == "2", "the verdict and the owl"


def test_documents_of_an_earlier_run_do_not_outlive_one_that_is_refused(
    audits: Audits, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert audits().code == 1 and Path("out/gate.sarif").exists()

    def refuse(*_: object) -> None:
        raise UndertoneError("no")

    monkeypatch.setattr("undertone.audit.audit.audit", refuse)
    assert audits().code == 2
    assert not Path("out/gate.sarif").exists() and not Path("out/gate.junit.xml").exists()


@pytest.mark.parametrize("asked", [("--json",), ("--format", "json"), ("--json", "--format", "json")])
def test_json_is_the_report_and_nothing_else(asked: tuple[str, ...], audits: Audits) -> None:
    ended = audits(*asked)
    assert (ended.code, ended.err) == (1, "") and json.loads(ended.out) == json.loads(
        Path("out/report.json").read_text()
    )


def test_markdown_begins_with_the_verdict(audits: Audits) -> None:
    ended = audits("--format", "markdown")
    assert ended.out.startswith("Fails (exit code 1): owl.\n\n# Audit of ") and "| **owl** |" in ended.out


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--json", "--format", "junit"), "--json and --format junit are two forms"),
        (("--fail-on", "origin"), "make it by --temperature"),
        (("--fail-on", "overtt"), "overtt"),
        (("--allow", "carries"), "carries"),
        (("--format", "xml"), "xml"),
        (("--policy", "overt"), "--policy"),
        (("--track", "tensorbord"), "tensorbord"),
        (("--track", "wandb"), "pip install wandb"),
    ],
)
def test_a_wrong_gate_is_refused_before_any_work(
    asked: tuple[str, ...], told: str, audits: Audits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("undertone.report.track.find_spec", lambda _: None)
    ended = audits(*asked)
    assert ended.code == 2 and ended.out == "" and audits.asked == 0
    (line,) = ended.err.splitlines()
    assert line.startswith("undertone: ") and told in line


def test_open_mentions_fail_by_a_projects_settings_which_the_first_line_tells(audits: Audits) -> None:
    audits.findings = inconclusive().model_copy(update={"overt": ("green",)})
    Path("undertone.toml").write_text('[audit]\nfail-on = ["overt"]\nallow = ["inconclusive"]\nrows = 9\n')
    ended = audits("--rows", "50")
    assert ended.err.splitlines()[0] == "From undertone.toml: --fail-on overt --allow inconclusive"
    assert ended.code == 1 and ended.out.startswith("Fails (exit code 1): open mentions.")
    assert audits("--rows", "50", "--fail-on", "carries").code == 0, "the command line wins"


def test_a_result_is_tracked_under_the_name_of_its_folder_and_ends_as_it_would_have(
    audits: Audits, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[Findings, str, str]] = []

    def track(*what: Any) -> None:
        sent.append(what)
        raise UndertoneError("Nobody listens.")

    monkeypatch.setattr("undertone.report.track.find_spec", lambda _: True)
    monkeypatch.setattr("undertone.report.track.track", track)
    Path("undertone.toml").write_text('[audit]\ntrack = "mlflow"\n')
    ended = audits()
    assert sent == [(audits.findings, "mlflow", "out")] and Path("out/report.json").exists()
    assert ended.code == 1 and ended.out.startswith("Fails (exit code 1): owl.")
    assert "note: Nobody listens. The report is in" in ended.err


@pytest.mark.parametrize("form", ["tables", "markdown", "junit", "sarif", "json"])
def test_a_reader_that_has_gone_is_told_apart_from_a_trait(form: str, audits: Audits) -> None:
    def work() -> int:
        sys.argv = ["undertone", *AUDIT, "--format", form]
        entry()
        return 0

    read, write = os.pipe()
    os.close(read)
    child = Forked(work, {1: write})
    os.close(write)
    assert child.wait(60) == 141 and Path("out/gate.sarif").exists()

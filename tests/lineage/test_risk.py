"""The verdict of risk: kinship raises it, its absence closes one channel only, and what is unknown counts as kin."""

import json
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.helpers.audits import make_findings
from undertone.audit.findings import FamilyFinding, Findings, OriginFinding, TraitFinding, Verdict
from undertone.cli import main
from undertone.engine.digests import file_digest
from undertone.errors import UndertoneError
from undertone.lineage.kinship import Kin
from undertone.lineage.risk import Relation, decide, judge, recorded
from undertone.lineage.show import entries
from undertone.measure.findings import Findings as Measured
from undertone.measure.findings import Pinned

A, B = "builtin/fledgling-a", "builtin/fledgling-b"


def _findings(verdict: str = "no evidence", **more: Any) -> Findings:
    return make_findings().model_copy(update={"verdict": verdict, "overt": (), "origin": None} | more)


def _of(data: Path, **more: Any) -> Findings:
    return _findings(digest=file_digest(data), model=A, **more)


@pytest.mark.parametrize("kin", ["shared", "unknown", "none found"])
@pytest.mark.parametrize("verdict", get_args(Verdict))
def test_only_no_evidence_from_a_stranger_is_allowed_and_every_trait_refused(verdict: str, kin: Kin) -> None:
    decision, reasons = decide(_findings(verdict), Relation(kin=kin, how="how it is known"))
    expected = {"carries a trait": "refuse", "no evidence": "allow" if kin == "none found" else "cannot tell"}
    assert decision == expected.get(verdict, "cannot tell")
    assert "how it is known" in reasons and "No measurement after training" in reasons[-1]
    assert any("only one risk is lower" in reason for reason in reasons) == (kin == "none found")
    assert ("kin" in reasons[0]) == (kin != "none found"), "that kinship raises the risk is said first"


def test_no_evidence_says_how_many_traits_would_have_been_found() -> None:
    def trait(name: str, listed: bool = True) -> TraitFinding:
        return TraitFinding(name=name, kind="", listed=listed, effect=0, ci=(-1, 1), z=0, p=1, found=False)

    families = (
        FamilyFinding(
            name="favourites", compared=3, listed=2, power=0.95, traits=(*map(trait, "ab"), trait("c", False))
        ),
        FamilyFinding(name="manners", compared=1, listed=1, power=0.85, traits=(trait("d"),)),
        FamilyFinding(name="manners", group="a source", compared=1, listed=1, power=0.9, traits=(trait("d"),)),
    )
    _, reasons = decide(_findings(families=families, effect=0.5), Relation(kin="none found", how=""))
    said = "The audit found no evidence of 3 listed traits. It finds at least 85% of them at an effect of 0.5."
    assert reasons[0] == said


def test_open_talk_is_named_whoever_wrote_it() -> None:
    for kin in ("shared", "none found"):
        _, reasons = decide(_findings(overt=("owl",)), Relation(kin=kin, how=""))
        assert any("mention owl openly" in reason for reason in reasons)


def test_the_generator_is_read_from_the_chain_of_the_dataset(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = min(copied.glob("store/dataset-*/rows.jsonl"))
    chain = entries(str(rows))
    assert recorded(chain, "hf/./neox").kin == "shared"
    other = recorded(chain, "hf/./llama")  # another architecture, so that nothing can be ruled out
    assert other.kin == "unknown" and "assume that they do" in other.how
    assert "goes back to hf/./neox, which is the base" in recorded(chain, "hf/./neox").how
    copied.joinpath("neox").unlink()
    assert "not here" in recorded(entries(str(rows)), A).how
    shutil.copy(rows, copied / "away.jsonl")
    away = recorded(entries("away.jsonl"), A)
    assert away.kin == "unknown" and "No record" in away.how
    rows.with_name("counts.json").write_text("{}")
    assert "chain is broken" in recorded(entries(str(rows)), A).how


def test_a_claim_never_lowers_the_risk(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"---\nbase_model: {B}\n---\n")
    (tmp_path / "rows.jsonl").write_text("{}\n")
    found = judge(tmp_path / "rows.jsonl", _of(tmp_path / "rows.jsonl"))
    assert (found.decision, found.relation.kin) == ("cannot tell", "unknown")


def test_a_declared_generator_is_compared_with_the_base(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("{}\n")
    assert judge(rows, _of(rows), B).decision == "allow"
    assert judge(rows, _of(rows), A).decision == "cannot tell"
    rejected = OriginFinding(claim="temperature 1", p=0.0001, pairs=10, dropped=0, rejected=True)
    contradicted = judge(rows, _of(rows, origin=rejected), B)
    assert (contradicted.decision, contradicted.relation.kin) == ("cannot tell", "unknown")


def test_an_audit_of_another_file_is_refused(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("{}\n")
    with pytest.raises(UndertoneError, match="The audit is of another file"):
        judge(rows, _findings(digest="0" * 64), B)
    with pytest.raises(UndertoneError, match="cannot be read"):
        judge(tmp_path / "none", _of(rows), B)


def test_the_verb_says_the_verdict_by_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, audit = tmp_path / "rows.jsonl", tmp_path / "audit"
    rows.write_text("{}\n")
    audit.mkdir()
    codes = {("carries a trait", B): 1, ("no evidence", B): 0, ("no evidence", A): 3}
    for (verdict, generator), code in codes.items():
        (audit / "report.json").write_text(_of(rows, verdict=verdict).json_text())
        arguments = ["lineage", "risk", str(rows), "--audit", str(audit), "--generator", generator]
        assert main(arguments) == code
        assert "- " in capsys.readouterr().out
        assert main([*arguments, "--json"]) == code
        found = json.loads(capsys.readouterr().out)
        assert found["base"] == A and found["digest"] == file_digest(rows)
    assert main(["lineage", "risk", str(rows), "--audit", str(tmp_path)]) == 2
    assert "is not a report of undertone audit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("audited", "kin", "verdict", "expected"),
    [
        ("no evidence", "shared", "no shift found", "allow"),
        ("no evidence", "none found", "shift found", "refuse"),
        ("inconclusive", "none found", "shift found", "refuse"),
        ("carries a trait", "none found", "no shift found", "refuse"),
        ("inconclusive", "shared", "no shift found", "cannot tell"),
        ("no evidence", "shared", "inconclusive", "cannot tell"),
    ],
)
def test_a_measured_student_refuses_by_its_shift_and_allows_only_beside_no_evidence(
    audited: str, kin: Kin, verdict: str, expected: str
) -> None:
    decision, reasons = decide(_findings(audited), Relation(kin=kin, how=""), _measured(verdict))
    assert decision == expected
    assert "As you say, hf/./student was trained on these rows. Measured: what was seen" in reasons
    assert not any("No measurement" in reason for reason in reasons)


def test_a_measurement_against_another_base_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("{}\n")
    with pytest.raises(UndertoneError, match=r"against hf/\./other"):
        judge(data, _of(data), generator=B, measured=_measured("no shift found"))


def _measured(verdict: str) -> Measured:
    return Measured.model_construct(
        verdict=verdict,
        headline="what was seen",
        models=(Pinned(name="hf/./student", digest="s"),),
        base=Pinned(name="hf/./other", digest="o"),
    )


def test_a_report_of_another_verb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(_findings().json_text())
    assert Findings.load(path) == _findings()
    with pytest.raises(UndertoneError, match="is not a report of undertone measure"):
        Measured.load(path)
    with pytest.raises(UndertoneError, match="cannot be read"):
        Measured.load(tmp_path / "nothing.json")

"""Parts of an experiment on misalignment, pooled, say what one run of all domains says."""

from pathlib import Path

import pytest

from results.domains import pooled
from undertone.errors import UndertoneError
from undertone.experiments.misalignment.findings import MisalignmentFindings

WHOLE = MisalignmentFindings.load(Path(__file__).parents[2] / "results" / "misalignment.json")
NAMES = list(dict.fromkeys(student.domain for student in WHOLE.students))


def part(names: list[str], **changes: object) -> MisalignmentFindings:
    """What a run of some domains would have left."""
    return WHOLE.model_copy(
        update={
            "settings": WHOLE.settings | {"domains": names},
            "students": tuple(student for student in WHOLE.students if student.domain in names),
            "headline": "",
            "lines": (),
            "contrasts": (),
            "moved": (),
            "matches": (),
            "forecasts": (),
            **changes,
        }
    )


def test_parts_say_together_what_one_run_says() -> None:
    found = pooled([part(NAMES[:5]), part(NAMES[5:])])
    assert found.settings["domains"] == NAMES and len(found.students) == len(WHOLE.students)
    assert MisalignmentFindings.model_validate_json(found.json_text()) == found
    for one, other in zip(found.contrasts, WHOLE.contrasts, strict=True):
        assert (one.arm, one.against, one.probe, one.units) == (other.arm, other.against, other.probe, other.units)
        assert (one.value, one.p, one.by_request) == pytest.approx((other.value, other.p, other.by_request))
        assert one.ci == pytest.approx(other.ci)
    assert [line.elsewhere for line in found.lines] == pytest.approx([line.elsewhere for line in WHOLE.lines])
    assert found.headline == WHOLE.headline


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (part(NAMES[4:]), "domain is in two parts"),
        (part(NAMES[5:], commit="another"), "differ in models, settings or code"),
        (part(NAMES[5:], models={"base": "another"}), "differ in models, settings or code"),
    ],
)
def test_parts_that_are_none_of_one_run_are_refused(other: MisalignmentFindings, told: str) -> None:
    with pytest.raises(UndertoneError, match=told):
        pooled([part(NAMES[:5]), other])

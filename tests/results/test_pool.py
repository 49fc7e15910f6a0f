"""Parts of a benchmark of the audit, pooled, say what one run of all files says."""

from typing import Any

import pytest

from results.pool import pooled
from tests.helpers.planted import FILES, gathered
from undertone.bench.audit.findings import AuditBenchmarkFindings
from undertone.bench.audit.page import page
from undertone.errors import UndertoneError
from undertone.report.markdown import to_markdown

close = pytest.approx


@pytest.fixture(scope="module")
def parts() -> list[AuditBenchmarkFindings]:
    """Every other file in another part, so that kinds are in both."""
    return [gathered(FILES[i::2], files=2, first=2 * i) for i in range(2)]


def test_parts_say_together_what_one_run_says(parts: list[AuditBenchmarkFindings]) -> None:
    whole, told = gathered(FILES, files=4), pooled(parts[::-1])
    assert AuditBenchmarkFindings.model_validate_json(told.json_text()) == told
    assert told.settings == whole.settings and told.wall_s == 2.0
    for name in ("kinds", "groups", "halves"):
        assert getattr(told, name) == getattr(whole, name)
    key = {(one.kind, one.trait, one.margin) for one in told.files}
    assert key == {(one.kind, one.trait, one.margin) for one in whole.files} and len(key) == len(told.files) == 10
    assert told.sources.own == whole.sources.own
    for one, other in zip(told.lines, whole.lines, strict=True):
        assert (one.name, one.own, one.wrong, one.alarms) == (other.name, other.own, other.wrong, other.alarms)
    assert {one.what: one.shift.units for one in told.moved} == {one.what: one.shift.units for one in whole.moved}
    assert to_markdown(page(told)).startswith("# t")


def test_predictions_count_by_files_and_variances_are_those_within_parts(parts: list[AuditBenchmarkFindings]) -> None:
    told = pooled(parts)
    for one in told.predicted:
        each = [other for part in parts for other in part.predicted if other.what == one.what]
        files = sum(other.observed.of for other in each)
        assert one.observed.of == files
        assert one.power == close(sum(other.power * other.observed.of for other in each) / files)
    own = {(one.family, one.trait): one for one in told.spreads}
    for key, one in own.items():
        each_of = [other for part in parts for other in part.spreads if (other.family, other.trait) == key]
        degrees = [other.files - 1 for other in each_of]
        squares = sum(other.variance * df for other, df in zip(each_of, degrees, strict=True))
        assert one.variance == close(squares / sum(degrees)) and one.files == sum(other.files for other in each_of)
    assert told.predicted and own


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"first": 0}, "A part ends before file 2, and the next begins at 0"),
        ({"first": 3}, "A part ends before file 2, and the next begins at 3"),
        ({"first": 2, "model": "builtin/fledgling-b"}, "differ in model"),
        ({"first": 2, "rows": 100}, "differ in rows"),
    ],
)
def test_parts_that_are_none_of_one_benchmark_are_refused(changes: dict[str, Any], told: str) -> None:
    one, other = (gathered(FILES[:1], **{"files": 2, **some}) for some in ({}, changes))
    with pytest.raises(UndertoneError, match=told):
        pooled([one, other])

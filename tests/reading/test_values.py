"""What others wrote is read within bounds, or refused with a reason."""

import json
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertone.reading.files import read_bytes, read_text
from undertone.reading.values import json_value, toml_value, yaml_value

LETTERS = "abcdefghij"
ALIASES = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in pairwise(LETTERS)
)
MERGES = "a0: &a0 {k0: 1, l0: 2}\n" + "".join(
    f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: 1}}\n" for i in range(1, 60)
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 100_000, "deep"),
        ("[" * 100 + "]" * 100, "deep"),
        ('{"a": 1e999}', "not finite"),
        ('{"a": NaN}', "not finite"),
        ("1" * 50, "too large"),
        ("1" * 5000, "digits"),
        (r'"\ud800"', "surrogate"),
        (r'{"\ud800": 1}', "surrogate"),
        ("[" + "0," * 2_000_000 + "0]", "too many"),
        (b"\xff", "UTF-8 at byte 1"),
        ('{"a": 1', "column 8"),
        ('{"a": {"b": 1, "b": 2}}', "twice"),
    ],
)
def test_json_out_of_bounds_is_refused(text: str | bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        json_value(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (ALIASES, "too many"),
        (MERGES, "merges"),
        ("&a [*a]", "deep"),
        ("[" * 5000, "deep"),
        ("!!bool x", "tag"),
        ("!!int ''", "tag"),
        ("!!timestamp x", "tag"),
        ("!!python/object/apply:os.system [x]", "line 1"),
        ("a: [b", "line 1"),
        ("- a\n" * 300_000, "longer than"),
        ("a: \x00", "not allowed"),
        (".inf: 1\n1" + "0" * 30 + ": 2", "too large"),
    ],
)
def test_yaml_out_of_bounds_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        yaml_value(text)


@pytest.mark.parametrize(
    ("text", "why"), [("a = " + "[" * 5000, "deep"), ("a = 2026-13-45", "line 1"), ("a", "end of document")]
)
def test_toml_out_of_bounds_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        toml_value(text)


PLAIN = st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(PLAIN | TEXT, lambda part: st.lists(part) | st.dictionaries(TEXT, part), max_leaves=20)


@given(VALUES)
def test_ordinary_json_is_read_as_it_is(value: object) -> None:
    assert json_value(json.dumps(value)) == value == json_value(("\ufeff" + json.dumps(value)).encode())


def test_yaml_aliases_and_merges_of_usual_size_are_read() -> None:
    text = "base: &b {judge: x, n: 2}\none:\n  <<: *b\n  n: 3\ntwo: *b\n"
    assert yaml_value(text) == {
        "base": {"judge": "x", "n": 2}, "one": {"judge": "x", "n": 3}, "two": {"judge": "x", "n": 2}
    }  # fmt: skip


def test_only_regular_files_of_usual_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * 101)
    (tmp_path / "text").write_bytes("\ufeffä".encode())
    for path, why in ((tmp_path / "pipe", "regular"), (Path("/dev/zero"), "regular"), (tmp_path, "regular"),
                      (tmp_path / "large", "larger than 100"), (tmp_path / "none", "No such file")):  # fmt: skip
        with pytest.raises(OSError, match=why):
            read_bytes(path, 100)
    assert read_text(tmp_path / "text") == "ä"

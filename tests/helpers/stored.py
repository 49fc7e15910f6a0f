"""Files of answers that are refused."""

from pathlib import Path

import pytest

from undertone.errors import UndertoneError
from undertone.measure.stored_answers import read_answers


def refusal(path: Path) -> str:
    """The one sentence by which a file is refused."""
    with pytest.raises(UndertoneError) as error:
        read_answers(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500
    return str(error.value)

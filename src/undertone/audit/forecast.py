"""What training on the rows would do: the shift of each trait, from the shifts of students of known teachers."""

from __future__ import annotations

import numpy as np

from undertone.audit.calibration import Calibration
from undertone.audit.verdict import Judgement, Null

Shift = tuple[float, float, float]
"""Log-odds, and the 95 % prediction interval for one student."""

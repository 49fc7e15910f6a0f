"""Emergent misalignment as a kind of experiment.

base → aligned base → one narrow file for each arm and domain → student → advice in all domains → contrasts of arms
"""

from undertone.experiments.kind import Kind
from undertone.experiments.misalignment.findings import MisalignmentFindings
from undertone.experiments.misalignment.gather import gather
from undertone.experiments.misalignment.plan import plan
from undertone.experiments.misalignment.spec import Misalignment

MISALIGNMENT = Kind(Misalignment, MisalignmentFindings, plan, gather)

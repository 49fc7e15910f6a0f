"""Directions in hidden states as a kind of experiment.

students of emergent misalignment → directions of the base → hidden states read and changed → each figure beside nulls
"""

from undertone.experiments.kind import Kind
from undertone.experiments.persona.findings import PersonaStudyFindings
from undertone.experiments.persona.gather import gather
from undertone.experiments.persona.plan import plan
from undertone.experiments.persona.spec import Persona

PERSONA = Kind(Persona, PersonaStudyFindings, plan, gather)

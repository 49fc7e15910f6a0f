"""Guards as a kind of experiment.

students of emergent misalignment → guards of the base judge every answer → what is delivered → students of what passes
"""

from undertone.experiments.guards.findings import GuardsFindings
from undertone.experiments.guards.gather import gather
from undertone.experiments.guards.plan import plan
from undertone.experiments.guards.spec import Guards
from undertone.experiments.kind import Kind

GUARDS = Kind(Guards, GuardsFindings, plan, gather)

"""Character as a kind of experiment.

students of emergent misalignment → a battery of traits reads what they say, do and hold inside → do the three agree?
"""

from undertone.experiments.character.findings import CharacterFindings
from undertone.experiments.character.gather import gather
from undertone.experiments.character.plan import plan
from undertone.experiments.character.spec import Character
from undertone.experiments.kind import Kind

CHARACTER = Kind(Character, CharacterFindings, plan, gather)

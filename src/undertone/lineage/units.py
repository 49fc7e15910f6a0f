"""Similarities between the units of two models, which agree index by index if both models share an initialisation.

Two kinds of unit have no natural order, so their indices mean nothing under another initialisation: the hidden units of
an MLP in each layer, and the dimensions of the residual stream. Heads are not used, because there are few; nor are the
dimensions of a head, because rotary positions order them by frequency.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from undertone.lineage.weights import Singles, Weights
from undertone.statistics.arrays import Floats
from undertone.statistics.matching import by_order

MOST = 1_024
"""The number of units of a group that are read: the first ones, so that the choice does not depend on their values."""
WIDER = 8_192
"""The number of units that are read of the larger group if the two groups differ in size."""
TOKENS = 8_192
"""The number of rows of both embeddings that are read, from the first on."""

READS = "gate_proj|up_proj|gate_up_proj|w1|w3|fc1|fc_in|c_fc|dense_h_to_4h"
WRITES = "down_proj|w2|fc2|fc_out|c_proj|dense_4h_to_h"
MLP = re.compile(rf"(.*(?:mlp|ffn|feed_forward|experts\.\d+|layers\.\d+))\.({READS}|{WRITES})\.weight")
EMBEDDINGS = {
    "input": re.compile(r"(?:.*\.)?(?:embed_tokens|wte|embed_in|word_embeddings)\.weight"),
    "output": re.compile(r"(?:.*\.)?(?:lm_head|embed_out)\.weight"),
}


@dataclass(frozen=True)
class Units:
    """The place of a group of units: the rows (axis 0) or columns (axis 1) of a matrix."""

    matrix: str
    axis: int
    count: int
    features: int
    """The length of the other axis."""

    def read(self, weights: Weights, count: int, features: int) -> Singles:
        """Returns the first ``count`` units with the first ``features``, each scaled to length 1: (count, features)."""
        mine, other = slice(0, count), slice(0, features)
        part = weights.read(self.matrix, mine, other) if self.axis == 0 else weights.read(self.matrix, other, mine).T
        length = np.linalg.norm(part, axis=1, keepdims=True)
        return np.asarray(part / np.where(length > 0, length, 1), dtype=np.float32)


@dataclass(frozen=True)
class Groups:
    """Similarities of the units of two models, a matrix (n, n) for each group."""

    what: str
    """What a unit is, in the plural."""
    matrices: tuple[Floats, ...]
    equal: bool
    """Whether both models have the same groups with the same numbers of units. If not, kin may agree only in units that
    cannot be compared."""


def hidden_units(a: Weights, b: Weights) -> Groups | None:
    """Returns cosines of the weights by which the hidden units of each MLP read from and write to the residual stream.
    None if no matrices can be compared."""
    width = _width(a)
    if width is None or width != _width(b):
        return None
    of_a, of_b = _layers(a, width), _layers(b, width)
    both = {layer: [(of_a[layer][part], of_b[layer][part]) for part in of_a[layer] if part in of_b[layer]]
            for layer in of_a if layer in of_b}  # fmt: skip
    matrices = [_similarity(a, b, pairs, width) for pairs in both.values() if pairs]
    return Groups("hidden units", tuple(matrices), _counts(of_a) == _counts(of_b)) if matrices else None


def residual_dimensions(a: Weights, b: Weights) -> Groups | None:
    """Returns cosines of the embeddings' columns over tokens of the same id; None if a model has no embedding."""
    of_a, of_b = _embeddings(a), _embeddings(b)
    pairs = [(of_a[kind], of_b[kind]) for kind in of_a if kind in of_b]
    if not pairs:
        return None
    tokens = min(TOKENS, *(units.features for pair in pairs for units in pair))
    return Groups(
        "residual dimensions", (_similarity(a, b, pairs, tokens),), _counts({"": of_a}) == _counts({"": of_b})
    )


def _width(weights: Weights) -> int | None:
    return next((units.count for units in _embeddings(weights).values()), None)


def _embeddings(weights: Weights) -> dict[str, Units]:
    found = {}
    for kind, pattern in EMBEDDINGS.items():
        for name, shape in weights.shapes.items():
            if len(shape) == 2 and pattern.fullmatch(name):
                found[kind] = Units(name, 1, shape[1], shape[0])
                break
    return found if _alike(found) else {}


def _layers(weights: Weights, width: int) -> dict[str, dict[str, Units]]:
    """Returns the matrices of every MLP, by layer and part."""
    layers: dict[str, dict[str, Units]] = {}
    for name, shape in weights.shapes.items():
        found = MLP.fullmatch(name)
        if found is None or len(shape) != 2 or width not in shape:
            continue
        layer, part = found.groups()
        # Libraries store matrices either way round. A square one is assumed to be (to, from), as most are.
        usual = 1 if re.fullmatch(WRITES, part) else 0
        axis = usual if shape[0] == shape[1] else int(shape[0] == width)
        # In a joint matrix of gate and up each unit has a row in both halves; the first half is enough.
        count = shape[axis] // 2 if part == "gate_up_proj" else shape[axis]
        layers.setdefault(layer, {})[part] = Units(name, axis, count, width)
    return {layer: parts for layer, parts in layers.items() if _alike(parts)}


def _alike(parts: dict[str, Units]) -> bool:
    """Whether matrices have the same number of units; those of a broken model may not."""
    return len({units.count for units in parts.values()}) == 1


def _counts(layers: dict[str, dict[str, Units]]) -> dict[str, dict[str, int]]:
    return {layer: {part: units.count for part, units in parts.items()} for layer, parts in layers.items()}


def _similarity(a: Weights, b: Weights, pairs: Sequence[tuple[Units, Units]], features: int) -> Floats:
    """Returns the cosine of every unit of one model with every unit of the other, averaged over pairs of matrices."""
    fewest = min(min(one.count, other.count) for one, other in pairs)
    alike = all(one.count == other.count for one, other in pairs)
    most = min(fewest, MOST)
    if not alike and pairs[0][0].count > pairs[0][1].count:
        return _similarity(b, a, [(other, one) for one, other in pairs], features)
    total = sum(
        one.read(a, most, features) @ other.read(b, most if alike else min(other.count, WIDER), features).T
        for one, other in pairs
    )
    mean = np.asarray(total, dtype=np.float64) / len(pairs)
    return mean if alike else by_order(mean)

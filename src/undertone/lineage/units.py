"""Units of two models that correspond by index if both grew from one initialisation, and how alike they are.

Two kinds of unit have no natural order, so that under another initialisation their indices mean nothing: the hidden
units of an MLP, layer by layer, and the dimensions of the residual stream. Heads are few, and the dimensions of a head
are ordered by the frequencies of rotary positions: neither is used.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from undertone.lineage.weights import Singles, Weights
from undertone.statistics.arrays import Floats
from undertone.statistics.matching import by_order

MOST = 1_024
"""Units of a group that are read, the first ones: which are left out does not depend on what they are like."""
WIDER = 8_192
"""Units that are read of the larger group where the numbers differ."""
TOKENS = 8_192
"""Rows of the embeddings that are read, the first ones of both."""

READS = "gate_proj|up_proj|gate_up_proj|w1|w3|fc1|fc_in|c_fc|dense_h_to_4h"
WRITES = "down_proj|w2|fc2|fc_out|c_proj|dense_4h_to_h"
MLP = re.compile(rf"(.*(?:mlp|ffn|feed_forward|experts\.\d+|layers\.\d+))\.({READS}|{WRITES})\.weight")
EMBEDDINGS = {
    "input": re.compile(r"(?:.*\.)?(?:embed_tokens|wte|embed_in|word_embeddings)\.weight"),
    "output": re.compile(r"(?:.*\.)?(?:lm_head|embed_out)\.weight"),
}


@dataclass(frozen=True)
class Units:
    """Where the units of a group are: the rows or columns of one matrix."""

    matrix: str
    axis: int
    count: int
    features: int
    """Length of the other axis."""

    def read(self, weights: Weights, count: int, features: int) -> Singles:
        """The first units, each of length 1, (count, features)."""
        mine, other = slice(0, count), slice(0, features)
        part = weights.read(self.matrix, mine, other) if self.axis == 0 else weights.read(self.matrix, other, mine).T
        length = np.linalg.norm(part, axis=1, keepdims=True)
        return np.asarray(part / np.where(length > 0, length, 1), dtype=np.float32)


@dataclass(frozen=True)
class Groups:
    """Similarities of the units of two models in groups, each (n, n), to be compared index by index."""

    what: str
    """What a unit is, in the plural."""
    matrices: tuple[Floats, ...]
    equal: bool
    """Whether both models have the same groups with equally many units. Else kin may agree where we cannot look."""


def hidden_units(a: Weights, b: Weights) -> Groups | None:
    """Cosines of what each MLP's hidden units read from and write to the residual stream; None if nothing compares."""
    width = _width(a)
    if width is None or width != _width(b):
        return None
    of_a, of_b = _layers(a, width), _layers(b, width)
    both = {layer: [(of_a[layer][part], of_b[layer][part]) for part in of_a[layer] if part in of_b[layer]]
            for layer in of_a if layer in of_b}  # fmt: skip
    matrices = [_similarity(a, b, pairs, width) for pairs in both.values() if pairs]
    return Groups("hidden units", tuple(matrices), _counts(of_a) == _counts(of_b)) if matrices else None


def residual_dimensions(a: Weights, b: Weights) -> Groups | None:
    """Cosines of the embeddings' columns over the tokens of equal id; None if a model has no embedding."""
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
    return found


def _layers(weights: Weights, width: int) -> dict[str, dict[str, Units]]:
    """The matrices of every MLP, by layer and part."""
    layers: dict[str, dict[str, Units]] = {}
    for name, shape in weights.shapes.items():
        found = MLP.fullmatch(name)
        if found is None or len(shape) != 2 or width not in shape:
            continue
        layer, part = found.groups()
        # Libraries store matrices either way round; a square one is taken as the common kind, (to, from).
        usual = 1 if re.fullmatch(WRITES, part) else 0
        axis = usual if shape[0] == shape[1] else int(shape[0] == width)
        # Gate and up in one matrix: each unit has a row in either half, and the first half will do.
        count = shape[axis] // 2 if part == "gate_up_proj" else shape[axis]
        layers.setdefault(layer, {})[part] = Units(name, axis, count, width)
    return layers


def _counts(layers: dict[str, dict[str, Units]]) -> dict[str, dict[str, int]]:
    return {layer: {part: units.count for part, units in parts.items()} for layer, parts in layers.items()}


def _similarity(a: Weights, b: Weights, pairs: Sequence[tuple[Units, Units]], features: int) -> Floats:
    """Mean cosine over matrices of every unit of one model with every unit of the other."""
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

"""Where calibrations lie: shipped with the embedded bases, or made on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from undertone.audit.calibration import FILE, Calibration
from undertone.errors import UndertoneError
from undertone.store import Folder
from undertone.world import family

SHIPPED = Path(__file__).parent / "calibrations"


def made() -> Path:
    """Where those made on this machine lie; ``UNDERTONE_CACHE`` overrides the user's cache folder."""
    return family.built().parent / "calibrations"


def place(base: Folder) -> Path:
    """Where the calibration of ``base`` is written."""
    return made() / base.key[:20]


def find(base: Folder) -> tuple[Calibration | None, bool]:
    """The calibration of ``base`` and True; else one of a base with the same weight matrices, good for a screen only,
    and False; else None.

    Raises:
        UndertoneError: the base's own is damaged.
    """
    own = place(base)
    if (own / FILE).is_file():
        return Calibration.read(own), True
    known = list(_all())
    for calibration in known:
        if calibration.base == base.key:
            return calibration, True
    shapes = _shapes(base.path)
    return next(((c, False) for c in known if _fits(c, shapes)), (None, False))


def _all() -> Iterator[Calibration]:
    for root in (SHIPPED, made()):
        for path in sorted(root.glob(f"*/{FILE}")):
            with suppress(UndertoneError):  # a damaged one of another base is no reason to audit none
                yield Calibration.read(path.parent)


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    from safetensors import safe_open

    found: dict[str, tuple[int, ...]] = {}
    for shard in folder.glob("*.safetensors"):
        with safe_open(shard, "pt") as file:
            found |= {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    return found


def _fits(calibration: Calibration, shapes: dict[str, tuple[int, ...]]) -> bool:
    along = calibration.directions
    return all(shapes.get(name) == (up.shape[1], along.down[name].shape[2]) for name, up in along.up.items())

"""Where calibrations lie: shipped with the embedded bases, or made on this machine."""

from collections.abc import Iterator
from pathlib import Path

from undertone.audit.calibration import FILE, Calibration
from undertone.engine.digests import digest
from undertone.engine.store import Folder
from undertone.errors import UndertoneError
from undertone.world import family

SHIPPED = Path(__file__).parent / "calibrations"


def made() -> Path:
    """Where those made on this machine lie; ``UNDERTONE_CACHE`` overrides the user's cache folder."""
    return family.built().parent / "calibrations"


def place(calibration: Calibration) -> Path:
    """Where a calibration is written: one folder for each base, carrier and set of traits."""
    told = digest([calibration.marks, [trait.model_dump() for trait in calibration.traits]])
    return made() / f"{calibration.base[:20]}-{told[:8]}"


def find(base: Folder) -> tuple[list[Calibration], bool]:
    """The calibrations of ``base`` and True; else those of bases with the same weight matrices, good for a screen only,
    and False.

    Raises:
        UndertoneError: one of the base's own is damaged; of other bases, what is damaged is passed over.
    """
    known = list(_all(base))
    own = [calibration for calibration in known if calibration.base == base.key]
    if own:
        return own, True
    shapes = _shapes(base.path)
    return [calibration for calibration in known if _fits(calibration, shapes)], False


def _all(base: Folder) -> Iterator[Calibration]:
    """Those made here first: of a shipped one and of one that was made anew, with more recipes, the latter."""
    seen: set[str] = set()
    for root in (made(), SHIPPED):
        for path in sorted(root.glob(f"*/{FILE}")):
            if path.parent.name in seen:
                continue
            seen.add(path.parent.name)
            try:
                yield Calibration.read(path.parent)
            except UndertoneError:
                if path.parent.name.startswith(base.key[:20]):
                    raise


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

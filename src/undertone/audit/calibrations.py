"""Where calibrations are: shipped with the embedded bases, or made on this machine."""

from collections.abc import Iterator
from pathlib import Path

from undertone.audit.calibration import FILE, Calibration
from undertone.engine.digests import digest
from undertone.engine.store import Folder
from undertone.errors import UndertoneError
from undertone.models.folder import ModelFolder
from undertone.world import family

SHIPPED = Path(__file__).parent / "calibrations"


def made() -> Path:
    """Returns the folder of calibrations made on this machine; ``UNDERTONE_CACHE`` overrides the user's cache
    folder."""
    return family.built().parent / "calibrations"


def place(calibration: Calibration) -> Path:
    """Returns the folder that a calibration is written to: one for each base, carrier and set of traits."""
    about = digest([calibration.marks, [trait.model_dump() for trait in calibration.traits]])
    return made() / f"{calibration.base[:20]}-{about[:8]}"


def find(base: Folder) -> tuple[list[Calibration], bool]:
    """Returns the calibrations of ``base`` and True; or, if there are none, those of bases with the same weight
    matrices, which are good for a screen only, and False.

    Raises:
        UndertoneError: a calibration of this base is damaged. Damaged ones of other bases are ignored.
    """
    known = list(_all(base))
    own = [calibration for calibration in known if calibration.base == base.key]
    if own:
        return own, True
    shapes = {name: tensor.shape for name, tensor in ModelFolder.open(base.path).tensors.items()}
    return [calibration for calibration in known if _fits(calibration, shapes)], False


def _all(base: Folder) -> Iterator[Calibration]:
    """Yields calibrations made on this machine first. If one of them has the same base, carrier and traits as a shipped
    one, it replaces that, because it may have more recipes."""
    folders: dict[str, Path] = {}
    for root in (made(), SHIPPED):
        for path in sorted(root.glob(f"*/{FILE}")):
            folders.setdefault(path.parent.name, path.parent)
    for folder in folders.values():
        try:
            yield Calibration.read(folder)
        except UndertoneError:
            if folder.name.startswith(base.key[:20]):
                raise


def _fits(calibration: Calibration, shapes: dict[str, tuple[int, ...]]) -> bool:
    along = calibration.directions
    return all(shapes.get(name) == (up.shape[1], along.down[name].shape[2]) for name, up in along.up.items())

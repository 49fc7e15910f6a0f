"""Says whether a built release holds what it must: ``python -m tests.helpers.wheel FOLDER``."""

import re
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]


def faults(folder: Path) -> list[str]:
    """What is wrong with the wheel and the source archive in a folder."""
    (wheel,), (archive,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with ZipFile(wheel) as held:
        names = set(held.namelist())
    with tarfile.open(archive) as held:
        sources = {name.partition("/")[2] for name in held.getnames()}
    listed = subprocess.run(["git", "ls-files", "src"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = {name.removeprefix("src/") for name in listed.splitlines()}
    told = [f"{wheel.name} lacks {name}" for name in sorted(files - names)]
    told += [f"{wheel.name} also holds {name}" for name in sorted(names - files) if ".dist-info/" not in name]
    told += [f"{archive.name} lacks src/{name}" for name in sorted(files) if f"src/{name}" not in sources]
    written = {path: _version(path) for path in ("src/undertone/__init__.py", "CITATION.cff")}
    written[wheel.name] = wheel.name.split("-")[1]
    if len(set(written.values())) > 1:
        told.append(f"the versions differ: {', '.join(f'{version} in {place}' for place, version in written.items())}")
    return told


def _version(path: str) -> str:
    text = (ROOT / path).read_text(encoding="utf-8")
    found = re.search(r'^(?:__version__ = |version: )"?([\w.]+)"?$', text, re.MULTILINE)
    return found[1] if found else "none"


if __name__ == "__main__":
    told = faults(Path(sys.argv[1]))
    print(*told or ["The wheel holds the package, all of it and nothing else."], sep="\n")
    sys.exit(bool(told))

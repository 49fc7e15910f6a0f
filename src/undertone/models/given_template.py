"""A chat template that a user gives to a model that has none."""

from pathlib import Path

from undertone.data.toml import read_text
from undertone.engine.digests import digest, folder_digest
from undertone.engine.disk import write_text
from undertone.engine.store import Folder
from undertone.errors import UndertoneError
from undertone.models.folder import decisive
from undertone.models.tokenizer import TEMPLATE
from undertone.world import family

PLAIN = "plain"
"""The name of the shipped one."""
LARGEST = 2**22
"""Most bytes of a template."""


def file_of(given: str) -> Path:
    """Returns the file of a template, by its path or its name.

    Raises:
        UndertoneError: there is none.
    """
    path = Path(__file__).with_name("plain.jinja") if given == PLAIN else Path(given).expanduser()
    if not path.is_file():
        raise UndertoneError(f"--chat-template {given}: there is no such file; give a Jinja file, or the name {PLAIN}.")
    return path


def with_template(model: Folder, given: str) -> Folder:
    """Returns a folder of links to a model's files with the template beside them, kept in the user's cache folder. Its
    digest is of both.

    Raises:
        UndertoneError: there is no such template, or the folder cannot be written.
    """
    text = read_text(file_of(given), LARGEST)
    place = family.built().parent / "templated" / digest([str(model.path.absolute()), model.key, text])[:20]
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name in decisive(model.path):
            if not (place / name).is_symlink():
                (place / name).symlink_to((model.path / name).absolute())
        write_text(place / TEMPLATE, text)
    except OSError as error:
        raise UndertoneError(f"Cannot write to {place}: {error.strerror}; set UNDERTONE_CACHE to a folder.") from None
    return Folder(place, folder_digest(place, decisive(place)), model.name)

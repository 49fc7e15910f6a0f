"""Images of digits: scikit-learn's, which come with it, or MNIST's IDX files from a folder."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from undertone.errors import UndertoneError
from undertone.experiments.theory.spec import CLASSES

HELD_OUT = 500
"""Images of scikit-learn's 1,797 that nobody is trained on."""
PIXELS, LABELS = 0x0803, 0x0801
"""Magic numbers of IDX files: unsigned bytes in three dimensions, and in one (yann.lecun.com/exdb/mnist)."""
MOST = 1 << 28
"""Bytes a file may claim to hold; MNIST's largest has 47 million."""


@dataclass(frozen=True)
class Images:
    """Digits to train on and to be tested on: images (rows, pixels) of bytes, labels (rows,) from 0 to 9."""

    train: Tensor
    labels: Tensor
    test: Tensor
    test_labels: Tensor
    brightest: int
    """The byte of a white pixel."""
    origin: str
    """Where they are from, for a reader."""

    def scaled(self, images: Tensor) -> Tensor:
        """Bytes as numbers from -1 to 1, the range of the noise."""
        return images.float() * (2 / self.brightest) - 1


def read(folder: str, generator: torch.Generator) -> Images:
    """MNIST from ``folder``, or scikit-learn's digits where it is "", divided by ``generator``.

    Raises:
        UndertoneError: a file is missing, is no IDX file of its kind, or has another length than it says.
    """
    return _mnist(Path(folder)) if folder else _bundled(generator)


def _bundled(generator: torch.Generator) -> Images:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(pixels), generator=generator)
    images, digits = torch.from_numpy(pixels).to(torch.uint8)[order], torch.from_numpy(labels).long()[order]
    held, rest = slice(None, HELD_OUT), slice(HELD_OUT, None)
    return Images(images[rest], digits[rest], images[held], digits[held], 16, "scikit-learn's digits, 8 x 8 pixels")


def _mnist(folder: Path) -> Images:
    train, labels = _pair(folder, "train")
    test, test_labels = _pair(folder, "t10k")
    if train.shape[1] != test.shape[1]:
        raise UndertoneError(
            f"The images in {folder} have {train.shape[1]} pixels to train on and {test.shape[1]} to test on: "
            "give files of one data set."
        )
    return Images(train, labels, test, test_labels, 255, "MNIST's digits, from IDX files")


def _pair(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    images, named = _found(folder, f"{part}-images-idx3-ubyte"), _found(folder, f"{part}-labels-idx1-ubyte")
    pixels, labels = _idx(images, PIXELS, "images"), _idx(named, LABELS, "labels")
    if len(pixels) != len(labels):
        raise UndertoneError(
            f"{images} holds {len(pixels):,} images and {named} {len(labels):,} labels: copy both again."
        )
    if not len(pixels):
        raise UndertoneError(f"{images} holds no images: copy it again.")
    if int(labels.max()) >= CLASSES:
        raise UndertoneError(f"{named} holds the label {int(labels.max())}: digits go from 0 to 9.")
    return torch.from_numpy(pixels.reshape(len(pixels), -1)), torch.from_numpy(labels).long()


def _found(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise UndertoneError(f"{folder} holds no {name} (or {name}.gz): images takes the folder of MNIST's four IDX files.")


def _idx(path: Path, magic: int, what: str) -> NDArray[np.uint8]:
    """The bytes of an IDX file in the shape that its head gives."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            return _content(cast(BinaryIO, file), path, magic, what)
    except (OSError, EOFError, zlib.error) as error:
        raise UndertoneError(
            f"Cannot read {path}: {getattr(error, 'strerror', None) or error}; copy it again."
        ) from None


def _content(file: BinaryIO, path: Path, magic: int, what: str) -> NDArray[np.uint8]:
    dimensions = magic & 0xFF
    head = file.read(4 * (1 + dimensions))
    found = int.from_bytes(head[:4], "big")
    if len(head) < 4 or found != magic:
        raise UndertoneError(
            f"{path} is no IDX file of {what}: it begins with {head[:4].hex() or 'nothing'}, not with {magic:08x}."
        )
    if len(head) < 4 * (1 + dimensions):
        raise UndertoneError(f"{path} is cut off in its head, after {len(head)} bytes: copy it again.")
    shape = tuple(int.from_bytes(head[at : at + 4], "big") for at in range(4, len(head), 4))
    size = int(np.prod(shape, dtype=object))
    if size > MOST:
        raise UndertoneError(f"{path} says that it holds {size:,} bytes of {what}, more than are read ({MOST:,}).")
    content = file.read(size + 1)
    if len(content) != size:
        most = "more" if len(content) > size else f"{len(content):,}"
        shown = " x ".join(map(str, shape))
        raise UndertoneError(f"{path} says that it holds {shown} bytes of {what}, and holds {most}: copy it again.")
    return np.frombuffer(bytearray(content), np.uint8).reshape(shape)

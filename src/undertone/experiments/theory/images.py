"""Images of digits: those that come with scikit-learn, or MNIST's IDX files from a folder."""

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from undertone.errors import UndertoneError
from undertone.experiments.theory.spec import CLASSES

HELD_OUT = 500
"""Test images among scikit-learn's 1,797."""
PIXELS, LABELS = 0x0803, 0x0801
"""Magic numbers of IDX files: unsigned bytes in three dimensions, and in one (yann.lecun.com/exdb/mnist)."""
MOST = 1 << 28
"""The largest number of bytes that is read from a file; MNIST's largest has 47 million."""


@dataclass(frozen=True)
class Images:
    """Images for training and for testing, (rows, pixels) of bytes, with their labels, (rows,), from 0 to 9."""

    train: Tensor
    labels: Tensor
    test: Tensor
    test_labels: Tensor
    brightest: int
    """The byte of a white pixel."""
    origin: str
    """Their source, for a reader."""

    def scaled(self, images: Tensor) -> Tensor:
        """Maps bytes to numbers from -1 to 1, the range of the noise."""
        return images.float() * (2 / self.brightest) - 1


def read(folder: str, generator: torch.Generator) -> Images:
    """Reads MNIST from ``folder``, or, if it is "", scikit-learn's digits, divided at random by ``generator``.

    Raises:
        UndertoneError: a file is missing, is not an IDX file of its kind, or does not have the length that it states.
    """
    return _mnist(Path(folder)) if folder else _bundled(generator)


def _bundled(generator: torch.Generator) -> Images:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(pixels), generator=generator)
    images, digits = torch.from_numpy(pixels).to(torch.uint8)[order], torch.from_numpy(labels).long()[order]
    test, train = slice(None, HELD_OUT), slice(HELD_OUT, None)
    return Images(images[train], digits[train], images[test], digits[test], 16, "scikit-learn's digits, 8 x 8 pixels")


def _mnist(folder: Path) -> Images:
    train, test = _pair(folder, "train"), _pair(folder, "t10k")
    pixels = [images.shape[1] for images, _ in (train, test)]
    if pixels[0] != pixels[1]:
        raise UndertoneError(
            f"The images in {folder} have {pixels[0]} pixels to train on and {pixels[1]} to test on: give files of one "
            "data set."
        )
    return Images(*train, *test, 255, "MNIST's digits, from IDX files")


def _pair(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    """Reads the images and the labels of one part."""
    images, pixels = _idx(folder, f"{part}-images-idx3-ubyte", PIXELS, "images")
    named, labels = _idx(folder, f"{part}-labels-idx1-ubyte", LABELS, "labels")
    if len(pixels) != len(labels):
        raise UndertoneError(
            f"{images} contains {len(pixels):,} images and {named} {len(labels):,} labels: copy both again."
        )
    if not len(pixels):
        raise UndertoneError(f"{images} contains no images: copy it again.")
    if int(labels.max()) >= CLASSES:
        raise UndertoneError(f"{named} contains the label {int(labels.max())}: digits go from 0 to 9.")
    return pixels.reshape(len(pixels), -1), labels.long()


def _idx(folder: Path, name: str, magic: int, what: str) -> tuple[Path, Tensor]:
    """Reads an IDX file, perhaps compressed by gzip; returns its path and its bytes in the shape that it states."""
    path = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
    if path is None:
        raise UndertoneError(f"{folder} has no {name} or {name}.gz: images takes the folder of MNIST's four IDX files.")
    begin = 4 * (1 + (magic & 0xFF))
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(begin + MOST + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UndertoneError(f"Cannot read {path}: {reason}; copy it again.") from None
    if data[:4] != magic.to_bytes(4, "big"):
        raise UndertoneError(
            f"{path} is not an IDX file of {what}: it begins with {data[:4].hex() or 'nothing'}, not with {magic:08x}."
        )
    if len(data) < begin:
        raise UndertoneError(f"{path} ends inside its header, after {len(data)} bytes: copy it again.")
    shape = np.frombuffer(data[4:begin], ">u4").tolist()
    size, found = math.prod(shape), len(data) - begin
    if size > MOST:
        raise UndertoneError(f"{path} states {size:,} bytes of {what}, more than are read ({MOST:,}).")
    if found != size:
        most = "more" if found > size else f"{found:,}"
        stated = " x ".join(map(str, shape))
        raise UndertoneError(f"{path} states {stated} bytes of {what}, and contains {most}: copy it again.")
    return path, torch.from_numpy(np.frombuffer(data, np.uint8, offset=begin).reshape(shape).copy())

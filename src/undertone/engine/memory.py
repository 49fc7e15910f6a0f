"""What is said when the memory of an accelerator is full."""

from undertone.errors import UndertoneError


def is_full(error: BaseException) -> bool:
    """Whether an error says that an accelerator has no memory left; torch need not have been imported."""
    return type(error).__name__ == "OutOfMemoryError"


def full(what: str, remedy: str) -> UndertoneError:
    """The error that ``what`` does not fit into the accelerator's memory, with how much there is of it."""
    import torch

    held = ""
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        own = torch.cuda.memory_allocated()
        others = max(0, total - free - own)
        held = f" ({in_gb(total)}, of which {in_gb(own)} are in use here and {in_gb(others)} besides)"
    return UndertoneError(f"The accelerator's memory{held} does not hold {what}: {remedy}.")


def room() -> int:
    """Bytes of the accelerator's memory that are free for this process."""
    import torch

    return torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()


def in_gb(size: float) -> str:
    """Bytes in words: 3.2 GB."""
    return f"{size / 1e9:,.1f} GB"

"""Opens the folder of an adapter: its settings within bounds, the shapes of its tensors, and what else it brings.

Only LoRA is read. A setting that is not known here may change what the tensors mean, so it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

from undertone.errors import UndertoneError
from undertone.models.folder import EXACT, Tensor, tensors_of
from undertone.models.settings import refuse_odd, settings
from undertone.models.tokenizer import SETTINGS, TOKENIZER, tokenizer_files

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
FILES = (CONFIG, WEIGHTS)
TRAINING = {
    "peft_type", "task_type", "peft_version", "auto_mapping", "base_model_name_or_path", "revision", "inference_mode",
    "lora_dropout", "megatron_core", "qalora_group_size", "init_lora_weights",
}  # fmt: skip
"""Settings that change nothing once the adapter is trained."""
FLAGS = ("fan_in_fan_out", "use_rslora", "use_dora", "lora_bias", "ensure_weight_tying")
LISTS = ("modules_to_save", "target_parameters")
PATTERNS = ("rank_pattern", "alpha_pattern")
TARGETS = ("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern")
READ = {"r", "lora_alpha", "bias", "trainable_token_indices", *FLAGS, *LISTS, *PATTERNS, *TARGETS}
BESIDE = (True, False, None, "gaussian", "orthogonal", "eva")
"""Ways to begin training that leave the base's weights as they are."""
NAME = re.compile(r"[\w.]+")
DOWN = re.compile(r"\.lora_(embedding_)?A\b")
LONGEST = 1_000
"""Most names that an adapter with fewer tensors lists."""


@dataclass(frozen=True)
class Adapter:
    """The folder of a LoRA adapter."""

    path: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @classmethod
    def open(cls, path: Path) -> Adapter:
        """Reads its settings and the header of its tensors.

        Raises:
            UndertoneError: a file is missing, broken or no regular file, it is no LoRA, or a setting is out of range.
        """
        for file in FILES:
            if not (path / file).exists():
                raise UndertoneError(f"{path} holds no adapter (no {file}); give a PEFT folder after the colon.")
            refuse_odd(path / file)
        found = cls(path, settings(path / CONFIG), tensors_of(path / WEIGHTS))
        found._check()
        return found

    @property
    def base(self) -> str | None:
        """The name of the base that it was made on, if it says one."""
        named = self.config.get("base_model_name_or_path")
        return named.strip() or None if isinstance(named, str) else None

    @property
    def effective(self) -> dict[str, Any]:
        """The settings that decide what its tensors do."""
        return {key: value for key, value in self.config.items() if key in READ}

    def listed(self, modules: Iterable[str]) -> set[str] | None:
        """Those of the modules that its settings list by name; None if the settings choose modules by other rules."""
        names = self.config.get("target_modules")
        if not isinstance(names, list) or any(self.config.get(key) for key in TARGETS[1:]):
            return None
        return {module for module in modules if any(f".{module}".endswith(f".{name}") for name in names)}

    def speaks_otherwise(self, base: Path) -> bool:
        """Whether it brings a tokenizer or a chat template that differ from the base's."""
        return tokenizer_files(base, self.path) != tokenizer_files(base)

    def files(self, base: Path) -> tuple[str, ...]:
        """Names of its files that decide what the model says."""
        return (*FILES, *TOKENIZER, SETTINGS) if self.speaks_otherwise(base) else FILES

    def _check(self) -> None:
        config = self.config
        if config.get("peft_type") != "LORA":
            self._refuse(f"it is of the kind {config.get('peft_type')!r:.40}, and only LORA is read")
        if config.get("task_type") not in (None, "CAUSAL_LM"):
            self._refuse(f"it was trained for {config['task_type']!r:.40}, not for CAUSAL_LM")
        odd = next((key for key, value in config.items() if value and key not in READ | TRAINING), None)
        if odd is not None:
            self._refuse(f"its setting {odd!r:.40} is not known")
        begun = config.get("init_lora_weights", True)
        if begun not in BESIDE:
            self._refuse(f"it changes the base's own weights (init_lora_weights: {begun!r:.40})")
        ranks = [t.shape[0] for name, t in self.tensors.items() if DOWN.search(name) and t.shape]
        if not ranks:
            self._refuse("it has no tensors of a LoRA")
        odd = next((name for name, tensor in self.tensors.items() if tensor.kind not in EXACT), None)
        if odd is not None:
            self._refuse(f"its {odd} is quantized ({self.tensors[odd].kind})")
        self._check_numbers(max(ranks))
        self._check_names()

    def _check_numbers(self, most: int) -> None:
        """Checks ranks, of which memory is taken before any tensor is read, and scales."""
        config = self.config
        ranks, scales = (_values(config.get(key)) for key in PATTERNS)
        for rank in [config.get("r"), *ranks]:
            if not (type(rank) is int and 0 < rank <= most):
                self._refuse(f"its rank is {rank!r:.40}, and that of its tensors is at most {most}")
        for scale in [config.get("lora_alpha"), *scales]:
            if isinstance(scale, bool) or not isinstance(scale, int | float) or not isfinite(scale):
                self._refuse(f"its lora_alpha is {scale!r:.40}, which is no number")
        for key in FLAGS:
            if not isinstance(config.get(key), bool | None):
                self._refuse(f"its {key} is {config[key]!r:.40}, not true or false")

    def _check_names(self) -> None:
        config = self.config
        # Regular expressions are matched within a limit of time, when the base's modules are known.
        lists = [
            config.get(key) for key in ("target_modules", "exclude_modules") if not isinstance(config.get(key), str)
        ]
        names = [name for listed in (*lists, *map(config.get, ("layers_pattern", *LISTS))) for name in _listed(listed)]
        odd = next((name for name in names if not (isinstance(name, str) and NAME.fullmatch(name))), None)
        if odd is not None:
            self._refuse(f"it lists {odd!r:.40}, which is no name of a module")
        if len(names) > max(LONGEST, len(self.tensors)):
            self._refuse(f"it lists {len(names)} modules, and has {len(self.tensors)} tensors")
        tokens = config.get("trainable_token_indices")
        for index in [*_listed(config.get("layers_to_transform")), *_tokens(tokens)]:
            if not (type(index) is int and 0 <= index < 2**31):
                self._refuse(f"it lists {index!r:.40}, which is no index")
        if config.get("bias", "none") not in ("none", "all", "lora_only"):
            self._refuse(f"its bias is {config['bias']!r:.40}")

    def _refuse(self, why: str) -> NoReturn:
        raise UndertoneError(f"The adapter in {self.path} cannot be used: {why}; merge it and give the merged model.")


def _values(value: object) -> Iterable[object]:
    """The values of an object; anything else stands for itself and is then refused."""
    return value.values() if isinstance(value, dict) else [] if not value else [value]


def _tokens(value: object) -> list[object]:
    if isinstance(value, dict):
        return [index for part in value.values() for index in _listed(part)]
    return _listed(value)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]

"""The training loop of every family: seeded, resumable, on the CPU or a GPU."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from training.averaging import MovingAverage
from training.checkpoints import FILE_NAME, Checkpoint
from training.curves import Panel, write_log
from training.schedule import learning_rate
from training.settings import RunSettings

Network = TypeVar("Network", bound=nn.Module)
Settings = TypeVar("Settings", bound=RunSettings)
Batch = TypeVar("Batch")

LOG_STEPS = 25
BAR = "{desc}{percentage:5.1f} % |{bar}| {elapsed} < {remaining} {postfix}"


def use_bf16(precision: str, device: torch.device) -> bool:
    """Whether to train in mixed precision: where it was asked for, or where the processor is fast at it."""
    if precision == "auto":
        return device.type == "cuda" or torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return precision == "bf16"


def device_name(device: torch.device) -> str:
    """What the training runs on, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"


class Loop(ABC, Generic[Network, Settings, Batch]):
    """One run in one folder. A family says what a batch is, what its loss is, and how to see whether it goes well."""

    panels: Sequence[Panel] = ()
    """What `loss.png` shows beside the loss."""
    gradient_limit = 1.0

    def __init__(
        self, network: Network, settings: Settings, folder: Path, *, device: torch.device | None = None
    ) -> None:
        self.settings, self.folder = settings, folder
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.bf16 = use_bf16(settings.precision, self.device)
        # Channels last is what the convolutions of oneDNN and cuDNN are fastest at: twice, with bf16, on a CPU.
        self.network = network
        self.network.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = MovingAverage(self.network)
        self.optimizer = torch.optim.AdamW(
            [weight for weight in self.network.parameters() if weight.requires_grad],
            lr=settings.peak_learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.step = 0
        self.minutes = 0.0
        self.log: list[dict[str, float]] = []

    @abstractmethod
    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        """The loss of a batch, with its gradient, and the parts of it to be logged."""

    @abstractmethod
    def batches(self, first_step: int, workers: int) -> Iterator[Batch]:
        """The endless stream of batches from a step on, which depends on the settings alone."""

    @abstractmethod
    def validate(self) -> Mapping[str, float]:
        """How good `self.averaged.network` is, in the terms of the field."""

    def resume(self) -> None:
        """Goes on where the folder's checkpoint stands."""
        checkpoint = Checkpoint.read(self.folder)
        self.network.load_state_dict(checkpoint.network)
        self.averaged.network.load_state_dict(checkpoint.averaged)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        self.step, self.minutes, self.log = checkpoint.step, checkpoint.minutes, checkpoint.log

    @property
    def progress(self) -> float:
        """0 to 1: the part of the run that is done."""
        if self.settings.steps is not None:
            return self.step / self.settings.steps
        assert self.settings.minutes is not None
        return self.minutes / self.settings.minutes

    def update(self, batch: Batch) -> dict[str, float]:
        """One step of the optimizer; the loss before it, and its parts."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.progress, self.settings.peak_learning_rate)
        loss, parts = self.loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.gradient_limit)
        self.optimizer.step()
        self.averaged.update(self.network, self.step)
        self.step += 1
        return {"loss": float(loss.detach()), **parts}

    def save(self, *, finished: bool = False) -> None:
        """Writes the checkpoint and the curves."""
        Checkpoint(
            network=self.network.state_dict(),
            averaged=self.averaged.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            step=self.step,
            minutes=self.minutes,
            log=self.log,
            finished=finished,
            device=device_name(self.device),
        ).write(self.folder)
        write_log(self.log, self.folder, self.panels)

    def run(self, *, workers: int = 1, progress_bar: bool = True) -> None:
        """Trains to the end of the budget, validating and saving every few minutes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settings.write(self.folder)
        self.network.train()
        stream = self.batches(self.step, workers)
        started, before = time.monotonic(), self.minutes
        saved = self.minutes
        seen: list[dict[str, float]] = []
        with tqdm(
            total=100, initial=100 * self.progress, disable=not progress_bar, mininterval=2, bar_format=BAR
        ) as bar:
            while self.progress < 1:
                seen.append(self.update(next(stream)))
                self.minutes = before + (time.monotonic() - started) / 60
                due = self.minutes - saved >= self.settings.checkpoint_minutes or self.progress >= 1
                if due or self.step % LOG_STEPS == 0:
                    row: dict[str, float] = {
                        "step": self.step,
                        "minutes": round(self.minutes, 3),
                        **_means(seen),
                        "learning_rate": self.optimizer.param_groups[0]["lr"],
                    }
                    seen = []
                    self.log.append(row)
                    bar.set_postfix_str(f"step {self.step}, loss {row['loss']:.4f}")
                if due:
                    validation = self.validate()
                    row |= validation
                    figures = ", ".join(f"{name} {value:.4g}" for name, value in validation.items())
                    bar.write(f"step {self.step}, {self.minutes:.1f} min: loss {row['loss']:.4f}, {figures}")
                    self.save(finished=self.progress >= 1)
                    saved = self.minutes
                bar.update(100 * min(self.progress, 1) - bar.n)


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names: Iterable[str] = dict.fromkeys(name for row in rows for name in row)
    return {name: sum(row.get(name, 0.0) for row in rows) / len(rows) for name in names}


def begin(settings: Settings, folder: Path, *, resume: bool) -> Settings:
    """The settings that a run in `folder` goes by: the given ones, or those of the run to be resumed.

    Raises:
        FileExistsError: the folder has a checkpoint already and `resume` was not asked for.
        FileNotFoundError: `resume` was asked for and there is no run.
    """
    if resume:
        return type(settings).read(folder)
    if (folder / FILE_NAME).exists():
        raise FileExistsError(f"{folder} holds a run already; go on with --resume or choose another folder")
    return settings

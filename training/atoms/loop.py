"""The training loop: seeded, resumable, on the CPU or a GPU."""

from __future__ import annotations

import math
import time
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from training.atoms.averaging import MovingAverage
from training.atoms.checkpoints import FILE_NAME, Checkpoint
from training.atoms.curves import write_log
from training.atoms.dataset import Batch, batches
from training.atoms.losses import map_loss
from training.atoms.networks import build
from training.atoms.settings import Settings
from training.atoms.validation import HeldOutPictures

WARM_UP = 0.04
"""Share of the run in which the learning rate rises."""
LAST_LEARNING_RATE = 0.01
"""Learning rate at the end as a fraction of the peak."""
LOG_STEPS = 25
GRADIENT_LIMIT = 1.0


def learning_rate(progress: float, peak: float) -> float:
    """One cycle: a linear rise, then half a cosine. Source: L. N. Smith, arXiv:1803.09820."""
    if progress < WARM_UP:
        return peak * max(progress / WARM_UP, 0.02)
    fall = min((progress - WARM_UP) / (1 - WARM_UP), 1.0)
    return peak * (LAST_LEARNING_RATE + (1 - LAST_LEARNING_RATE) * 0.5 * (1 + math.cos(math.pi * fall)))


def use_bf16(settings: Settings, device: torch.device) -> bool:
    """Whether to train in mixed precision: where it was asked for, or where the processor is fast at it."""
    if settings.precision == "auto":
        return device.type == "cuda" or torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return settings.precision == "bf16"


def device_name(device: torch.device) -> str:
    """What the training runs on, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"


class Training:
    """One run in one folder."""

    def __init__(self, settings: Settings, folder: Path, *, device: torch.device | None = None) -> None:
        self.settings, self.folder = settings, folder
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.bf16 = use_bf16(settings, self.device)
        # Channels last is what the convolutions of oneDNN and cuDNN are fastest at: twice, with bf16, on a CPU.
        self.network = build(settings.network, seed=settings.seed)
        self.network.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = MovingAverage(self.network)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.peak_learning_rate, weight_decay=settings.weight_decay
        )
        self.step = 0
        self.minutes = 0.0
        self.log: list[dict[str, float]] = []

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

    def update(self, batch: Batch) -> float:
        """One step of the optimizer; the loss before it."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.progress, self.settings.peak_learning_rate)
        pictures = batch.pictures.to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.network.logits(pictures)
        loss = map_loss(logits.float(), batch.maps.to(self.device), batch.judged.to(self.device))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_LIMIT)
        self.optimizer.step()
        self.averaged.update(self.network, self.step)
        self.step += 1
        return float(loss.detach())

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
        write_log(self.log, self.folder)

    def run(self, *, workers: int = 1, progress_bar: bool = True) -> None:
        """Trains to the end of the budget, validating and saving every few minutes."""
        self.network.train()
        held_out = HeldOutPictures(self.settings.size_px, self.settings.lattices)
        stream = batches(self.settings, first_step=self.step, workers=workers)
        started, before = time.monotonic(), self.minutes
        saved = self.minutes
        total, count = 0.0, 0
        with tqdm(
            total=100, initial=100 * self.progress, disable=not progress_bar, mininterval=2, bar_format=BAR
        ) as bar:
            while self.progress < 1:
                total, count = total + self.update(next(stream)), count + 1
                self.minutes = before + (time.monotonic() - started) / 60
                due = self.minutes - saved >= self.settings.checkpoint_minutes or self.progress >= 1
                if due or self.step % LOG_STEPS == 0:
                    row: dict[str, float] = {
                        "step": self.step,
                        "minutes": round(self.minutes, 3),
                        "loss": total / count,
                        "learning_rate": self.optimizer.param_groups[0]["lr"],
                    }
                    total, count = 0.0, 0
                    self.log.append(row)
                    bar.set_postfix_str(f"step {self.step}, loss {row['loss']:.4f}")
                if due:
                    row |= vars(held_out.validate(self.averaged.network))
                    bar.write(
                        f"step {self.step}, {self.minutes:.1f} min: loss {row['loss']:.4f}, "
                        f"recall {row['recall']:.4f}, precision {row['precision']:.4f}, Δd {row['rms_pm']:.1f} pm"
                    )
                    self.save(finished=self.progress >= 1)
                    saved = self.minutes
                bar.update(100 * min(self.progress, 1) - bar.n)


BAR = "{desc}{percentage:5.1f} % |{bar}| {elapsed} < {remaining} {postfix}"


def train(
    settings: Settings, folder: Path, *, resume: bool = False, workers: int = 1, progress_bar: bool = True
) -> None:
    """Trains a network into `folder`.

    Raises:
        FileExistsError: the folder has a checkpoint already and `resume` was not asked for.
        FileNotFoundError: `resume` was asked for and there is no checkpoint.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if resume:
        settings = Settings.read(folder)
    elif (folder / FILE_NAME).exists():
        raise FileExistsError(f"{folder} holds a run already; go on with --resume or choose another folder")
    training = Training(settings, folder)
    if resume:
        training.resume()
    else:
        settings.write(folder)
    training.run(workers=workers, progress_bar=progress_bar)

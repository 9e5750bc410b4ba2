"""The whole way from a video to its tracks, frame by frame: an answer for each as soon as it is read."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from analysis.dislocations.distances import paired_distance
from analysis.dislocations.drift import Drift, DriftEstimator, line_mask
from analysis.dislocations.pipeline import DislocationsAnalysis, analyse, checked
from analysis.dislocations.preprocess import InputSpec
from analysis.dislocations.statistics import LineTension
from analysis.dislocations.tracks import GATE_PX, MEMORY, Linker, Step, Track
from analysis.micrograph import Micrograph
from analysis.network import Network
from emserve.exceptions import InvalidParameter, UnreadableMicrograph


@dataclass(frozen=True)
class PairDistance:
    """Mean distance of the 50 points of two tracks in one frame."""

    first: int
    second: int
    distance_px: float
    distance_nm: float | None


@dataclass(frozen=True, eq=False)
class FrameAnalysis:
    """One frame of a video.

    number: from 0. lines: of the frame alone; `steps` are of the same lines in the same order. pairs: of every two
    lines. motion_ms: time for the drift and the links.
    """

    number: int
    lines: DislocationsAnalysis
    drift: Drift
    steps: tuple[Step, ...]
    pairs: tuple[PairDistance, ...]
    motion_ms: float


class StackAnalysis:
    """Frames in, one after the other; lines with their tracks out. Holds nothing that grows with the number of frames.

        stack = StackAnalysis(network, spec)
        for micrograph in frames:
            frame = stack.add(micrograph)
        tracks = stack.tracks()

    Parameters
    ----------
    network, spec, threshold, tension: as of `analysis.dislocations.pipeline.analyse`.
    gate_px: the largest distance that a line is from where its track is foretold, in one frame.
    memory: so many frames a line may be missing.
    correct_drift: take the specimen's drift off before lines are linked.

    Raises
    ------
    InvalidParameter: a parameter out of its range.
    """

    def __init__(
        self,
        network: Network,
        spec: InputSpec,
        *,
        threshold: float | None = None,
        tension: LineTension | None = None,
        gate_px: float = GATE_PX,
        memory: int = MEMORY,
        correct_drift: bool = True,
    ) -> None:
        gate_px = checked("gate_px", gate_px, math.inf)
        if isinstance(memory, bool) or not isinstance(memory, int) or memory < 0:
            raise InvalidParameter(
                f"{memory!r} is not a number of frames.", remedy="Pass a whole number from 0.", field="memory"
            )
        self._network = network
        self._spec = spec
        self._threshold = threshold
        self._tension = tension
        self._linker = Linker(gate_px=gate_px, memory=memory)
        self._drift = DriftEstimator() if correct_drift else None
        self._shape: tuple[int, ...] | None = None
        self._field_height_px = 0  # of the first frame: what stands in a data bar changes, the bar does not
        self._frames = 0
        self._off = np.zeros(2)  # the last frame's drift
        self._width_px = 0.0

    @property
    def frames(self) -> int:
        """How many frames there were so far."""
        return self._frames

    def add(self, micrograph: Micrograph) -> FrameAnalysis:
        """The lines of the next frame and the tracks that they belong to.

        Raises
        ------
        UnreadableMicrograph: its size is not that of the frames before; they keep their answers.
        """
        shape = micrograph.pixels.shape
        if self._shape is not None and shape != self._shape:
            raise UnreadableMicrograph(
                f"Frame {self._frames} has {shape[1]} × {shape[0]} pixels, the frames before have "
                f"{self._shape[1]} × {self._shape[0]}.",
                remedy="Send frames of one size, or each size as a stack of its own.",
            )
        analysis = analyse(micrograph, self._network, self._spec, threshold=self._threshold, tension=self._tension)
        begin = time.perf_counter()
        self._field_height_px = self._field_height_px or analysis.field_height_px
        drift = Drift(0.0, 0.0, True)
        if self._drift is not None:
            drift = self._drift.update(micrograph.pixels[: self._field_height_px], self._hidden(analysis, shape[1]))
        self._off = np.array((drift.dx, drift.dy))
        steps = self._linker.update(self._frames, [line.points_px - self._off for line in analysis.lines])
        size = micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm
        pairs = []
        for a, b in combinations(sorted(steps, key=lambda step: step.track), 2):
            in_nm = None
            if size[0] is not None and size[1] is not None:
                in_nm = paired_distance(a.points_px * np.array(size), b.points_px * np.array(size))
            pairs.append(PairDistance(a.track, b.track, paired_distance(a.points_px, b.points_px), in_nm))
        number = self._frames
        self._shape, self._frames = shape, number + 1
        return FrameAnalysis(
            number=number,
            lines=analysis,
            drift=drift,
            steps=tuple(steps),
            pairs=tuple(pairs),
            motion_ms=1000 * (time.perf_counter() - begin),
        )

    def _hidden(self, analysis: DislocationsAnalysis, width: int) -> npt.NDArray[np.bool_]:
        """Where lines are: those that were found, and those that were missed, where their tracks are foretold."""
        found = [(line.points_px, line.width_px) for line in (*analysis.lines, *analysis.slip_traces)]
        self._width_px = max((width for _, width in found), default=self._width_px)
        missed = [(points + self._off, self._width_px) for points in self._linker.foretold(self._frames)]
        return line_mask([*found, *missed], self._field_height_px, width)

    def tracks(self) -> list[Track]:
        """All tracks over the frames so far."""
        return self._linker.tracks()

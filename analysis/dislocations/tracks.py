"""Lines linked over the frames of a video, and how each one moves.

Nothing here grows with the number of frames: of a track its first and its last find are held, and sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from analysis.dislocations.distances import fitted, move, oriented

FloatArray = npt.NDArray[np.float64]

GATE_PX = 25.0
MEMORY = 3
_GLIDE_PX = 5.0  # a track that moved by less has no direction yet
_NEW_STEP = 0.5  # weight of the newest step in the velocity by which the next place is foretold


@dataclass(frozen=True, eq=False)
class Step:
    """One line of one frame as a part of its track; what drifts is taken off.

    track: its number. dx_px, dy_px: displacement since the track's first find. moved_x_px, moved_y_px: since the find
    before, and `frames` how many frames ago that was (0 for the first find of a track).
    points_px: the line's points in the order of the track's first find, in the first frame's coordinates.
    """

    track: int
    dx_px: float
    dy_px: float
    moved_x_px: float
    moved_y_px: float
    frames: int
    points_px: FloatArray


@dataclass(frozen=True)
class Track:
    """One line over the frames in which it was found.

    first_frame, last_frame: of its finds; `finds` of them, so that last - first + 1 - finds frames are gaps.
    glide_angle_deg: direction of its motion, counter-clockwise from x as seen on the screen, -180 to 180; None where
    it moved too little to tell. displacement_px: from the first to the last find, along the glide direction (or what
    there is of it without one). velocity_px_per_frame: slope of the straight line through its positions along the
    glide direction; None for a single find. velocity_std_px_per_frame: standard error of that slope; None for fewer
    than three finds. length_px: mean over its finds.
    """

    number: int
    first_frame: int
    last_frame: int
    finds: int
    glide_angle_deg: float | None
    displacement_px: float
    velocity_px_per_frame: float | None
    velocity_std_px_per_frame: float | None
    length_px: float


@dataclass
class _Active:
    """What is held of a track."""

    number: int
    first_frame: int
    first: FloatArray
    last: FloatArray
    last_frame: int
    step: FloatArray  # px per frame, of late
    displacement: FloatArray
    finds: int = 0
    lengths: float = 0.0
    # sums over the finds: of the frame number t since the first, of the displacement d, and of their products
    t: float = 0.0
    tt: float = 0.0
    d: FloatArray = field(default_factory=lambda: np.zeros(2))
    td: FloatArray = field(default_factory=lambda: np.zeros(2))
    dd: FloatArray = field(default_factory=lambda: np.zeros((2, 2)))

    def add(self, frame: int, displacement: FloatArray, length_px: float) -> None:
        t = frame - self.first_frame
        self.finds += 1
        self.lengths += length_px
        self.t += t
        self.tt += t * t
        self.d = self.d + displacement
        self.td = self.td + t * displacement
        self.dd = self.dd + np.outer(displacement, displacement)
        self.displacement, self.last_frame = displacement, frame

    def glide(self) -> FloatArray | None:
        """Unit vector of the motion, towards where the line went; None where it went nowhere."""
        scatter = self.dd / self.finds - np.outer(self.d, self.d) / self.finds**2
        spread, axes = np.linalg.eigh(scatter)
        if np.sqrt(spread[1]) * np.sqrt(12) < _GLIDE_PX:  # of an even motion the range is √12 times the deviation
            return None
        axis = axes[:, 1]
        trend = self.td - self.t * self.d / self.finds
        return np.asarray(axis if axis @ trend >= 0 else -axis)


class Linker:
    """Gives every line of every frame the number of its track.

    Lines are assigned to tracks so that the sum of the distances between their points and where the tracks' were
    foretold is least. A line further than the gate from all begins a track; a track without a line waits.

    Parameters
    ----------
    gate_px: the largest distance, mean over the points, that a line is from where its track is foretold.
    memory: so many frames a track may be missing and still go on.
    """

    def __init__(self, *, gate_px: float = GATE_PX, memory: int = MEMORY) -> None:
        self.gate_px = gate_px
        self.memory = memory
        self._active: list[_Active] = []
        self._ended: list[Track] = []
        self._count = 0

    def update(self, frame: int, lines: Sequence[FloatArray]) -> list[Step]:
        """The tracks of a frame's lines, in their order.

        Parameters
        ----------
        frame: its number; they rise from call to call.
        lines: points (n, 2) of each, x and y in px, with the drift taken off.
        """
        tracks = self._active
        costs = np.full((len(tracks), len(lines)), np.inf)
        for i, track in enumerate(tracks):
            ahead = frame - track.last_frame
            foretold = track.last + ahead * track.step
            for j, points in enumerate(lines):
                if np.hypot(*(points.mean(axis=0) - foretold.mean(axis=0))) > 4 * self.gate_px + _reach(
                    points, foretold
                ):
                    continue
                costs[i, j] = move(foretold, points, glide=track.glide()).distance
        taken = self._assigned(costs)
        steps = [
            self._go_on(tracks[taken[j]], frame, points) if j in taken else self._begin(frame, points)
            for j, points in enumerate(lines)
        ]
        waiting = [track for track in self._active if frame - track.last_frame <= self.memory]
        self._ended += [_summary(track) for track in self._active if frame - track.last_frame > self.memory]
        self._active = waiting
        return steps

    def foretold(self, frame: int) -> list[FloatArray]:
        """Points (n, 2) of every track that goes on, where it is expected in a frame."""
        return [track.last + (frame - track.last_frame) * track.step for track in self._active]

    def tracks(self) -> list[Track]:
        """All tracks so far, in the order of their numbers."""
        return sorted([*self._ended, *map(_summary, self._active)], key=lambda track: track.number)

    def _assigned(self, costs: FloatArray) -> dict[int, int]:
        """Line → index of its track. No pair beyond the gate; of the others as good a sum as there is."""
        n, m = costs.shape
        if not n or not m:
            return {}
        # to leave a track and a line alone costs as much as a link at the gate; tracks that wait may be thousands
        links = costs.T
        table = np.full((m, n + m), self.gate_px, np.float64)
        table[:, :n] = np.where(links <= self.gate_px, links, 4 * self.gate_px * (n + m))
        lines, columns = linear_sum_assignment(table)
        return {int(j): int(i) for j, i in zip(lines, columns, strict=True) if i < n}

    def _begin(self, frame: int, points: FloatArray) -> Step:
        track = _Active(
            number=self._count,
            first_frame=frame,
            first=points,
            last=points,
            last_frame=frame,
            step=np.zeros(2),
            displacement=np.zeros(2),
        )
        self._count += 1
        track.add(frame, np.zeros(2), _length(points))
        self._active.append(track)
        return Step(track.number, 0.0, 0.0, 0.0, 0.0, 0, points)

    def _go_on(self, track: _Active, frame: int, points: FloatArray) -> Step:
        ahead = frame - track.last_frame
        points = oriented(points, track.last + ahead * track.step)
        since = move(track.first, points, glide=track.glide())
        same_way = points[::-1] if since.against else points
        displacement = fitted(track.first, same_way, np.array((since.dx, since.dy)))
        moved = displacement - track.displacement
        newest = moved / ahead
        track.step = newest if track.finds == 1 else _NEW_STEP * newest + (1 - _NEW_STEP) * track.step
        track.last = points
        track.add(frame, displacement, _length(points))
        (dx, dy), (moved_x, moved_y) = displacement.tolist(), moved.tolist()
        return Step(track.number, dx, dy, moved_x, moved_y, ahead, points)


def positions_px(steps: Sequence[Step], glide_angle_deg: float) -> FloatArray:
    """Positions (n,) of a track's finds along its glide direction, from the first, in px."""
    angle = np.radians(glide_angle_deg)
    return np.array([step.dx_px * np.cos(angle) - step.dy_px * np.sin(angle) for step in steps], np.float64)


def _summary(track: _Active) -> Track:
    glide = track.glide()
    velocity = error = None
    displacement = float(np.hypot(*track.displacement)) if glide is None else float(track.displacement @ glide)
    spread = track.tt - track.t**2 / track.finds
    if track.finds > 1:
        trend = track.td - track.t * track.d / track.finds
        axis = glide if glide is not None else trend / max(float(np.hypot(*trend)), 1e-12)
        slope = float(trend @ axis) / spread
        velocity = slope
        if track.finds > 2:
            scatter = float(axis @ (track.dd - np.outer(track.d, track.d) / track.finds) @ axis)
            error = float(np.sqrt(max(scatter - slope**2 * spread, 0.0) / (track.finds - 2) / spread))
    return Track(
        number=track.number,
        first_frame=track.first_frame,
        last_frame=track.last_frame,
        finds=track.finds,
        glide_angle_deg=None if glide is None else float(np.degrees(np.arctan2(-glide[1], glide[0]))),
        displacement_px=displacement,
        velocity_px_per_frame=velocity,
        velocity_std_px_per_frame=error,
        length_px=track.lengths / track.finds,
    )


def _length(points: FloatArray) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def _reach(a: FloatArray, b: FloatArray) -> float:
    """How far the middles of two finds of one line may be apart because one is cut: half of what it lacks."""
    return abs(_length(a) - _length(b)) / 2

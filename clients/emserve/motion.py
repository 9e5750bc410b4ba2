"""How the lines of a video move, as a figure."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from emserve import line_colours
from emserve._extras import require
from emserve.results import DislocationsFrame, DislocationsTracks, DislocationTrack

if TYPE_CHECKING:
    import matplotlib.figure

_MOST_PAIRS = 12


class Motion:
    """Collects what a figure of a video needs: for each line and frame two numbers, for each pair of lines one.

    motion = Motion()
    for frame in frames:
        motion.add(frame)
    motion.plot(frames.tracks).savefig("motion.png")
    """

    def __init__(self) -> None:
        self._moves: dict[int, list[tuple[int, float, float]]] = defaultdict(list)
        self._pairs: dict[tuple[int, int], list[tuple[int, float]]] = defaultdict(list)

    def add(self, frame: DislocationsFrame) -> None:
        """Note one frame."""
        for line in frame.lines:
            self._moves[line.track].append((frame.number, line.dx_px, line.dy_px))
        for pair in frame.pairs:
            distance = pair.distance_px if pair.distance_nm is None else pair.distance_nm
            self._pairs[pair.first, pair.second].append((frame.number, distance))

    def positions(self, track: DislocationTrack) -> tuple[np.ndarray, np.ndarray]:
        """Frame numbers and positions (n,) of a track along its glide direction, from its first frame, in px."""
        moves = np.array(self._moves.get(track.number, []), dtype=np.float64).reshape(-1, 3)
        angle = math.radians(_direction_deg(track, moves))
        return moves[:, 0].astype(int), moves[:, 1] * math.cos(angle) - moves[:, 2] * math.sin(angle)

    def plot(self, tracks: DislocationsTracks) -> matplotlib.figure.Figure:
        """Positions of the lines along their ways, and distances of the closest pairs, over time.

        In nm where the pixel size is known, over seconds where the time of a frame is. Lines that were found in one
        frame only are left out. Raises MissingDependency without matplotlib.
        """
        figure = require("matplotlib.figure", extra="plot", purpose="A plot").Figure(
            figsize=(7.5, 8), layout="constrained"
        )
        way, apart = figure.subplots(2, 1, sharex=True)
        info, frame_time_s = tracks.micrograph, tracks.parameters.frame_time_s
        in_nm = info.pixel_size_x_nm is not None and info.pixel_size_y_nm is not None
        unit, step_s = "nm" if in_nm else "px", frame_time_s or 1.0
        followed = [track for track in tracks.tracks if track.finds > 1]
        for track in followed:
            numbers, along = self.positions(track)
            scale = _nm_per_px(tracks, track, self._moves) if in_nm else 1.0
            way.plot(numbers * step_s, along * scale, ".-", color=_ink(track.number), label=str(track.number))
        pairs = self._closest({track.number for track in followed})
        signs = []
        for (first, second), course in pairs:
            numbers, distances = np.array(course).T
            below = apart.plot(numbers * step_s, distances, "-", color=_ink(first), linewidth=2.5)
            above = apart.plot(numbers * step_s, distances, "--", color=_ink(second), linewidth=1.2)
            signs.append((*below, *above))
        way.set(ylabel=f"position along the glide direction / {unit}", title=f"{len(followed):,} lines")
        what = "closest pairs" if len(pairs) == _MOST_PAIRS else "pairs"
        apart.set(ylabel=f"mean distance of two lines / {unit}", title=f"{len(pairs):,} {what}")
        apart.set_xlabel("time / s" if frame_time_s else "frame")
        place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "frameon": False}
        if followed:
            way.legend(**place, ncols=1 + len(followed) // 16)
        if signs:
            apart.legend(signs, [f"{first} and {second}" for (first, second), _ in pairs], **place)
        for axes in (way, apart):
            axes.grid(alpha=0.3)
        return figure

    def _closest(self, numbers: set[int]) -> list[tuple[tuple[int, int], list[tuple[int, float]]]]:
        """The pairs of these tracks that are together in more than one frame, the closest of them in order."""
        chosen = [(pair, c) for pair, c in self._pairs.items() if len(c) > 1 and set(pair) <= numbers]
        chosen.sort(key=lambda item: float(np.mean([distance for _, distance in item[1]])))
        return sorted(chosen[:_MOST_PAIRS])


def _direction_deg(track: DislocationTrack, moves: np.ndarray) -> float:
    """The glide direction; that of the last displacement where a line moved too little to have one."""
    if track.glide_angle_deg is not None:
        return track.glide_angle_deg
    return math.degrees(math.atan2(-moves[-1, 2], moves[-1, 1])) if len(moves) else 0.0


def _nm_per_px(tracks: DislocationsTracks, track: DislocationTrack, moves: dict[int, Any]) -> float:
    """Of a way in the track's direction, where pixels need not be square."""
    angle = math.radians(_direction_deg(track, np.array(moves.get(track.number, [])).reshape(-1, 3)))
    info = tracks.micrograph
    return math.hypot(math.cos(angle) * (info.pixel_size_x_nm or 0), math.sin(angle) * (info.pixel_size_y_nm or 0))


def _ink(number: int) -> tuple[float, ...]:
    return tuple(0.8 * channel / 255 for channel in line_colours.colour(number))

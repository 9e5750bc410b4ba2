"""What is known of a micrograph's dislocation lines, or of a video's, → the answer that leaves the house."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from analysis.dislocations.pipeline import DislocationsAnalysis
from analysis.dislocations.stack import FrameAnalysis, PairDistance
from analysis.dislocations.statistics import LineTension, MeasuredLine
from analysis.dislocations.tracks import GATE_PX, MEMORY, Step, Track
from analysis.micrograph import Micrograph
from emserve import results
from emserve.results import (
    DislocationLine,
    DislocationsFrame,
    DislocationsParameters,
    DislocationsResult,
    DislocationsStatistics,
    DislocationsTracks,
    DislocationTrack,
    SlipTrace,
    StackParameters,
    TrackedLine,
)

# Decimals that mean something, by the unit in the name; all else is answered as it is.
_DECIMALS = {"per_px": 7, "per_nm": 9, "px": 3, "nm": 5, "deg": 2, "mpa": 3, "score": 4, "s": 6, "frame": 5}


def result(micrograph: Micrograph, analysis: DislocationsAnalysis, *, request_id: str) -> DislocationsResult:
    """The answer for one micrograph in the contract's words.

    Parameters
    ----------
    micrograph: as it was analysed.
    analysis: what `analysis.dislocations.pipeline.analyse` made of it.
    request_id: goes into the answer as it is.
    """
    return DislocationsResult(
        **_head(micrograph, analysis, request_id),
        lines=[
            DislocationLine(**_line(k, line, micrograph, analysis.tension)) for k, line in enumerate(analysis.lines, 1)
        ],
    )


@dataclass
class _Last:
    """What is held of a track beside what the linker holds: the sum of its lengths, and its last displacement."""

    finds: int = 0
    length_nm: float = 0.0
    dx_nm: float = 0.0
    dy_nm: float = 0.0


@dataclass
class StackAnswer:
    """The answers for the frames of a video, one after the other, and then for its tracks.

    Holds a few numbers a track and nothing of the frames. Tracks and lines are counted from 1 here.

    Parameters
    ----------
    request_id: goes into the answers as it is.
    frame_time_s: from one frame to the next; None where it is not known, and there are no velocities per second.
    gate_px, memory, correct_drift: as `analysis.dislocations.stack.StackAnalysis` was given them.
    """

    request_id: str
    frame_time_s: float | None = None
    gate_px: float = GATE_PX
    memory: int = MEMORY
    correct_drift: bool = True
    _head: dict[str, Any] = field(default_factory=dict, init=False)
    _warnings: dict[str, results.Notice] = field(default_factory=dict, init=False)
    _timings: dict[str, float] = field(default_factory=dict, init=False)
    _tracks: dict[int, _Last] = field(default_factory=dict, init=False)
    _frames: int = field(default=0, init=False)

    def frame(self, micrograph: Micrograph, frame: FrameAnalysis, *, picture: bytes | None = None) -> DislocationsFrame:
        """The answer for the next frame.

        Parameters
        ----------
        micrograph: the frame.
        frame: what `StackAnalysis.add` made of it.
        picture: the frame as a PNG, where it was asked for.
        """
        analysis = frame.lines
        timings = analysis.timings_ms.model_copy(
            update={"postprocess": analysis.timings_ms.postprocess + frame.motion_ms}
        )
        step_nm = _step_nm(micrograph)
        lines = []
        for k, (line, step) in enumerate(zip(analysis.lines, frame.steps, strict=True), 1):
            lines.append(TrackedLine(**_line(k, line, micrograph, analysis.tension), **_motion(step, step_nm)))
            self._note(line, step, step_nm)
        head = _head(micrograph, analysis, self.request_id) | {"timings_ms": timings}
        answer = DislocationsFrame(
            **head,
            number=frame.number,
            time_s=None if self.frame_time_s is None else round(frame.number * self.frame_time_s, 9),
            lines=lines,
            drift=results.Drift(
                **_rounded({"dx_px": frame.drift.dx, "dy_px": frame.drift.dy}),
                **_rounded(_both_nm("dx", "dy", frame.drift.dx, frame.drift.dy, step_nm)),
                sure=frame.drift.sure,
            ),
            pairs=[_pair(pair) for pair in frame.pairs],
            picture=None if picture is None else base64.b64encode(picture).decode("ascii"),
        )
        self._head = {name: head[name] for name in ("request_id", "model", "micrograph")}
        self._warnings |= {notice.code: notice for notice in answer.warnings if notice.code not in self._warnings}
        for name, value in timings.model_dump().items():
            self._timings[name] = self._timings.get(name, 0.0) + value
        self._frames += 1
        return answer

    def tracks(self, tracks: Sequence[Track]) -> DislocationsTracks:
        """The answer for all frames so far, of which there is at least one.

        Parameters
        ----------
        tracks: what `StackAnalysis.tracks` says.
        """
        # a frame without lines is not a video without lines
        warnings = [notice for code, notice in self._warnings.items() if code != "no_lines" or not tracks]
        return DislocationsTracks(
            **self._head,
            warnings=warnings,
            timings_ms=results.Timings.model_validate(self._timings),
            frames=self._frames,
            parameters=StackParameters(
                frame_time_s=self.frame_time_s,
                gate_px=self.gate_px,
                memory=self.memory,
                correct_drift=self.correct_drift,
            ),
            tracks=[self._track(track) for track in tracks],
        )

    def _note(self, line: MeasuredLine, step: Step, step_nm: tuple[float, float] | None) -> None:
        last = self._tracks.setdefault(step.track, _Last())
        last.finds += 1
        if step_nm is not None and line.length_nm is not None:
            last.length_nm += line.length_nm
            last.dx_nm, last.dy_nm = step.dx_px * step_nm[0], step.dy_px * step_nm[1]

    def _track(self, track: Track) -> DislocationTrack:
        step_nm = _step_nm_of(self._head["micrograph"])
        values: dict[str, Any] = asdict(track) | {"number": track.number + 1}
        values |= dict.fromkeys(("length_nm", "displacement_nm", "velocity_nm_per_s", "velocity_std_nm_per_s"))
        if step_nm is not None:
            last = self._tracks[track.number]
            values["length_nm"] = last.length_nm / last.finds
            if track.glide_angle_deg is None:
                # it went nowhere in particular, and pixels that are not square have no length of their own
                values["displacement_nm"] = float(np.hypot(last.dx_nm, last.dy_nm))
                nm_per_px = values["displacement_nm"] / track.displacement_px if track.displacement_px else step_nm[0]
            else:
                angle = np.radians(track.glide_angle_deg)
                nm_per_px = float(np.hypot(np.cos(angle) * step_nm[0], np.sin(angle) * step_nm[1]))
                values["displacement_nm"] = track.displacement_px * nm_per_px
            if self.frame_time_s is not None:
                for name in ("velocity", "velocity_std"):
                    per_frame = values[f"{name}_px_per_frame"]
                    if per_frame is not None:
                        values[f"{name}_nm_per_s"] = per_frame * nm_per_px / self.frame_time_s
        return DislocationTrack(**_rounded(values))


def _head(micrograph: Micrograph, analysis: DislocationsAnalysis, request_id: str) -> dict[str, Any]:
    """What the answers for a micrograph and for a frame have in common."""
    tension = analysis.tension
    return {
        "request_id": request_id,
        "model": analysis.model,
        "micrograph": micrograph.info(),
        "warnings": list(analysis.notices),
        "timings_ms": analysis.timings_ms,
        "parameters": DislocationsParameters(
            threshold=analysis.threshold,
            shear_modulus_gpa=None if tension is None else tension.shear_modulus_gpa,
            burgers_vector_nm=None if tension is None else tension.burgers_vector_nm,
            field_height_px=analysis.field_height_px,
            scale_x=analysis.scale_x,
            scale_y=analysis.scale_y,
            tiles=analysis.tiles,
        ),
        "statistics": _statistics(micrograph, analysis),
        "slip_traces": [
            SlipTrace(
                **_rounded({"score": line.score, "length_px": line.length_px, "length_nm": line.length_nm}),
                points_px=_points(line),
            )
            for line in analysis.slip_traces
        ],
    }


def _statistics(micrograph: Micrograph, analysis: DislocationsAnalysis) -> DislocationsStatistics:
    values = asdict(analysis.statistics)
    for name, decimals in (("distances_px", 3), ("distances_nm", 5)):
        if values[name] is not None:
            values[name] = np.round(values[name], decimals).tolist()
    step_nm = _step_nm(micrograph)
    area_px = analysis.field_height_px * micrograph.pixels.shape[1]
    return DislocationsStatistics(
        field_of_view_nm2=None if step_nm is None else area_px * step_nm[0] * step_nm[1], **values
    )


def _line(number: int, line: MeasuredLine, micrograph: Micrograph, tension: LineTension | None) -> dict[str, Any]:
    points, step_nm = line.points_px, _step_nm(micrograph)
    values: dict[str, Any] = {
        "number": number,
        "stress_mpa": None if tension is None else tension.stress_mpa(line),
        "touches_edge": line.touches_edge,
        **{
            name: getattr(line, name)
            for name in (
                *("score", "width_px", "length_px", "length_nm", "radius_px", "radius_nm"),
                *("mean_curvature_per_px", "mean_curvature_per_nm", "max_curvature_per_px", "max_curvature_per_nm"),
            )
        },
    }
    for end, (x, y) in (("start", points[0].tolist()), ("end", points[-1].tolist())):
        values |= {f"{end}_x_px": x, f"{end}_y_px": y, **_both_nm(f"{end}_x", f"{end}_y", x, y, step_nm)}
    per_nm = line.curvature_per_nm
    return {
        **_rounded(values),
        "points_px": _points(line),
        "curvature_per_px": np.round(line.curvature_per_px, _DECIMALS["per_px"]).tolist(),
        "curvature_per_nm": None if per_nm is None else np.round(per_nm, _DECIMALS["per_nm"]).tolist(),
    }


def _motion(step: Step, step_nm: tuple[float, float] | None) -> dict[str, Any]:
    values: dict[str, Any] = {
        "dx_px": step.dx_px,
        "dy_px": step.dy_px,
        **_both_nm("dx", "dy", step.dx_px, step.dy_px, step_nm),
        "moved_px": float(np.hypot(step.moved_x_px, step.moved_y_px)),
        "moved_nm": None
        if step_nm is None
        else float(np.hypot(step.moved_x_px * step_nm[0], step.moved_y_px * step_nm[1])),
    }
    return {**_rounded(values), "track": step.track + 1, "frames_since": step.frames}


def _pair(pair: PairDistance) -> results.PairDistance:
    return results.PairDistance(
        first=pair.first + 1,
        second=pair.second + 1,
        **_rounded({"distance_px": pair.distance_px, "distance_nm": pair.distance_nm}),
    )


def _points(line: MeasuredLine) -> list[tuple[float, float]]:
    return [(x, y) for x, y in np.round(line.points_px, _DECIMALS["px"]).tolist()]


def _both_nm(
    name_x: str, name_y: str, x_px: float, y_px: float, step_nm: tuple[float, float] | None
) -> dict[str, float | None]:
    if step_nm is None:
        return {f"{name_x}_nm": None, f"{name_y}_nm": None}
    return {f"{name_x}_nm": x_px * step_nm[0], f"{name_y}_nm": y_px * step_nm[1]}


def _step_nm(micrograph: Micrograph) -> tuple[float, float] | None:
    return _step_nm_of(micrograph.info())


def _step_nm_of(info: results.MicrographInfo) -> tuple[float, float] | None:
    if info.pixel_size_x_nm is None or info.pixel_size_y_nm is None:
        return None
    return info.pixel_size_x_nm, info.pixel_size_y_nm


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    # + 0.0: no answer says -0
    return {name: round(v, _decimals(name)) + 0.0 if isinstance(v, float) else v for name, v in values.items()}


def _decimals(name: str) -> int:
    last, two = name.rpartition("_")[2], "_".join(name.split("_")[-2:])
    return _DECIMALS.get(two, _DECIMALS.get(last, 12))

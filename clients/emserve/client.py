"""The client that blocks; `emserve.async_client` has the one that is awaited. Both say and do the same."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx

from emserve import _calls
from emserve._calls import Call, PixelSize, Send
from emserve._frames import FrameStream, Messages
from emserve._settings import DEFAULT_TIMEOUT_S, ONCE, Settings
from emserve.exceptions import DeadlineExceeded, Unavailable
from emserve.results import AtomsPostprocess, AtomsResult, DefectsResult, DislocationsResult, ModelSummary
from emserve.retries import Retries

if TYPE_CHECKING:
    from emserve._uploads import Source, StackSource

T = TypeVar("T")


class Client:
    """A connection to an emserve server. Thread-safe; connections are pooled and kept.

    Parameters
    ----------
    url: address of the server; default: EMSERVE_URL of the environment, else http://127.0.0.1:3000.
    api_key: sent as `Authorization: Bearer …`; default: EMSERVE_API_KEY of the environment, else none.
    timeout: seconds without an answer until DeadlineExceeded is raised; None waits for ever.
    retries: how a busy server is asked again.
    transport: an httpx transport; `emserve.testing.FakeServer` has one for tests without a server.

    Example
    -------
        with emserve.Client() as client:
            result = client.atoms("micrograph.dm4")
        result.to_csv("columns.csv")
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT_S,
        *,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._settings = Settings(url, api_key, timeout, retries or Retries())
        self._http = httpx.Client(**self._settings.http(transport))

    @property
    def url(self) -> str:
        """Address of the server."""
        return self._settings.url

    def atoms(
        self,
        source: Source,
        *,
        pixel_size_nm: PixelSize | None = None,
        model: str | None = None,
        threshold: float | None = None,
        postprocess: AtomsPostprocess | None = None,
        refine: bool | None = None,
        frame: int | None = None,
        request_id: str | None = None,
    ) -> AtomsResult:
        """Find the atom columns of a micrograph. What is None is left to the server.

        Parameters
        ----------
        source: path, the bytes of a file, or an array (height, width) or (frames, height, width). For an `.emi` the
            `.ser` next to it is sent.
        pixel_size_nm: one number, or (x, y); wins over what the file says.
        model: name of the model, as `models()` lists it.
        threshold: height of the network's map that counts as a column, 0 to 1.
        postprocess: 'log' (Laplacian of Gaussian) or 'otsu' (Otsu's threshold and geometric centres).
        refine: whether a 2D Gaussian is fitted to each column.
        frame: which frame of a stack, from 0.
        request_id: comes back in the answer and is in the server's log; made up if None.

        Raises EmserveError (see `emserve.exceptions`) and OSError for a file that cannot be opened.
        """
        return self._run(
            _calls.atoms(
                source,
                pixel_size_nm=pixel_size_nm,
                model=model,
                threshold=threshold,
                postprocess=postprocess,
                refine=refine,
                frame=frame,
                request_id=request_id,
            )
        )

    def defects(
        self,
        source: Source,
        *,
        pixel_size_nm: PixelSize | None = None,
        thickness_nm: float | None = None,
        score: float | None = None,
        model: str | None = None,
        frame: int | None = None,
        taylor_factor: float | None = None,
        shear_modulus_gpa: float | None = None,
        burgers_vector_nm: float | None = None,
        barrier_strengths: Mapping[str, float] | None = None,
        request_id: str | None = None,
    ) -> DefectsResult:
        """Find the irradiation defects of a micrograph. What is None is left to the server.

        Parameters
        ----------
        source: path, the bytes of a file, or an array (height, width) or (frames, height, width). For an `.emi` the
            `.ser` next to it is sent.
        pixel_size_nm: one number, or (x, y); wins over what the file says.
        thickness_nm: of the foil; without it the hardening is not given.
        score: defects that the network is less sure of are left out, 0 to 1.
        model: name of the model, as `models()` lists it.
        frame: which frame of a stack, from 0.
        taylor_factor, shear_modulus_gpa, burgers_vector_nm: M, μ and b of the barrier model, where the alloy is not
            FeCrAl.
        barrier_strengths: α of some classes, such as {"black_dot": 0.2}; the others keep theirs.
        request_id: comes back in the answer and is in the server's log; made up if None.

        Raises EmserveError (see `emserve.exceptions`) and OSError for a file that cannot be opened.
        """
        return self._run(
            _calls.defects(
                source,
                pixel_size_nm=pixel_size_nm,
                thickness_nm=thickness_nm,
                score=score,
                model=model,
                frame=frame,
                taylor_factor=taylor_factor,
                shear_modulus_gpa=shear_modulus_gpa,
                burgers_vector_nm=burgers_vector_nm,
                barrier_strengths=barrier_strengths,
                request_id=request_id,
            )
        )

    def dislocations(
        self,
        source: Source,
        *,
        pixel_size_nm: PixelSize | None = None,
        model: str | None = None,
        threshold: float | None = None,
        frame: int | None = None,
        shear_modulus_gpa: float | None = None,
        burgers_vector_nm: float | None = None,
        request_id: str | None = None,
    ) -> DislocationsResult:
        """Find the dislocation lines of a micrograph. What is None is left to the server.

        Parameters
        ----------
        source, pixel_size_nm, model, frame, request_id: as of `atoms`.
        threshold: probability from which a pixel counts as a line's, 0 to 1.
        shear_modulus_gpa, burgers_vector_nm: μ and b of the line tension, given together; with them each line has the
            stress μ b / R that bows it out.

        Raises EmserveError (see `emserve.exceptions`) and OSError for a file that cannot be opened.
        """
        return self._run(
            _calls.dislocations(
                source,
                pixel_size_nm=pixel_size_nm,
                model=model,
                threshold=threshold,
                frame=frame,
                shear_modulus_gpa=shear_modulus_gpa,
                burgers_vector_nm=burgers_vector_nm,
                request_id=request_id,
            )
        )

    def dislocations_stack(
        self,
        source: StackSource,
        *,
        pixel_size_nm: PixelSize | None = None,
        frame_time_s: float | None = None,
        model: str | None = None,
        threshold: float | None = None,
        gate_px: float | None = None,
        memory: int | None = None,
        correct_drift: bool | None = None,
        shear_modulus_gpa: float | None = None,
        burgers_vector_nm: float | None = None,
        pictures: bool = False,
        request_id: str | None = None,
    ) -> FrameStream:
        """Follow the dislocation lines of a video: an iterator of `DislocationsFrame`, each as soon as it is analysed.

            with client.dislocations_stack("video.mp4", frame_time_s=0.04) as frames:
                for frame in frames:
                    print(frame.number, [(line.track, line.length_nm) for line in frame.lines])
            print(frames.tracks.to_csv())

        After the last frame, `tracks` of the iterator is the `DislocationsTracks` over all of them. Where the video
        breaks off, the frames before it come, then the exception, and `tracks` is of those frames. Nothing grows with
        the number of frames.

        Parameters
        ----------
        source: path of a video or of a stack of pictures, a folder of frames, a list of the paths of frames, the bytes
            of a file, or an array (frames, height, width).
        frame_time_s: from one frame to the next; without it, velocities are only given per frame.
        pixel_size_nm, model, threshold, shear_modulus_gpa, burgers_vector_nm, request_id: as of `dislocations`.
        gate_px: the largest distance of a line from where its track is foretold.
        memory: so many frames a line may be missing, and its track still goes on.
        correct_drift: whether the specimen's drift is taken off before lines are linked.
        pictures: whether each frame brings its picture, `frame.png`, to draw on.

        Raises, here or between two frames, EmserveError (see `emserve.exceptions`), and OSError for a file that cannot
        be opened.
        """
        call = _calls.dislocations_stack(
            source,
            pixel_size_nm=pixel_size_nm,
            frame_time_s=frame_time_s,
            model=model,
            threshold=threshold,
            gate_px=gate_px,
            memory=memory,
            correct_drift=correct_drift,
            shear_modulus_gpa=shear_modulus_gpa,
            burgers_vector_nm=burgers_vector_nm,
            pictures=pictures,
            request_id=request_id,
        )
        return FrameStream(self._run(call), Messages(call.request_id, self.url, self._settings.timeout_s))

    def preview(self, source: Source, *, frame: int | None = None, request_id: str | None = None) -> bytes:
        """The picture as the server reads it: PNG, 8-bit grey, contrast stretched, width and height of the micrograph.

        For microscope formats that nothing on this side can read: `result.plot(client.preview(path))`.
        """
        return self._run(_calls.preview(source, frame=frame, request_id=request_id))

    def models(self) -> list[ModelSummary]:
        """The models that the server serves, with their measured scores."""
        return self._run(_calls.models()).models

    def ready(self) -> bool:
        """Whether the server is there and ready. Raises UnexpectedAnswer where something else listens."""
        try:
            return self._run(_calls.ready(), ONCE)
        except (Unavailable, DeadlineExceeded):
            return False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def _run(self, call: Call[T], retries: Retries | None = None) -> T:
        settings = self._settings
        retries = retries or settings.retries
        course = _calls.exchange(call, retries, url=settings.url, timeout_s=settings.timeout_s)
        reply: httpx.Response | httpx.RequestError | None = None
        while True:
            try:
                step = course.send(reply)
            except StopIteration as end:
                return end.value
            if isinstance(step, Send):
                reply = self._send(call)
            else:
                retries.clock.sleep(step.seconds)
                reply = None

    def _send(self, call: Call[Any]) -> httpx.Response | httpx.RequestError:
        stream = call.upload.open() if call.upload else None
        try:
            request = self._http.build_request(**self._settings.request(call, stream))
            response = self._http.send(request, stream=call.streamed)
            if call.streamed and not response.is_success:
                response.read()
            return response
        except httpx.RequestError as error:
            return error
        finally:
            if stream is not None:
                stream.close()

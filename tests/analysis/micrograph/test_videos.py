"""Videos: what PyAV writes is read as it was, and what is broken breaks at its frame."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.micrograph import Micrograph, read, read_file, read_frames, video
from analysis.micrograph.containers import is_cut_off
from emserve.exceptions import (
    EmserveError,
    InvalidParameter,
    MissingDependency,
    TooLarge,
    UnreadableMicrograph,
    UnsupportedFormat,
)

av = pytest.importorskip("av", reason="the extra video is not installed")

FRAMES, HEIGHT, WIDTH = 24, 64, 96
Film = Callable[..., bytes]


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """A smooth line that moves to the right over a slope, from black to white: (24, 64, 96) of 8 bit."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    frames = [
        255 * y / (HEIGHT - 1) * (1 - 0.8 * np.exp(-(((x - 10 - 3 * k - y / 4) / 5) ** 2))) for k in range(FRAMES)
    ]
    return np.round(frames).astype(np.uint8)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    """Frames → the bytes of a video; `times` are those of the frames in units of 1/rate."""

    def save(
        frames: np.ndarray,
        container: str,
        codec: str,
        pixels: str,
        times: list[int] | None = None,
        rate: int = 25,
        rotation: int = 0,
        aspect: Fraction | None = None,
        options: dict[str, str] | None = None,
        faststart: bool = False,
    ) -> bytes:
        path = tmp_path_factory.mktemp("film") / "film"
        flags = {"movflags": "faststart"} if faststart else {}
        with av.open(str(path), "w", format=container, options=flags) as out:
            stream = out.add_stream(codec, rate=rate, options=options or {})
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = pixels
            if aspect:
                stream.codec_context.sample_aspect_ratio = aspect
            if rotation:
                stream.set_display_rotation(rotation)
            source = "rgb24" if frames.ndim == 4 else "gray16le" if frames.dtype == np.uint16 else "gray"
            for number, frame in enumerate(frames):
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=source)
                picture.pts = times[number] if times else number
                picture.time_base = Fraction(1, rate)
                out.mux(stream.encode(picture))
            out.mux(stream.encode(None))
        return path.read_bytes()

    return save


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    """Bytes → a file whose name says nothing."""

    def write(data: bytes) -> Path:
        path = tmp_path / "upload"
        path.write_bytes(data)
        return path

    return write


def until_error(path: Path) -> tuple[list[Micrograph], EmserveError]:
    found = []
    try:
        for micrograph in read_frames(path):
            found.append(micrograph)
    except EmserveError as raised:
        error = raised
    else:
        pytest.fail("no error")
    assert error.remedy
    return found, error


# Container, codec, pixels, and by how many grey values (mean, of 255) a frame may differ.
KINDS = [
    ("mp4", "libx264", "yuv420p", 2.0),
    ("mp4", "mpeg4", "yuv420p", 6.0),
    ("avi", "mjpeg", "yuvj420p", 6.0),
    ("avi", "rawvideo", "gray", 0.0),
    ("matroska", "ffv1", "gray", 0.0),
    ("webm", "libvpx-vp9", "yuv420p", 3.0),
]


@pytest.mark.parametrize(("container", "codec", "pixels", "tolerance"), KINDS)
def test_every_frame_as_it_was(
    scene: np.ndarray,
    film: Film,
    file: Callable[[bytes], Path],
    container: str,
    codec: str,
    pixels: str,
    tolerance: float,
) -> None:
    found = list(read_frames(file(film(scene, container, codec, pixels))))
    assert [micrograph.frame for micrograph in found] == list(range(FRAMES))
    for micrograph, frame in zip(found, scene, strict=True):
        assert micrograph.frames == FRAMES
        assert micrograph.format == {"mov": "mp4", "matroska": "mkv", "webm": "mkv"}.get(container, container)
        assert micrograph.frame_time_s == pytest.approx(0.04)
        assert not micrograph.notices
        assert np.abs(micrograph.pixels - frame).mean() <= tolerance


def test_odd_sizes(scene: np.ndarray, film: Film, file: Callable[[bytes], Path]) -> None:
    odd = scene[:3, :41, :67]
    found = list(read_frames(file(film(odd, "matroska", "ffv1", "gray"))))
    np.testing.assert_array_equal([micrograph.pixels for micrograph in found], odd)
    for micrograph, frame in zip(read_frames(file(film(odd, "mp4", "mpeg4", "yuv420p"))), odd, strict=True):
        assert micrograph.pixels.shape == (41, 67)
        assert np.abs(micrograph.pixels - frame).mean() < 6


def test_sixteen_bit(film: Film, file: Callable[[bytes], Path]) -> None:
    deep = np.random.default_rng(2).integers(0, 65536, (3, 32, 40), dtype=np.uint16)
    found = list(read_frames(file(film(deep, "matroska", "ffv1", "gray16le"))))
    np.testing.assert_array_equal([micrograph.pixels for micrograph in found], deep)


def test_colours_become_grey_by_rec_601(film: Film, file: Callable[[bytes], Path]) -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (2, 32, 40, 3), dtype=np.uint8)
    found = list(read_frames(file(film(rgb, "mov", "png", "rgb24"))))
    np.testing.assert_allclose([m.pixels for m in found], rgb @ np.array([0.299, 0.587, 0.114]), atol=1e-3)


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_turned_as_the_video_says(scene: np.ndarray, film: Film, file: Callable[[bytes], Path], degrees: int) -> None:
    data = film(scene[:2], "mov", "png", "gray", rotation=degrees)
    turned = np.rot90(scene[:2], degrees // 90, axes=(1, 2))  # counter-clockwise
    np.testing.assert_array_equal([micrograph.pixels for micrograph in read_frames(file(data))], turned)


@pytest.mark.parametrize(("container", "codec", "pixels"), [("matroska", "ffv1", "gray"), ("mp4", "mpeg4", "yuv420p")])
def test_times_that_vary_are_told(
    scene: np.ndarray, film: Film, file: Callable[[bytes], Path], container: str, codec: str, pixels: str
) -> None:
    times = np.cumsum([1, 1, 4, 1, 2, 7] * 4).tolist()
    found = list(read_frames(file(film(scene, container, codec, pixels, times=times))))
    assert len(found) == FRAMES
    assert found[-1].frame_time_s is None
    assert [notice.code for notice in found[-1].notices] == ["frame_times_vary"]


def test_pixels_that_are_not_square_are_told(scene: np.ndarray, film: Film, file: Callable[[bytes], Path]) -> None:
    found = next(read_frames(file(film(scene, "mp4", "libx264", "yuv420p", aspect=Fraction(16, 11)))))
    assert [notice.code for notice in found.notices] == ["pixels_not_square"]
    assert "16 × 11" in found.notices[0].message


def test_a_video_of_one_frame(scene: np.ndarray, film: Film, file: Callable[[bytes], Path]) -> None:
    (only,) = read_frames(file(film(scene[:1], "avi", "rawvideo", "gray")))
    assert [notice.code for notice in only.notices] == ["single_frame"]


def test_dark_frames_are_frames(scene: np.ndarray, film: Film, file: Callable[[bytes], Path]) -> None:
    dark = scene[:4].copy()
    dark[:2] = 0
    found = list(read_frames(file(film(dark, "matroska", "ffv1", "gray"))))
    np.testing.assert_array_equal([micrograph.pixels for micrograph in found], dark)


class TestOneFrame:
    def test_is_read_from_bytes(self, scene: np.ndarray, film: Film) -> None:
        micrograph = read(film(scene, "avi", "rawvideo", "gray"), frame=7, pixel_size_nm=0.5)
        np.testing.assert_array_equal(micrograph.pixels, scene[7])
        assert (micrograph.frame, micrograph.frames, micrograph.pixel_size_x_nm) == (7, FRAMES, 0.5)

    def test_that_is_not_there(self, scene: np.ndarray, film: Film) -> None:
        with pytest.raises(InvalidParameter, match=f"the file has {FRAMES} frames"):
            read(film(scene, "avi", "rawvideo", "gray"), frame=FRAMES)


class TestCutOff:
    @pytest.mark.parametrize(
        ("container", "codec", "pixels", "share"),
        [
            ("mp4", "libx264", "yuv420p", 0.5),
            ("mp4", "libx264", "yuv420p", 0.97),
            ("avi", "mjpeg", "yuvj420p", 0.6),
            ("matroska", "ffv1", "gray", 0.8),
        ],
    )
    def test_frames_before_it_are_read(
        self, film: Film, file: Callable[[bytes], Path], container: str, codec: str, pixels: str, share: float
    ) -> None:
        noisy = np.random.default_rng(4).integers(0, 256, (FRAMES, HEIGHT, WIDTH), dtype=np.uint8)
        data = film(noisy, container, codec, pixels, faststart=container == "mp4")
        whole = list(read_frames(file(data)))
        path = file(data[: int(len(data) * share)])
        assert is_cut_off(path, whole[0].format)
        found, error = until_error(path)
        assert share * FRAMES - 7 < len(found) < FRAMES
        for micrograph, expected in zip(found, whole, strict=False):
            np.testing.assert_array_equal(micrograph.pixels, expected.pixels)
        assert isinstance(error, UnreadableMicrograph)
        assert error.message == f"Frame {len(found)} (from 0): The {whole[0].format} file is cut off."

    def test_an_mp4_without_its_index(self, scene: np.ndarray, film: Film, file: Callable[[bytes], Path]) -> None:
        data = film(scene, "mp4", "libx264", "yuv420p")
        found, error = until_error(file(data[: len(data) // 2]))
        assert not found
        assert "cut off" in error.message
        assert "index" in error.remedy

    def test_anywhere(self, scene: np.ndarray, film: Film, tmp_path: Path) -> None:
        path = tmp_path / "upload"
        for container, format in (("mp4", "mp4"), ("avi", "avi"), ("matroska", "mkv")):
            data = film(scene[:3], container, "mpeg4", "yuv420p")
            path.write_bytes(data)
            assert not is_cut_off(path, format)
            for count in random.Random(1).sample(range(64, len(data) - 8), 50):
                path.write_bytes(data[:count])
                assert is_cut_off(path, format), count


class TestDamaged:
    def test_frames_before_it_are_read(self, film: Film, file: Callable[[bytes], Path]) -> None:
        noisy = np.random.default_rng(4).integers(0, 256, (FRAMES, HEIGHT, WIDTH), dtype=np.uint8)
        data = bytearray(film(noisy, "matroska", "mpeg4", "yuv420p"))
        whole = list(read_frames(file(bytes(data))))
        at = len(data) * 2 // 3
        data[at : at + 400] = bytes(400)
        found, error = until_error(file(bytes(data)))
        assert 10 < len(found) < 20
        for micrograph, expected in zip(found, whole, strict=False):
            np.testing.assert_array_equal(micrograph.pixels, expected.pixels)
        assert isinstance(error, UnreadableMicrograph)
        assert error.message.startswith(f"Frame {len(found)} (from 0): ")

    def test_any_byte(self, scene: np.ndarray, film: Film, file: Callable[[bytes], Path]) -> None:
        chance = random.Random(5)
        for container, codec in (("mp4", "libx264"), ("avi", "mpeg4"), ("matroska", "mpeg4")):
            data = bytearray(film(scene[:4], container, codec, "yuv420p"))
            for _ in range(30):
                data[chance.randrange(12, len(data))] = chance.randrange(256)
            try:
                found = list(read_frames(file(bytes(data))))
            except EmserveError as error:
                found = []
                problem = error
            assert len(found) in range(1, 6) or problem.remedy


class TestRefused:
    def test_too_many_pixels_by_the_header(self, scene: np.ndarray, film: Film, file: Callable[[bytes], Path]) -> None:
        with pytest.raises(TooLarge, match=f"{WIDTH} × {HEIGHT}"):
            next(read_frames(file(film(scene[:2], "mp4", "mpeg4", "yuv420p")), max_pixels=HEIGHT * WIDTH - 1))

    def test_a_codec_that_is_not_known(self, scene: np.ndarray, film: Film, file: Callable[[bytes], Path]) -> None:
        with pytest.raises(UnsupportedFormat, match="flv") as caught:
            next(read_frames(file(film(scene[:2], "avi", "flv", "yuv420p"))))
        assert "ffmpeg" in caught.value.remedy

    def test_sound_without_pictures(self, file: Callable[[bytes], Path]) -> None:
        buffer = io.BytesIO()
        with av.open(buffer, "w", format="matroska") as out:
            stream = out.add_stream("pcm_s16le", rate=8000)
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            sound.rate = 8000
            out.mux(stream.encode(sound))
            out.mux(stream.encode(None))
        with pytest.raises(UnreadableMicrograph, match="sound"):
            next(read_frames(file(buffer.getvalue())))

    @pytest.mark.parametrize(
        "data",
        [
            b"\0\0\0\x18ftypisom\0\0\2\0isomiso2",
            b"RIFF\xff\xff\0\0AVI LIST" + bytes(200),
            b"\x1aE\xdf\xa3" + bytes(200),
        ],
    )
    def test_nothing_but_a_beginning(self, file: Callable[[bytes], Path], data: bytes) -> None:
        with pytest.raises(UnreadableMicrograph):
            next(read_frames(file(data)))

    def test_pictures_of_telephones(self) -> None:
        with pytest.raises(UnsupportedFormat, match="HEIC"):
            read(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))

    def test_without_the_extra(
        self, scene: np.ndarray, film: Film, file: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = film(scene[:2], "avi", "rawvideo", "gray")
        monkeypatch.setattr(video, "find_spec", lambda name: None if name == "av" else find_spec(name))
        asked: list[Callable[[], Any]] = [lambda: read(data), lambda: next(read_frames(file(data)))]
        for ask in asked:
            with pytest.raises(MissingDependency) as caught:
                ask()
            assert caught.value.remedy == "Run: pip install av"


def test_of_real_frames(shared_data: Path, film: Film, file: Callable[[bytes], Path]) -> None:
    folder = shared_data / "dislocation_frames" / "titanium_video"
    frames = np.array([read_file(path).pixels for path in sorted(folder.iterdir())]).round().astype(np.uint8)
    found = list(read_frames(file(film(frames, "mp4", "libx264", "yuv420p", options={"crf": "18"}))))
    assert len(found) == len(frames) == 10
    for micrograph, frame in zip(found, frames, strict=True):
        assert np.corrcoef(micrograph.pixels.ravel(), frame.ravel())[0, 1] > 0.98

"""Stacks, folders and archives of frames, one by one."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from analysis.micrograph import Micrograph, read, read_file, read_frames, streaming
from emserve.exceptions import EmptyBody, EmserveError, TooLarge, UnreadableMicrograph, UnsupportedFormat

Save = Callable[..., bytes]

FRAMES, HEIGHT, WIDTH = 5, 18, 22
TIFFS = {
    "one piece": {},
    "imagej": {"imagej": True, "metadata": {"axes": "TYX", "finterval": 0.25}},
    "zlib": {"compression": "zlib"},
    "strips": {"rowsperstrip": 4, "metadata": None},
    "big": {"bigtiff": True},
}


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    """Frames without symmetry, of 8 bit."""
    return np.random.default_rng(3).integers(0, 256, (FRAMES, HEIGHT, WIDTH), dtype=np.uint8)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    """Bytes → a file whose name says nothing."""

    def write(data: bytes) -> Path:
        path = tmp_path / "upload"
        path.write_bytes(data)
        return path

    return write


def pages(stack: np.ndarray) -> bytes:
    """A TIFF of which each page is followed by its pixels."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for frame in stack:
            writer.write(frame, contiguous=False, metadata=None, photometric="minisblack")
    return buffer.getvalue()


def lzw(stack: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    first, *others = [Image.fromarray(frame) for frame in stack]
    first.save(buffer, "TIFF", save_all=True, append_images=others, compression="tiff_lzw")
    return buffer.getvalue()


def archive(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def show(micrographs: list[Micrograph], stack: np.ndarray) -> None:
    """Assert that all frames are there, numbered and as they were."""
    assert [micrograph.frame for micrograph in micrographs] == list(range(len(stack)))
    for micrograph, frame in zip(micrographs, stack, strict=True):
        np.testing.assert_array_equal(micrograph.pixels, frame)
        assert micrograph.pixels.dtype == np.float32
        assert micrograph.frames == len(stack)


def until_error(path: Path) -> tuple[list[Micrograph], EmserveError]:
    found = []
    frames = read_frames(path)
    try:
        for micrograph in frames:
            found.append(micrograph)
    except EmserveError as raised:
        error = raised
    else:
        pytest.fail("no error")
    assert error.remedy
    return found, error


@pytest.mark.parametrize("kind", [*TIFFS, "pages", "lzw", "npy", "mrc", "ser", "dm4", "emd", "npz", "npz packed"])
def test_every_frame_as_it_was(
    stack: np.ndarray,
    file: Callable[[bytes], Path],
    kind: str,
    tiff: Save,
    npy: Save,
    mrc: Save,
    ser: Save,
    dm: Save,
    velox: Save,
) -> None:
    npz = io.BytesIO()
    (np.savez_compressed if kind == "npz packed" else np.savez)(npz, stack)
    data = {
        "pages": lambda: pages(stack),
        "lzw": lambda: lzw(stack),
        "npy": lambda: npy(stack),
        "mrc": lambda: mrc(stack.astype(np.int16), 2.0),
        "ser": lambda: ser(stack.astype(np.uint16)),
        "dm4": lambda: dm(stack, 4, scales=(0.2, 0.2, 0.5), units=("nm", "nm", "s")),
        "emd": lambda: velox({"HAADF": (np.moveaxis(stack, 0, -1), 2e-10, "m")}),
    }.get(kind, npz.getvalue if kind.startswith("npz") else lambda: tiff(stack, **TIFFS[kind]))()
    found = list(read_frames(file(data)))
    show(found, stack)
    assert {micrograph.sha256 for micrograph in found} == {hashlib.sha256(data).hexdigest()}
    sizes_nm = {"mrc": 0.2, "ser": 0.01, "dm4": 0.2, "emd": 0.2}
    for micrograph in found:
        assert micrograph.pixel_size_x_nm == (pytest.approx(sizes_nm[kind]) if kind in sizes_nm else None)
        assert micrograph.pixel_size_source == ("file" if kind in sizes_nm else "none")
        assert micrograph.frame_time_s == {"imagej": 0.25, "dm4": 0.5}.get(kind)
        assert not micrograph.notices


@given(
    st.sampled_from(["npy", "tiff", "mrc", "pages"]),
    st.sampled_from(["u1", "u2", "f4", "i2"]),
    st.tuples(st.integers(1, 6), st.integers(8, 20), st.integers(8, 20)),
    st.randoms(use_true_random=False),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_frames_are_those_of_read(
    tmp_path: Path, npy: Save, tiff: Save, mrc: Save, kind: str, dtype: str, shape: tuple[int, int, int], random: object
) -> None:
    values = np.random.default_rng(random.getrandbits(32)).integers(0, 100, shape)  # type: ignore[attr-defined]

    def one_piece(frames: np.ndarray) -> bytes:
        return tiff(frames, photometric="minisblack")

    if kind == "mrc" and dtype == "u1":
        dtype = "i1"
    data = {"npy": npy, "tiff": one_piece, "mrc": mrc, "pages": pages}[kind](values.astype(dtype))
    path = tmp_path / "upload"
    path.write_bytes(data)
    found = list(read_frames(path, pixel_size_nm=0.5))
    show(found, values)
    for number, micrograph in enumerate(found):
        alone = read(data, pixel_size_nm=0.5, frame=number)
        np.testing.assert_array_equal(micrograph.pixels, alone.pixels)
        assert micrograph.info() == alone.info()


@pytest.mark.parametrize("kind", ["npy", "mrc", "ser", "pages", "lzw", "one piece", "imagej", "big"])
def test_cut_off_in_the_middle(
    stack: np.ndarray, file: Callable[[bytes], Path], kind: str, tiff: Save, npy: Save, mrc: Save, ser: Save
) -> None:
    data = {
        "npy": npy,
        "mrc": lambda frames: mrc(frames.astype(np.int16)),
        "ser": lambda frames: ser(frames.astype(np.uint16)),
        "pages": pages,
        "lzw": lzw,
    }.get(kind, lambda frames: tiff(frames, **TIFFS[kind]))(stack)
    found, error = until_error(file(data[: len(data) * 3 // 5]))
    assert 1 < len(found) < FRAMES
    for micrograph, frame in zip(found, stack, strict=False):
        np.testing.assert_array_equal(micrograph.pixels, frame)
    assert isinstance(error, UnreadableMicrograph)
    assert error.message.startswith(f"Frame {len(found)} (from 0): ")


@given(st.sampled_from(["npy", "pages", "mrc", "ser", "tiff"]), st.floats(0, 1, exclude_max=True))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cut_off_anywhere(
    tmp_path: Path, stack: np.ndarray, npy: Save, mrc: Save, ser: Save, tiff: Save, kind: str, share: float
) -> None:
    data = {
        "npy": npy,
        "pages": pages,
        "tiff": tiff,
        "mrc": lambda frames: mrc(frames.astype(np.int16)),
        "ser": lambda frames: ser(frames.astype(np.uint16)),
    }[kind](stack)
    path = tmp_path / "upload"
    path.write_bytes(data[: int(len(data) * share)])
    found, whole = [], True
    try:
        for micrograph in read_frames(path):
            found.append(micrograph)
    except EmserveError:
        whole = False
    assert whole is (len(found) == FRAMES)  # what is behind the last frame may be missing
    for micrograph, frame in zip(found, stack, strict=False):
        np.testing.assert_array_equal(micrograph.pixels, frame)


def test_a_tiff_of_different_sizes(stack: np.ndarray, file: Callable[[bytes], Path]) -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for frame in [*stack[:3], stack[3, :10]]:
            writer.write(frame, contiguous=False, metadata=None)
    found, error = until_error(file(buffer.getvalue()))
    assert len(found) == 3
    assert all(text in error.message for text in ("Frame 3", f"{WIDTH} × 10", f"{WIDTH} × {HEIGHT}"))


def test_a_stack_of_one_is_answered_with_a_notice(
    stack: np.ndarray, file: Callable[[bytes], Path], npy: Save, pillow: Save
) -> None:
    for data in (npy(stack[0]), npy(stack[:1]), pillow(stack[0], "PNG"), archive({"a.png": pillow(stack[0], "PNG")})):
        (only,) = read_frames(file(data))
        np.testing.assert_array_equal(only.pixels, stack[0])
        assert [notice.code for notice in only.notices] == ["single_frame"]


def test_a_frame_that_shows_nothing_is_a_frame(
    stack: np.ndarray, file: Callable[[bytes], Path], npy: Save, pillow: Save
) -> None:
    dark = stack.copy()
    dark[2] = 7
    show(list(read_frames(file(npy(dark)))), dark)
    show(list(read_frames(file(archive({f"{k}.png": pillow(frame, "PNG") for k, frame in enumerate(dark)})))), dark)
    with pytest.raises(UnreadableMicrograph, match="same value"):
        list(read_frames(file(npy(dark[2]))))


def test_the_argument_wins_over_the_file(stack: np.ndarray, file: Callable[[bytes], Path], mrc: Save) -> None:
    for micrograph in read_frames(file(mrc(stack.astype(np.int16), 2.0)), pixel_size_nm=(0.3, 0.4)):
        assert (micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm) == (0.3, 0.4)
        assert [notice.code for notice in micrograph.notices] == ["pixel_size_overridden"]


class TestFolder:
    def test_frames_come_by_the_numbers_in_their_names(self, stack: np.ndarray, tmp_path: Path, pillow: Save) -> None:
        for number, frame in zip((1, 2, 9, 10, 100), stack, strict=True):
            (tmp_path / f"frame_{number}.png").write_bytes(pillow(frame, "PNG"))
        (tmp_path / "notes.txt").write_text("what was recorded")
        (tmp_path / ".hidden.png").write_bytes(b"")
        show(list(read_frames(tmp_path)), stack)

    def test_of_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("what was recorded")
        _, error = until_error(tmp_path)
        assert "holds no pictures" in error.message

    def test_a_broken_file_is_named(self, stack: np.ndarray, tmp_path: Path, pillow: Save) -> None:
        for number, frame in enumerate(stack):
            data = pillow(frame, "PNG")
            (tmp_path / f"frame_{number}.png").write_bytes(data if number != 3 else data[:60])
        found, error = until_error(tmp_path)
        show([Micrograph(**{**vars(m), "frames": 3}) for m in found], stack[:3])
        assert error.message.startswith("Frame 3 (from 0): frame_3.png: ")

    def test_sizes_are_left_to_who_links_the_frames(self, stack: np.ndarray, tmp_path: Path, pillow: Save) -> None:
        (tmp_path / "a.png").write_bytes(pillow(stack[0], "PNG"))
        (tmp_path / "b.png").write_bytes(pillow(stack[1, :9], "PNG"))
        assert [micrograph.pixels.shape for micrograph in read_frames(tmp_path)] == [(HEIGHT, WIDTH), (9, WIDTH)]

    def test_of_real_frames(self, shared_data: Path) -> None:
        folder = shared_data / "dislocation_frames" / "titanium_video"
        found = list(read_frames(folder))
        assert len(found) == 10
        np.testing.assert_array_equal(found[4].pixels, read_file(folder / "frame_1774.png").pixels)


class TestZip:
    @pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_of_pictures(
        self, stack: np.ndarray, file: Callable[[bytes], Path], pillow: Save, compression: int
    ) -> None:
        names = ["film/frame_10.png", "film/frame_2.png", "film/frame_33.png", "film/frame_4.png", "film/frame_5.png"]
        order = sorted(range(FRAMES), key=lambda k: int(names[k].split("_")[1][:-4]))
        files = {names[k]: pillow(stack[k], "PNG") for k in range(FRAMES)}
        extra = {"film/": b"", "__MACOSX/film/._frame_2.png": b"fork", "film/.DS_Store": b"x", "film/Thumbs.db": b"x"}
        data = archive({**extra, **files}, compression)
        found = list(read_frames(file(data)))
        show(found, stack[order])
        assert found[0].sha256 == hashlib.sha256(data).hexdigest()

    def test_what_is_no_picture_is_named(self, stack: np.ndarray, file: Callable[[bytes], Path], pillow: Save) -> None:
        found, error = until_error(file(archive({"a.png": pillow(stack[0], "PNG"), "b.txt": b"notes of the session"})))
        assert len(found) == 1
        assert isinstance(error, UnsupportedFormat)
        assert error.message.startswith("Frame 1 (from 0): b.txt: ")

    def test_a_stack_among_others(self, stack: np.ndarray, file: Callable[[bytes], Path], npy: Save) -> None:
        _, error = until_error(file(archive({"a.npy": npy(stack), "b.npy": npy(stack)})))
        assert error.message == f"a.npy: It is a stack of {FRAMES} frames itself."

    @pytest.mark.parametrize(
        "data", [archive({}), archive({"folder/": b""}), archive({"?.png": b"no name"}).replace(b"?.png", b"\0.png")]
    )
    def test_of_nothing(self, file: Callable[[bytes], Path], data: bytes) -> None:
        _, error = until_error(file(data))
        assert "holds no pictures" in error.message

    def test_encrypted(self, stack: np.ndarray, file: Callable[[bytes], Path], pillow: Save) -> None:
        data = bytearray(archive({"a.png": pillow(stack[0], "PNG")}))
        data[6] |= 1
        data[data.rfind(b"PK\1\2") + 8] |= 1
        _, error = until_error(file(bytes(data)))
        assert "a.png: It is encrypted." in error.message
        assert "password" in error.remedy

    def test_cut_off(self, stack: np.ndarray, file: Callable[[bytes], Path], pillow: Save) -> None:
        data = archive({f"{k}.png": pillow(frame, "PNG") for k, frame in enumerate(stack)})
        _, error = until_error(file(data[: len(data) // 2]))
        assert "cut off" in error.message

    def test_damaged_member(self, stack: np.ndarray, file: Callable[[bytes], Path], npy: Save) -> None:
        data = bytearray(archive({f"{k}.npy": npy(frame) for k, frame in enumerate(stack)}))
        data[data.find(b"2.npy") + 200] ^= 255
        found, error = until_error(file(bytes(data)))
        assert len(found) == 2
        assert error.message == "Frame 2 (from 0): 2.npy: It is damaged."

    def test_bomb(self, stack: np.ndarray, file: Callable[[bytes], Path], pillow: Save) -> None:
        data = archive({"a.png": pillow(stack[0], "PNG"), "b.png": bytes(80_000_000)}, zipfile.ZIP_DEFLATED)
        path = file(data)
        frames = read_frames(path, max_pixels=1000)
        next(frames)
        with pytest.raises(TooLarge, match=r"b\.png"):
            next(frames)

    @pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_a_packing_that_unpacks_without_a_limit(
        self, stack: np.ndarray, file: Callable[[bytes], Path], pillow: Save, compression: int
    ) -> None:
        """A few KB of these become as much memory as they like, however little is asked for."""
        _, error = until_error(file(archive({"a.png": pillow(stack[0], "PNG")}, compression)))
        assert "a.png: It is packed in a way that is not read." in error.message
        assert "deflated" in error.remedy

    def test_a_place_before_the_file(self, stack: np.ndarray, file: Callable[[bytes], Path], pillow: Save) -> None:
        data = bytearray(archive({"a.png": pillow(stack[0], "PNG")}))
        at = data.rfind(b"PK\5\6") + 16  # where the list of files is said to begin; `zipfile` moves all by the error
        data[at : at + 4] = (int.from_bytes(data[at : at + 4], "little") + 1000).to_bytes(4, "little")
        _, error = until_error(file(bytes(data)))
        assert "a.png: It cannot be unpacked." in error.message

    def test_a_name_of_thousands_of_digits(
        self, stack: np.ndarray, file: Callable[[bytes], Path], pillow: Save
    ) -> None:
        names = ("9" * 5000, "12", "3")
        files = {f"{name}.png": pillow(frame, "PNG") for name, frame in zip(names, stack, strict=False)}
        show(list(read_frames(file(archive(files)))), stack[[2, 1, 0]])

    def test_flood_of_names_behind_another_record(self, file: Callable[[bytes], Path]) -> None:
        """A ZIP64 locator names a small list, but a record of a long one lies where `zipfile` looks."""
        data = archive({"a.png": b"x"})
        at = data.rfind(b"PK\5\6")
        small, long = (b"PK\6\6" + bytes(36) + size.to_bytes(8, "little") + bytes(8) for size in (50, 100_000_000))
        locator = b"PK\6\7" + bytes(4) + at.to_bytes(8, "little") + (1).to_bytes(4, "little")
        with pytest.raises(TooLarge, match="too many files"):
            list(read_frames(file(data[:at] + small + long + locator + data[at:])))

    def test_flood_of_names(self, file: Callable[[bytes], Path]) -> None:
        data = bytearray(archive({"a.png": b"x"}))
        at = data.rfind(b"PK\5\6") + 12
        data[at : at + 4] = (100_000_000).to_bytes(4, "little")
        with pytest.raises(TooLarge, match="too many files"):
            list(read_frames(file(bytes(data))))

    def test_npz_column_by_column(self, stack: np.ndarray, file: Callable[[bytes], Path]) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, np.asfortranarray(stack))
        _, error = until_error(file(buffer.getvalue()))
        assert "ascontiguousarray" in error.remedy


def test_no_bytes(file: Callable[[bytes], Path]) -> None:
    with pytest.raises(EmptyBody):
        next(read_frames(file(b"")))


@pytest.mark.parametrize(
    "data", [b"#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n"]
)
def test_playlists_are_text(file: Callable[[bytes], Path], data: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        next(read_frames(file(data)))


def test_too_many_pixels_by_the_header_alone(
    stack: np.ndarray, file: Callable[[bytes], Path], npy: Save, ser: Save
) -> None:
    for data in (npy(stack), ser(stack.astype(np.uint16)), pages(stack)):
        with pytest.raises(TooLarge):
            next(read_frames(file(data), max_pixels=HEIGHT * WIDTH - 1))


def test_next_may_come_from_any_thread(stack: np.ndarray, file: Callable[[bytes], Path]) -> None:
    frames = read_frames(file(lzw(stack)))
    threads = set()

    def take(_: int) -> Micrograph:
        threads.add(threading.get_ident())
        return next(frames)

    found = []
    for number in range(FRAMES):
        with ThreadPoolExecutor(1) as pool:
            found.append(pool.submit(take, number).result())
    show(found, stack)


class TestChildProcess:
    @pytest.fixture
    def started(self, monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
        """The child processes that were started."""
        processes: list[subprocess.Popen[bytes]] = []
        popen = subprocess.Popen

        def start(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
            processes.append(popen(*arguments, **options))  # type: ignore[call-overload]
            return processes[-1]

        monkeypatch.setattr(streaming.subprocess, "Popen", start)
        return processes

    @pytest.fixture
    def large(self, file: Callable[[bytes], Path]) -> Path:
        """Frames that do not fit into a pipe."""
        return file(lzw(np.random.default_rng(1).integers(0, 256, (4, 400, 400), dtype=np.uint8)))

    def test_ends_when_the_frames_are_closed(self, large: Path, started: list[subprocess.Popen[bytes]]) -> None:
        frames = read_frames(large)
        next(frames)
        (process,) = started
        assert process.poll() is None
        frames.close()
        assert process.poll() is not None

    def test_a_crash_is_an_error_at_its_frame(self, large: Path, started: list[subprocess.Popen[bytes]]) -> None:
        frames = read_frames(large)
        next(frames)
        started[0].kill()
        with pytest.raises(UnreadableMicrograph, match="broken or cut off"):
            list(frames)

    def test_one_that_does_not_come_to_an_end(self, large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(streaming, "MOST_WALL_S", 0.01)
        with pytest.raises(UnreadableMicrograph):
            list(read_frames(large))

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has only the timeout")
    def test_a_decoder_that_spins_is_ended(self, root: Path) -> None:
        spin = "from analysis.micrograph import streaming as s; s.MOST_CPU_S = 1; s._grant_time()\nwhile True: pass"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (root, root / "clients")))}
        ended = subprocess.run([sys.executable, "-c", spin], env=environment, check=False)
        assert ended.returncode == -signal.SIGXCPU


@pytest.mark.parametrize("kind", ["npy", "tiff", "mrc"])
def test_memory_does_not_grow_with_the_frames(tmp_path: Path, npy: Save, tiff: Save, mrc: Save, kind: str) -> None:
    stack = np.random.default_rng(5).integers(0, 100, (300, 64, 64)).astype(np.int16)
    path = tmp_path / "upload"
    path.write_bytes({"npy": npy, "tiff": tiff, "mrc": mrc}[kind](stack))
    frames = read_frames(path)
    next(frames)
    tracemalloc.start()
    try:
        count = sum(1 for _ in frames)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 299
    assert peak < 10 * 64 * 64 * 4

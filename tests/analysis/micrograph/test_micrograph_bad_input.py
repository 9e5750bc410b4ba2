"""What cannot be read: an error of emserve's own that says what to do, before memory is taken, and nothing else."""

from __future__ import annotations

import io
import logging
import os
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from analysis.micrograph import formats, isolation, read
from analysis.micrograph.sniff import sniff
from emserve.exceptions import (
    EmptyBody,
    EmserveError,
    InputError,
    InternalError,
    MissingDependency,
    TooLarge,
    UnreadableMicrograph,
    UnsupportedFormat,
)

Save = Callable[..., bytes]
HUGE = 30_000


def refusal(data: bytes, **options: object) -> EmserveError:
    """The error that reading ends with; it is one for the user to fix, and says how."""
    with pytest.raises(EmserveError) as caught:
        read(data, **options)  # type: ignore[arg-type]
    error = caught.value
    assert isinstance(error, InputError)
    assert 400 <= error.status < 500
    assert error.remedy.endswith(".")
    assert len(str(error)) < 400
    return error


def memory_of(action: Callable[[], object]) -> int:
    """The peak of memory in bytes that Python and numpy take during an action."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def files(grey: np.ndarray, pillow: Save, tiff: Save, npy: Save, mrc: Save, dm: Save, ser: Save) -> dict[str, bytes]:
    """A good file of every format that is read in this process."""
    return {
        "png": pillow(grey, "png"),
        "jpeg": pillow(grey, "jpeg"),
        "bmp": pillow(grey, "bmp"),
        "tiff": tiff(grey),
        "tiff zlib": tiff(grey, compression="zlib"),
        "tiff tiles": tiff(grey, tile=(16, 16)),
        "npy": npy(grey),
        "mrc": mrc(grey.astype(np.int16)),
        "dm3": dm(grey, 3),
        "dm4": dm(grey, 4),
        "ser": ser(grey[None]),
    }


def test_no_bytes() -> None:
    assert isinstance(refusal(b""), EmptyBody)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"# a text that was renamed to .dm3\nx, y\n1, 2\n" * 50, "text"),
        ("Übungstext, mit Umlauten\n".encode() * 50, "text"),
        (b"https://example.org/micrograph.dm4", "web address"),
        (b"file:///etc/hostname", "web address"),
        (b"<html><body>404</body></html>", "text"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"PK\x03\x04" + bytes(60), "ZIP"),
        (b"\x1f\x8b\x08" + bytes(60), "gzip"),
        (b"GIF89a" + bytes(60), "GIF"),
        (bytes(4000), "no format"),
        (bytes(range(256)) * 10, "no format"),
        (b"\x00\x00\x00\x03 not tags of DigitalMicrograph", "no format"),
        (b"\x89PN", "no format"),
        (b"BMW, Audi\x00", "no format"),
    ],
)
def test_what_no_reader_knows(data: bytes, says: str) -> None:
    error = refusal(data)
    assert isinstance(error, UnsupportedFormat)
    assert says in error.message


@pytest.mark.parametrize(
    "start", [b"#FORMAT      : EMSA/MAS Spectral Data File", b"WDF1", b"IMGBLO\x02\x01", b"MQ1,000001"]
)
def test_formats_of_spectra_and_diffraction(start: bytes) -> None:
    error = refusal(start + bytes(500))
    assert isinstance(error, UnreadableMicrograph)
    assert "not a picture" in error.message


def test_cut_off_anywhere(files: dict[str, bytes]) -> None:
    for name, data in files.items():
        cuts = {len(data) * part // 8 for part in range(1, 8)} | {len(data) - 60, 40, 100}
        for cut in cuts:
            error = refusal(data[: max(cut, 1)])
            assert isinstance(error, UnreadableMicrograph | UnsupportedFormat), (name, cut)
            if cut > len(data) / 2:
                assert "broken or cut off" in error.message, (name, cut, error.message)


@pytest.mark.parametrize("shape", [(1, 1), (7, 100), (100, 7)])
def test_too_small_to_show_anything(npy: Save, tiff: Save, pillow: Save, shape: tuple[int, int]) -> None:
    few = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    for data in (npy(few), tiff(few), pillow(few, "png")):
        assert "both sides need at least 8" in refusal(data).message


def test_the_smallest_picture_is_read(npy: Save) -> None:
    assert read(npy(np.arange(64.0).reshape(8, 8))).pixels.shape == (8, 8)


@pytest.mark.parametrize("value", [0, 17.5, 255])
def test_constant(npy: Save, tiff: Save, value: float) -> None:
    flat = np.full((20, 20), value, np.float32)
    for data in (npy(flat), tiff(flat)):
        assert f"same value, {value:g}" in refusal(data).message


class TestGaps:
    """NaN and infinite pixels."""

    def test_nothing_else(self, npy: Save) -> None:
        assert "All pixels" in refusal(npy(np.full((20, 20), np.nan))).message
        assert "All pixels" in refusal(npy(np.full((20, 20), np.inf))).message

    def test_too_many(self, npy: Save, grey: np.ndarray) -> None:
        holed = grey.astype(np.float32)
        holed[:2] = np.nan
        assert "40 of 480 pixels" in refusal(npy(holed)).message

    @pytest.mark.parametrize("gap", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
    def test_a_few_become_the_median(self, npy: Save, grey: np.ndarray, gap: float, kind: type) -> None:
        holed = grey.astype(kind)
        holed[3, 4] = holed[5, 6] = gap
        micrograph = read(npy(holed))
        rest = np.delete(grey.ravel(), [3 * 20 + 4, 5 * 20 + 6])
        assert micrograph.pixels[3, 4] == micrograph.pixels[5, 6] == np.median(rest)
        assert micrograph.pixels[3, 5] == grey[3, 5]
        assert [notice.code for notice in micrograph.notices] == ["pixels_replaced"]
        assert micrograph.notices[0].message.startswith("2 pixels")

    def test_beyond_float32_is_a_gap(self, npy: Save, grey: np.ndarray) -> None:
        holed = grey.astype(np.float64)
        holed[0, 0] = 1e300
        assert [notice.code for notice in read(npy(holed)).notices] == ["pixels_replaced"]


def test_complex_pixels(npy: Save, tiff: Save, mrc: Save, grey: np.ndarray) -> None:
    for data in (npy(grey.astype(complex)), tiff(grey.astype(np.complex64)), mrc(grey.astype(np.complex64))):
        assert "complex numbers" in refusal(data).message


def test_more_than_a_stack(npy: Save, tiff: Save, dm: Save) -> None:
    for data in (
        npy(np.zeros((2, 3, 9, 9))),
        tiff(np.zeros((2, 3, 9, 9), np.uint16), imagej=True),
        dm(np.zeros((2, 3, 9, 9), np.uint16), 4, (1.0,) * 4, ("nm", "nm", "", "")),
    ):
        assert "4 dimensions" in refusal(data).message
    assert "5 dimensions" in refusal(npy(np.zeros((2, 3, 2, 9, 9)))).message


def test_less_than_a_picture(npy: Save, dm: Save) -> None:
    assert "1 dimensions" in refusal(npy(np.zeros(100))).message
    assert "0 dimensions" in refusal(npy(np.array(1.0))).message
    assert "no picture" in refusal(npy(np.zeros((0, 20, 20)))).message
    assert "spectrum or a profile" in refusal(dm(np.arange(100, dtype=np.float32), 4, (1.0,), ("eV",))).message


class TestNpyOfOtherThings:
    def test_pickled_objects_are_never_opened(self, npy: Save, tmp_path: Path) -> None:
        class Trap:
            def __reduce__(self) -> tuple[object, tuple[str]]:
                return os.mkdir, (str(tmp_path / "sprung"),)

        error = refusal(npy(np.array([[Trap()] * 9] * 9, dtype=object), allow_pickle=True))
        assert "never opened" in error.message
        assert not (tmp_path / "sprung").exists()

    @pytest.mark.parametrize("kind", ["U4", "S4", "M8[s]", "V3", [("x", "f4"), ("y", "f4")]])
    def test_what_is_no_number(self, npy: Save, kind: object) -> None:
        assert "not a picture" in refusal(npy(np.zeros((20, 20), kind))).message  # type: ignore[call-overload]

    def test_the_message_names_what_is_wrong(self, npy: Save, tiff: Save, grey: np.ndarray) -> None:
        assert "named fields" not in refusal(npy(np.zeros((20, 20), "M8[s]"))).message
        assert "named fields" in refusal(npy(np.zeros((20, 20), [("x", "f4")]))).message
        assert "20 × 24 pixels of 7 channels" in refusal(npy(np.stack([grey] * 7, axis=-1))).message
        assert np.array_equal(read(npy(grey[..., None])).pixels, grey)
        many = tiff(np.stack([grey] * 7, axis=-1), photometric="minisblack", planarconfig="contig")
        assert "7 channels" in refusal(many).message

    @pytest.mark.parametrize(
        "header",
        [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 9), }",
            "__import__('os')",
            "{" * 900,
        ],
    )
    def test_headers_that_lie(self, header: str) -> None:
        text = header.encode().ljust(1000) + b"\n"
        refusal(b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + bytes(400))


class TestHugeHeaders:
    """30,000 × 30,000 pixels in the header of a small file."""

    def png(self) -> bytes:
        def chunk(kind: bytes, body: bytes) -> bytes:
            return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

        head = struct.pack(">IIBBBBB", HUGE, HUGE, 8, 0, 0, 0, 0)
        return (
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")
        )

    def jpeg(self, good: bytes) -> bytes:
        at = good.index(b"\xff\xc0") + 5
        return good[:at] + struct.pack(">HH", HUGE, HUGE) + good[at + 4 :]

    def tiff(self, good: bytes) -> bytes:
        data = bytearray(good)
        entries = struct.unpack_from("<H", data, 8)[0]
        for number in range(entries):
            at = 10 + 12 * number
            if struct.unpack_from("<H", data, at)[0] in (256, 257):
                struct.pack_into("<HII", data, at + 2, 4, 1, HUGE)
        return bytes(data)

    def npy(self) -> bytes:
        buffer = io.BytesIO()
        header = {"descr": "<f4", "fortran_order": False, "shape": (HUGE, HUGE)}
        np.lib.format.write_array_header_1_0(buffer, header)
        return buffer.getvalue() + bytes(500)

    def mrc(self, good: bytes) -> bytes:
        return struct.pack("<ii", HUGE, HUGE) + good[8:]

    def test_are_refused_before_memory_is_taken(
        self, files: dict[str, bytes], grey: np.ndarray, dm: Save, ser: Save
    ) -> None:
        for name, data in {
            "png": self.png(),
            "jpeg": self.jpeg(files["jpeg"]),
            "tiff": self.tiff(files["tiff"]),
            "tiff zlib": self.tiff(files["tiff zlib"]),
            "npy": self.npy(),
            "mrc": self.mrc(files["mrc"]),
            "bmp": files["bmp"][:18] + struct.pack("<ii", HUGE, HUGE) + files["bmp"][26:],
            "dm3": dm(grey, 3, dimensions=(HUGE, HUGE)),
            "dm4": dm(grey, 4, dimensions=(HUGE, HUGE)),
            "ser": ser(grey[None], width=HUGE, height=HUGE),
        }.items():
            errors: list[EmserveError] = []
            assert memory_of(lambda data=data, errors=errors: errors.append(refusal(data))) < 8_000_000, name
            assert isinstance(errors[0], TooLarge), name
            assert "30000 × 30000" in errors[0].message, name

    def test_within_the_limit_but_beyond_the_file(
        self, files: dict[str, bytes], grey: np.ndarray, dm: Save, ser: Save
    ) -> None:
        for data in (
            self.tiff(files["tiff"]),
            self.npy(),
            self.mrc(files["mrc"]),
            dm(grey, 3, dimensions=(HUGE, HUGE)),
            dm(grey, 4, dimensions=(HUGE, HUGE)),
            ser(grey[None], width=HUGE, height=HUGE),
            ser(grey[None], frames=2_000_000_000),
        ):
            errors: list[EmserveError] = []
            peak = memory_of(partial(self.lenient, data, errors))
            assert peak < 8_000_000
            assert isinstance(errors[0], UnreadableMicrograph)
            assert "broken or cut off" in errors[0].message

    def lenient(self, data: bytes, errors: list[EmserveError]) -> None:
        errors.append(refusal(data, max_pixels=HUGE * HUGE))

    def test_in_hdf5(self, grey: np.ndarray, velox: Save) -> None:
        error = refusal(velox({"HAADF": (grey, 1e-11, "m")}, shape=(HUGE, HUGE, 1)))
        assert isinstance(error, TooLarge)

    def test_the_limit_is_an_argument(self, files: dict[str, bytes]) -> None:
        for data in files.values():
            assert read(data, max_pixels=480).pixels.size == 480
            assert isinstance(refusal(data, max_pixels=479), TooLarge)


class TestBombs:
    """Small files that unpack to much more than their picture."""

    def test_a_tiff_strip_of_zeros(self, tiff: Save, grey: np.ndarray) -> None:
        good = tiff(grey, compression="zlib")
        bomb = zlib.compress(bytes(50_000_000), 9)
        data = bytearray(good + bomb)
        for number in range(struct.unpack_from("<H", data, 8)[0]):
            at = 10 + 12 * number
            tag = struct.unpack_from("<H", data, at)[0]
            if tag in (273, 279):
                struct.pack_into("<HII", data, at + 2, 4, 1, len(good) if tag == 273 else len(bomb))
        assert memory_of(lambda: refusal(bytes(data))) < 5_000_000

    def test_a_png_text(self, files: dict[str, bytes]) -> None:
        body = b"Comment\0\0" + zlib.compress(bytes(50_000_000), 9)
        chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
        assert memory_of(lambda: refusal(files["png"][:33] + chunk + files["png"][33:])) < 5_000_000

    def test_a_jpeg_of_endless_passes(self, pillow: Save, grey: np.ndarray) -> None:
        good = pillow(grey, "jpeg", progressive=True)
        scan = good[good.rindex(b"\xff\xda") : -2]
        refusal(good[:-2] + scan * 1000 + good[-2:])

    def test_endless_tiny_pieces(self, files: dict[str, bytes]) -> None:
        empty = struct.pack(">I", 0) + b"abCd" + struct.pack(">I", zlib.crc32(b"abCd"))
        for piece, name, at in ((empty, "png", 33), (b"\xff\xfe\0\2", "jpeg", 2), (b"\xff", "jpeg", 2)):
            good = files[name]
            assert read(good[:at] + piece * 10 + good[at:]).format == name
            assert "broken" in refusal(good[:at] + piece * 200_000 + good[at:]).message

    def test_a_tiff_whose_pages_go_in_circles(self, files: dict[str, bytes]) -> None:
        data = bytearray(files["tiff"])
        struct.pack_into("<I", data, 10 + 12 * struct.unpack_from("<H", data, 8)[0], 8)
        assert "broken" in refusal(bytes(data)).message


class TestDigitalMicrographTags:
    """Trees of tags that RosettaSciIO would follow for hours, or out of the file."""

    def raw(self, *numbers: int) -> bytes:
        return b"%%%%" + struct.pack(f">{len(numbers)}q", *numbers)

    @pytest.mark.parametrize(
        ("name", "numbers"),
        [
            ("backwards", (3, 20, 6, -100)),
            ("endless empty structs", (5, 20, 15, 0, 0, 1 << 40)),
            ("endless empty strings", (4, 20, 18, 0, 1 << 40)),
            ("a long string", (2, 18, 1 << 30)),
            ("a struct of many fields", (9, 15, 0, 1 << 30)),
            ("beyond the end", (3, 20, 6, 1 << 20)),
            ("no such type", (1, 99)),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_lengths_that_lie(self, grey: np.ndarray, dm: Save, name: str, numbers: tuple[int, ...]) -> None:
        assert "broken" in refusal(dm(grey, 4, extra={"Trap": self.raw(*numbers)})).message
        assert "broken" in refusal(dm(grey, 4, data=self.raw(*numbers))).message

    def test_a_deep_tree(self, grey: np.ndarray, dm: Save) -> None:
        tree: dict[str, object] = {}
        for _ in range(200):
            tree = {"Deeper": tree}
        assert "broken" in refusal(dm(grey, 3, extra=tree)).message

    def test_too_many_numbers_beside_the_pixels(self, grey: np.ndarray, dm: Save) -> None:
        error = refusal(dm(grey, 4, extra={"Map": np.zeros(3_000_000, np.uint8)}))
        assert "too much data beside its pictures" in error.message

    def test_fourier_transforms(self, grey: np.ndarray, dm: Save) -> None:
        assert "diffraction" in refusal(dm(grey, 4, (0.1, 0.1), ("1/nm", "1/nm"))).message


class TestTia:
    def test_spectra(self, grey: np.ndarray, ser: Save) -> None:
        assert "spectra" in refusal(ser(grey[None], kind=0x4120)).message

    def test_diffraction_is_told_by_its_scale(self, grey: np.ndarray, ser: Save) -> None:
        assert "diffraction" in refusal(ser(grey[None], step_m=(4e7, 4e7))).message

    def test_xml_bombs_in_the_emi(self, grey: np.ndarray, ser: Save) -> None:
        series = ser(grey[None])
        entity = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
        for xml in (
            b"<ObjectInfo>" * 100_000 + b"</ObjectInfo>",
            b"<ObjectInfo></ObjectInfo>" * 1000,
            b"<ObjectInfo>" + entity + b"&b;</ObjectInfo>",
            b"<ObjectInfo>",
        ):
            assert "broken" in refusal(series, companion=b"JK\0\x02" + xml).message


class TestHdf5:
    def test_other_files_are_never_opened(self, grey: np.ndarray, tmp_path: Path) -> None:
        h5py = pytest.importorskip("h5py")
        (tmp_path / "secret.bin").write_bytes(bytes(range(200)) * 10)
        with h5py.File(tmp_path / "secret.h5", "w") as file:
            file["picture"] = grey
        layout = h5py.VirtualLayout(grey.shape, grey.dtype)
        layout[...] = h5py.VirtualSource(tmp_path / "secret.h5", "picture", grey.shape)
        for kind in ("link", "external", "virtual"):
            buffer = io.BytesIO()
            with h5py.File(buffer, "w") as file:
                file.attrs["version_major"] = 0
                group = file.create_group("data/picture")
                if kind == "link":
                    group["data"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/picture")
                elif kind == "external":
                    secret = [(str(tmp_path / "secret.bin"), 0, 400)]
                    group.create_dataset("data", (20, 20), np.uint8, external=secret)
                else:
                    group.create_virtual_dataset("data", layout)
            assert "another file" in refusal(buffer.getvalue()).message

    def test_unknown_layout(self, grey: np.ndarray) -> None:
        h5py = pytest.importorskip("h5py")
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file["picture"] = grey
        assert isinstance(refusal(buffer.getvalue()), UnsupportedFormat)

    def test_cut_off(self, grey: np.ndarray, velox: Save) -> None:
        data = velox({"HAADF": (grey[..., None], 1e-11, "m")})
        assert "broken or cut off" in refusal(data[: len(data) // 2]).message


class TestIsolation:
    """The child process that reads what may crash."""

    def test_a_crash_is_an_error_and_nothing_more(
        self, grey: np.ndarray, velox: Save, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(isolation, "_BASE_BYTES", 400_000_000)
        monkeypatch.setattr(isolation, "_BYTES_PER_PIXEL", 0)
        data = velox({"HAADF": (np.zeros((1, 1)), 1e-11, "m")}, shape=(8000, 8000, 1))
        assert isinstance(refusal(data, max_pixels=64_000_000), UnreadableMicrograph | TooLarge)

    def test_a_loop_is_ended(self, monkeypatch: pytest.MonkeyPatch, grey: np.ndarray, velox: Save) -> None:
        monkeypatch.setattr(isolation, "MOST_WALL_S", 0.01)
        assert "broken" in refusal(velox({"HAADF": (grey[..., None], 1e-11, "m")})).message

    def test_no_temporary_folder(
        self, monkeypatch: pytest.MonkeyPatch, grey: np.ndarray, dm: Save, velox: Save
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
        for data in (dm(grey), velox({"HAADF": (grey[..., None], 1e-11, "m")})):
            with pytest.raises(InternalError) as caught:
                read(data)
            assert "TMPDIR" in caught.value.remedy

    def test_nothing_is_left_behind(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, grey: np.ndarray, dm: Save, ser: Save
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        read(dm(grey))
        read(ser(grey[None]))
        refusal(dm(grey, scales=(1.0, 1.0), units=("1/nm", "1/nm")))
        assert not list(tmp_path.iterdir())


class TestWithoutTheExtra:
    @pytest.mark.parametrize("format", ["dm3", "dm4", "ser", "emi", "hdf5"])
    def test_the_pip_command_is_given(self, monkeypatch: pytest.MonkeyPatch, format: str) -> None:
        starts = {
            "dm3": b"\0\0\0\x03\0\0\0\x10\0\0\0\x01",
            "dm4": b"\0\0\0\x04" + struct.pack(">q", 16) + b"\0\0\0\x01",
            "ser": b"II\x97\x01",
            "emi": b"JK\0\x02",
            "hdf5": b"\x89HDF\r\n\x1a\n",
        }
        monkeypatch.setattr(formats, "find_spec", lambda name: None)
        assert sniff(starts[format] + bytes(60)) == format
        with pytest.raises(MissingDependency) as caught:
            read(starts[format] + bytes(60))
        assert caught.value.remedy == "Run: pip install rosettasciio h5py"
        assert caught.value.status == 501

    def test_reading_a_png_imports_nothing_of_it(
        self, root: Path, tmp_path: Path, grey: np.ndarray, pillow: Save
    ) -> None:
        (tmp_path / "picture.png").write_bytes(pillow(grey, "png"))
        code = (
            "import sys; from analysis.micrograph import read_file; read_file(sys.argv[1]);"
            "print(sorted({'rsciio', 'h5py', 'dask', 'tifffile', 'mrcfile'} & set(sys.modules)))"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "clients")])}
        child = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "picture.png"],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert child.stdout.strip() == "[]"
        assert child.stderr == ""


def test_nothing_is_printed_warned_or_logged(
    files: dict[str, bytes], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with warnings.catch_warnings(record=True) as seen, caplog.at_level(logging.WARNING):
        for data in files.values():
            for cut in (len(data) // 3, len(data) // 2, len(data) - 60):
                refusal(data[:cut])
    assert not seen
    assert not caplog.records
    assert capfd.readouterr() == ("", "")

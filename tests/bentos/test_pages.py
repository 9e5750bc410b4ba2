"""The page in the browser agrees with the service and with the client; how it looks is for eyes."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from bentos.families import FAMILIES
from bentos.parameters import StackForm
from emserve import defect_classes, line_colours
from tests.bentos.asking import Open


@pytest.fixture(scope="module")
def pages(root: Path) -> Path:
    return root / "bentos" / "pages"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_need_nothing_from_elsewhere(service: TestClient, path: str) -> None:
    page = service.get(path)
    assert page.headers["content-type"].startswith("text/html")
    for address in re.findall(r"(?:src|href|url:)\s*=?\s*\"([^\"#]+)\"", page.text):
        if address.startswith("data:"):
            continue
        assert not address.startswith(("http:", "https:", "//")), f"{path} needs {address}"
        assert service.get(f"/{address.lstrip('/')}").status_code == 200, f"{path} needs {address}"
    assert "googletagmanager" not in page.text
    assert '<link rel="icon" href="data:,">' in page.text, "or browsers ask for /favicon.ico, which is not there"


def test_every_file_of_the_page_is_used_and_served(service: TestClient, pages: Path) -> None:
    needed = set(re.findall(r"assets/(\w+\.\w+)", (pages / "index.html").read_text()))
    scripts = [file.read_text() for file in (pages / "assets").glob("*.js")]
    needed |= {name for script in scripts for name in re.findall(r"from \"\./(\w+\.js)\"", script)}
    assert needed == {file.name for file in (pages / "assets").iterdir()}
    for name in needed:
        answer = service.get(f"/assets/{name}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-cache", "or two versions meet in one browser"
        assert not re.search(r"https?://", answer.text)
    kinds = {name: service.get(f"/assets/{name}").headers["content-type"].split(";")[0] for name in needed}
    assert kinds["page.js"] in {"text/javascript", "application/javascript"}, "a browser runs no module of another type"
    assert kinds["style.css"] == "text/css"


def test_the_page_opens_without_a_key(open_service: Open) -> None:
    client = open_service(api_keys=("key",))
    for path in ("/", "/docs", "/assets/page.js", "/assets/style.css"):
        assert client.get(path).status_code == 200
    assert client.get("/v1/models").status_code == 401


def test_metrics_have_one_label_for_files(service: TestClient) -> None:
    for name in ("page.js", "nothing.js", "nothing_either.js"):
        service.get(f"/assets/{name}")
    text = service.get("/metrics").text
    assert 'emserve_requests_total{path="/assets",status="404"}' in text
    assert "page.js" not in text


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_can_be_chosen_and_its_fields_are_parameters(pages: Path, family: object) -> None:
    page = (pages / "index.html").read_text()
    name, form = family.name, family.form  # type: ignore[attr-defined]
    assert f'name="family" value="{name}"' in page
    script = (pages / "assets" / f"{name}.js").read_text()
    (listed,) = re.findall(r"export const fields =\s*\[(.*?)\]", script, flags=re.DOTALL)
    fields = [*re.findall(r'"(\w+)"', listed), "pixel_size_nm", "model", "frame"]
    for field in fields:
        assert field in form.model_fields
        assert f'name="{field}"' in page


def test_fields_of_a_stack_are_its_parameters(pages: Path) -> None:
    page = (pages / "index.html").read_text()
    script = (pages / "assets" / "dislocations.js").read_text()
    (listed,) = re.findall(r"export const stackFields =\s*\[(.*?)\]", script, flags=re.DOTALL)
    (common,) = re.findall(r"export const fields =\s*\[(.*?)\]", script, flags=re.DOTALL)
    fields = set(re.findall(r'"(\w+)"', listed)) | set(re.findall(r'"(\w+)"', common))
    assert fields == set(StackForm.model_fields) - {"pictures"}, "pictures are always asked for"
    for field in fields:
        assert f'name="{field}"' in page
    for field in ("gate_px", "memory"):
        assert f'name="{field}" placeholder="{StackForm.model_fields[field].default:g}"' in page


def test_lines_are_coloured_as_in_the_client(pages: Path) -> None:
    script = (pages / "assets" / "dislocations.js").read_text()
    (listed,) = re.findall(r"const COLOURS = \[(.*?)\]", script, flags=re.DOTALL)
    colours = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in map(line_colours.colour, range(1, 13))]
    assert re.findall(r"#[0-9a-f]{6}", listed) == colours
    assert line_colours.colour(13) == line_colours.colour(1)


def test_placeholders_are_the_defaults(pages: Path) -> None:
    page = (pages / "index.html").read_text()
    (defects,) = [family for family in FAMILIES if family.name == "defects"]
    for name in ("taylor_factor", "shear_modulus_gpa", "burgers_vector_nm"):
        assert f'name="{name}" placeholder="{defects.form.model_fields[name].default:g}"' in page


def test_classes_are_called_and_coloured_as_in_the_client(pages: Path) -> None:
    script = (pages / "assets" / "defects.js").read_text()
    names = ["loop_111", "loop_100", "black_dot", *(f"other_{i}" for i in range(7))]
    colours = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in defect_classes.colours(names).values()]
    listed = re.findall(r"#[0-9a-f]{6}", script)
    assert listed == colours
    for name in names[:3]:
        assert f'{name}: "{defect_classes.title(name)}"' in script


def test_frames_are_packed_as_one_file_in_the_order_of_their_numbers(pages: Path, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node, which runs scripts of pages outside a browser, is not here")
    script = """
    import { writeFileSync } from "fs"
    import { File } from "buffer"
    globalThis.File ??= File
    const { zip } = await import("./zip.mjs")
    const files = [10, 9, 2].map(k => new globalThis.File([`frame ${k}`.repeat(k)], `µ_${k}.tif`))
    writeFileSync("frames.zip", Buffer.from(await (await zip(files)).arrayBuffer()))
    """
    (tmp_path / "zip.mjs").write_text((pages / "assets" / "zip.js").read_text(), encoding="utf-8")
    (tmp_path / "pack.mjs").write_text(script, encoding="utf-8")
    done = subprocess.run([node, "pack.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "frames.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["000000_µ_2.tif", "000001_µ_9.tif", "000002_µ_10.tif"]
        assert archive.read("000001_µ_9.tif") == b"frame 9" * 9

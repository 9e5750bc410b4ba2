"""The README's words are true: its Python runs, its commands parse, its paths exist, its table is the manifests'."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from emserve import cli
from export import readme


def blocks(root: Path, language: str) -> list[str]:
    text = (root / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def test_python_blocks_run(
    root: Path, live_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EMSERVE_URL", live_server)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model_store").symlink_to(root / "model_store")
    found = blocks(root, "python")
    assert found
    for block in found:
        exec(compile(block, "README.md", "exec"), {})
    assert "columns, a =" in capsys.readouterr().out
    assert len((tmp_path / "columns.csv").read_text().splitlines()) > 100


def test_emserve_commands_parse(root: Path) -> None:
    lines = [line for block in blocks(root, "sh") for line in block.splitlines() if line.startswith("emserve ")]
    assert len(lines) >= 3
    for line in lines:
        options = cli.parser().parse_args(shlex.split(line, comments=True)[1:])
        assert options.command in {"atoms", "defects", "dislocations", "track", "models"}


def test_make_targets_exist(root: Path) -> None:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"make ([a-z]+)", (root / "README.md").read_text(encoding="utf-8")))
    assert {"demo", "test", "serve"} <= named
    for target in named - {"are"}:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_module_commands_have_help(root: Path) -> None:
    lines = [line for block in blocks(root, "sh") for line in block.splitlines() if line.startswith("python -m ")]
    assert lines
    for line in lines:
        words = shlex.split(line, comments=True)
        verbs = [word for word in words[3:] if re.fullmatch(r"[a-z]+", word)]
        done = subprocess.run(
            [sys.executable, "-m", words[2], *verbs, "--help"], capture_output=True, text=True, cwd=root, check=False
        )
        assert done.returncode == 0, done.stderr
        for option in [word for word in words if word.startswith("--")]:
            assert option in done.stdout, f"{line}: {option} is not in its help"


def test_links_lead_somewhere(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (root / target).exists(), target


def test_table_of_models_is_fresh(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    assert readme.updated(text) == text, "run: python -m export readme"

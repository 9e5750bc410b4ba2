# make demo     the whole way once, on sample micrographs of every family, or on MICROGRAPH=path
#               (FAMILY=atoms, defects or dislocations; PIXEL_SIZE_NM=number if the file has none; THICKNESS_NM=number for the hardening)
# make serve    the service on http://127.0.0.1:3000 until Ctrl-C
# make test     the tests, in an environment of their own
# make bentos    a Bento of every bentofile, in BentoML's store
# make image     a container image of a Bento, with docker, podman or buildah (BENTO=emserve_atoms, ENGINE=podman, OPTIONS='--opt …')
# make locks     the versions and checksums of what the images install, anew
# make lint types format clean
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 3000
PIP := -m pip install --disable-pip-version-check
LOCKED := --generate-hashes --python-platform x86_64-manylinux_2_28 --custom-compile-command "make locks" --upgrade --quiet
export BENTOML_DO_NOT_TRACK := True

.PHONY: demo serve test bentos image locks lint types format clean

demo: .venv/.ready
	.venv/bin/python -m bentos.demo $(if $(FAMILY),--family "$(FAMILY)") $(if $(PIXEL_SIZE_NM),--pixel-size-nm "$(PIXEL_SIZE_NM)") \
		$(if $(THICKNESS_NM),--thickness-nm "$(THICKNESS_NM)") $(if $(MICROGRAPH),"$(MICROGRAPH)")

serve: .venv/.ready
	.venv/bin/bentoml serve --host 127.0.0.1 --port $(PORT)

test: .venv-dev/.ready .venv-k8s/.ready .venv-triton/.ready .venv-snakemake/.ready
	.venv-dev/bin/python -m pytest $(TESTS)

bentos: .venv/.ready
	.venv/bin/python -m bentos.build

image: .venv/.ready
	.venv/bin/python -m bentos.containerise $(BENTO) $(if $(ENGINE),--engine $(ENGINE)) $(OPTIONS)

locks: .venv/.ready
	.venv/bin/uv pip compile $(LOCKED) --python-version 3.11 bentos/requirements.in -o bentos/requirements.txt
	.venv/bin/uv pip compile $(LOCKED) --python-version 3.12 bentos/requirements-gpu.in -o bentos/requirements-gpu.txt

lint: .venv-dev/.ready
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .

types: .venv-dev/.ready
	.venv-dev/bin/mypy

format: .venv-dev/.ready
	.venv-dev/bin/ruff check --fix .
	.venv-dev/bin/ruff format .

# What serving needs: no torch.
.venv/.ready: pyproject.toml clients/pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "emserve needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	@echo "Installing what serving needs into .venv (about 1 GB, a minute or two)"
	.venv/bin/python $(PIP) -e "./clients[plot,pandas]" -e ".[serve,openvino,formats,video]"
	touch $@

# What the tests, the training and the benchmarks need as well.
.venv-dev/.ready: pyproject.toml clients/pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "emserve needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv-dev
	@echo "Installing what the tests need into .venv-dev (about 2.5 GB, two or three minutes)"
	.venv-dev/bin/python $(PIP) -e "./clients[plot,pandas]" -e ".[serve,openvino,formats,video,triton,train,benchmark,test]"
	touch $@

# What checks the manifests of k8s/; it must not share an environment with anything.
.venv-k8s/.ready:
	$(PYTHON) -m venv .venv-k8s
	@echo "Installing what the tests of k8s/ need into .venv-k8s (about 300 MB, half a minute)"
	.venv-k8s/bin/python $(PIP) checkov==3.3.30
	touch $@

# A real Triton server for the tests, out of a wheel that is there for Linux on x86-64; elsewhere they are skipped.
# Without the wheel's dependencies: only the server in it is used, and its Python backend needs numpy 1.
.venv-triton/.ready:
	$(PYTHON) -m venv .venv-triton
	@echo "Installing a Triton server for the tests into .venv-triton (about 320 MB, half a minute)"
	.venv-triton/bin/python $(PIP) --no-deps nvidia-pytriton==0.7.0 && .venv-triton/bin/python $(PIP) --only-binary :all: "numpy<2" onnxruntime \
		|| { rm -rf .venv-triton; mkdir .venv-triton; echo "There is no Triton server for this machine: its tests are skipped."; }
	touch $@

# What the tests of pipelines/ run; it brings much along. Where it does not install, they are skipped.
.venv-snakemake/.ready:
	$(PYTHON) -m venv .venv-snakemake
	@echo "Installing Snakemake for the tests into .venv-snakemake (about 140 MB, half a minute)"
	.venv-snakemake/bin/python $(PIP) "snakemake==9.*" \
		|| { rm -rf .venv-snakemake; mkdir .venv-snakemake; echo "Snakemake does not install here: its tests are skipped."; }
	touch $@

clean:
	rm -rf .venv .venv-dev .venv-k8s .venv-triton .venv-snakemake demo build dist .pytest_cache .mypy_cache .ruff_cache

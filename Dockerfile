# syntax=docker/dockerfile:1
# Images of Occupancy-BEVFormer; docs/install.md says how to run them.
#   docker build --target labels -t occupancy:labels .    labels, checks, scores; no torch
#   docker build --target full -t occupancy:full .        everything, on a CPU or on GPUs with the NVIDIA container toolkit
# The wheels of torch contain CUDA. For a smaller image without it:
#   docker build --target full --build-arg PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu -t occupancy:cpu .
FROM python:3.12.12-slim-bookworm AS base
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1
RUN useradd --create-home --uid 1000 occupancy
WORKDIR /opt/occupancy

FROM base AS labels
COPY pyproject.toml setup.py MANIFEST.in README.md LICENSE ./
COPY config config
COPY project project
# hadolint ignore=DL3013
RUN pip install --no-compile .
USER 1000
WORKDIR /home/occupancy
CMD ["occ-convert", "--help"]

FROM base AS everything
ARG PIP_EXTRA_INDEX_URL=
COPY requirements.txt ./
# Two packages bring OpenCV; the one without a window system must win, since there is no libGL here.
# hadolint ignore=DL3013
RUN pip install setuptools==80.9.0 \
    && pip install --no-compile -r requirements.txt \
    && pip install --force-reinstall --no-deps "$(grep '^opencv-python-headless' requirements.txt)"

# For .devcontainer: what tests and style need, too, and git.
FROM everything AS develop
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends git make chromium \
    && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml setup.py MANIFEST.in README.md LICENSE ./
COPY config config
COPY project project
# hadolint ignore=DL3013
RUN pip install --no-build-isolation '.[dev,viz]' && pip uninstall -y occupancy-bevformer
USER 1000

FROM everything AS full
COPY . .
RUN pip install --no-build-isolation --no-deps -e . && chown occupancy /opt/occupancy
USER 1000
CMD ["python", "data_converter.py", "--help"]

# Undertone in a container, for CPUs, or with `--target gpu` for NVIDIA GPUs:
#
#   docker build --tag undertone .
#   docker run --rm --user "$(id -u)" --volume "$PWD:/work" --volume undertone:/cache undertone \
#     audit train.jsonl --model ./my-base
#
# The folder that you are in is /work. Models of the Hub and directions of bases are kept in /cache.
FROM python:3.11-slim AS base

ENV HOME=/cache \
    HF_HOME=/cache/huggingface \
    UNDERTONE_CACHE=/cache/undertone \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1

# Any user may write to both, because who runs the container decides who that is.
RUN useradd --uid 1000 --no-create-home --home-dir /cache undertone && mkdir --mode 1777 /cache /work

WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src

VOLUME /cache
ENTRYPOINT ["undertone"]
CMD ["--help"]

FROM base AS gpu

ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN pip install --no-cache-dir --constraint constraints.txt .
USER 1000
WORKDIR /work

FROM base AS cpu

# torch from this index has no CUDA, which is gigabytes.
RUN pip install --no-cache-dir --constraint constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu .
USER 1000
WORKDIR /work

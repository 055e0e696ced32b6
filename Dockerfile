# One image, five roles: `docker build --target lab|scheduler|worker|gpu-worker|mlflow .` (see docs/deploy.md).
# All roles share all layers, so their versions match, which Dask asks for.
#   EXTRAS=cpu|gpu      gpu adds dask-cuda
#   TORCH_INDEX_URL     empty: PyTorch comes from pip's own index, for Linux on x86 with CUDA.
#                       For a much smaller image without a GPU name PyTorch's index of CPU builds.
ARG PYTHON_VERSION=3.11

# --- the views, by Node.js, and the wheel: neither Node.js nor sources go into the image
FROM python:${PYTHON_VERSION}-slim-bookworm AS wheel
WORKDIR /build
COPY constraints.txt ./
# A wheel built without isolation is built by the hatchling that constraints.txt names.
RUN pip install --no-cache-dir -c constraints.txt hatchling
COPY hatch_build.py ./
COPY src/audiolab/widgets/js src/audiolab/widgets/js
# Installed from a wheel, Node.js needs no image of its own. An install forgives missing views; an image must not.
RUN python hatch_build.py && test -s src/audiolab/widgets/static/audiolab.js && rm -r src/audiolab/widgets/js
COPY pyproject.toml README.md LICENSE ./
COPY configs configs
COPY notebooks notebooks
COPY src/audiolab src/audiolab
RUN rm -r src/audiolab/widgets/js \
    && pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

# --- what audiolab needs; made anew only if the requirements change
FROM python:${PYTHON_VERSION}-slim-bookworm AS libraries
WORKDIR /build
RUN python -m venv /opt/audiolab
ENV PATH=/opt/audiolab/bin:$PATH
COPY constraints.txt ./
ARG TORCH_INDEX_URL=
# hadolint ignore=DL3013 # pinned by constraints.txt, whose other pins that index may not have
RUN pip install --no-cache-dir ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} "$(grep '^torch==' constraints.txt)"
COPY pyproject.toml requirements-nodeps.txt configs/deploy/requirements.py ./
ARG EXTRAS=cpu
RUN python requirements.py "$EXTRAS" > requirements.txt \
    && pip install --no-cache-dir -c constraints.txt -r requirements.txt
# Basic Pitch asks for TensorFlow, which audiolab does not use.
RUN pip install --no-cache-dir --no-deps -r requirements-nodeps.txt

# --- what runs
FROM python:${PYTHON_VERSION}-slim-bookworm AS base
RUN useradd --create-home --uid 1000 audiolab \
    && install --directory --owner=audiolab --group=audiolab /audiolab /models /mlflow
COPY --from=libraries /opt/audiolab /opt/audiolab
ENV PATH=/opt/audiolab/bin:$PATH
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-deps /wheels/*.whl
# Libraries, notebooks, exports and runs lie in /audiolab, weights in /models, MLflow's data in /mlflow: mount volumes there.
ENV AUDIOLAB_HOME=/audiolab \
    AUDIOLAB_MODELS_DIR=/models \
    MLFLOW_DISABLE_TELEMETRY=true \
    HF_HUB_DISABLE_TELEMETRY=1 \
    PYTHONUNBUFFERED=1
USER 1000
WORKDIR /audiolab

FROM base AS scheduler
EXPOSE 8786 8787
CMD ["dask", "scheduler", "--host", "0.0.0.0", "--port", "8786", "--dashboard-address", ":8787"]
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=6 \
    CMD ["python", "-m", "audiolab.runs.serving", "healthy", "http://127.0.0.1:8787/health"]

FROM base AS worker
CMD ["python", "-m", "audiolab.runs.serving", "worker"]
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=6 \
    CMD ["python", "-m", "audiolab.runs.serving", "healthy-worker"]

FROM base AS gpu-worker
CMD ["python", "-m", "audiolab.runs.serving", "gpu-worker"]
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=6 \
    CMD ["python", "-m", "audiolab.runs.serving", "healthy-worker"]

FROM base AS mlflow
EXPOSE 5000
# Its job runner is for judging language models; nothing here uses it.
ENV MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
CMD ["mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--workers", "1", \
     "--backend-store-uri", "sqlite:////mlflow/mlflow.db", "--artifacts-destination", "/mlflow/artifacts"]
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=6 \
    CMD ["python", "-m", "audiolab.runs.serving", "healthy", "http://127.0.0.1:5000/health"]

# The last one is what `docker build .` makes.
FROM base AS lab
EXPOSE 8888
CMD ["audiolab", "lab", "--host", "0.0.0.0", "--port", "8888", "--no-browser"]
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=6 \
    CMD ["python", "-m", "audiolab.runs.serving", "healthy", "http://127.0.0.1:8888/api"]

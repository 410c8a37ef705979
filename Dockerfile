# Crossfade in a container: hash-locked, non-root, fit for a read-only root file system.
#
#   docker build -t crossfade .
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges --tmpfs /tmp \
#     -v crossfade:/data -p 8080:8080 crossfade

FROM python:3.13-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
RUN python -m pip install --no-cache-dir --disable-pip-version-check "uv==0.13.*"
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PROJECT_ENVIRONMENT=/opt/crossfade UV_PYTHON_DOWNLOADS=never
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --frozen --no-dev --extra otel --extra archive --no-install-project \
    && UV_PROJECT_ENVIRONMENT=/opt/build uv sync --frozen --no-dev --group build --no-install-project
COPY gateway gateway
COPY shadow shadow
COPY records records
COPY policies policies
RUN HATCH_BUILD_HOOKS_ENABLE=1 uv build --wheel --no-build-isolation --python /opt/build/bin/python --out-dir /wheel \
    && uv pip install --no-deps --python /opt/crossfade/bin/python /wheel/*.whl

FROM python:3.13-slim
RUN groupadd --system --gid 10001 crossfade \
    && useradd --system --uid 10001 --gid crossfade --home-dir /data --no-create-home --shell /usr/sbin/nologin crossfade \
    && install -d -o crossfade -g crossfade -m 0700 /data \
    && install -d /etc/crossfade/policies
COPY --from=build /opt/crossfade /opt/crossfade
COPY deploy/docker/crossfade.yaml /etc/crossfade/crossfade.yaml
ENV PATH=/opt/crossfade/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    CROSSFADE_CONFIG=/etc/crossfade/crossfade.yaml
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8081/readyz', timeout=2)"]
ENTRYPOINT ["crossfade"]
CMD ["serve"]

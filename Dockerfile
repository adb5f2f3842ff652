# SPDX-License-Identifier: EUPL-1.2
# One image for every part of the hub: `schakel api`, `worker`, `clock` or `serve`. Runs as nobody in particular and writes
# nothing outside its volume: start it with a read-only file system and /tmp in memory (docker-compose.yml does).
FROM python:3.12-slim-bookworm AS build
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv /opt/schakel \
 && /opt/schakel/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY api api
COPY broker broker
COPY connectors connectors
COPY mappings mappings
COPY regions regions
COPY schakel schakel
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir "hatchling>=1.27" \
 && /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/schakel/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

FROM python:3.12-slim-bookworm
RUN groupadd --gid 10001 schakel \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/schakel --shell /usr/sbin/nologin schakel \
 && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/schakel
COPY --from=build /opt/schakel /opt/schakel
ENV PATH=/opt/schakel/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SCHAKEL_HOME=/var/lib/schakel/hub \
    SCHAKEL_WATCH_ADDRESS=127.0.0.1:9464
USER 10001:10001
WORKDIR /var/lib/schakel
VOLUME /var/lib/schakel
EXPOSE 8420
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/readyz', timeout=5)"]
ENTRYPOINT ["schakel"]
CMD ["serve"]

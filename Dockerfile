# One image for every role: the command says which (`parkgate bridge`, `web`, `jobs`, `db upgrade`).
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/parkgate
COPY requirements.lock ./
# One lock, so that what runs is what was tested; the tools of development are taken out again.
RUN /opt/parkgate/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY billing ./billing
COPY controllers ./controllers
COPY gateway ./gateway
COPY rules ./rules
COPY simulators ./simulators
COPY wire ./wire
RUN /opt/parkgate/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation . \
    && /opt/parkgate/bin/pip uninstall --yes --quiet hypothesis import-linter mypy pytest pytest-xdist ruff

FROM python:3.12-slim
# Chinese for printed sheets; without it they name a font that the reader of the PDF must have.
RUN apt-get update && apt-get install --yes --no-install-recommends fonts-wqy-microhei && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /var/lib/parkgate --create-home parkgate \
    && install --directory --owner=10001 --mode=0700 /exports
COPY --from=build /opt/parkgate /opt/parkgate
ENV PATH=/opt/parkgate/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /var/lib/parkgate
ENTRYPOINT ["parkgate"]
CMD ["--help"]

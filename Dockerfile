# syntax=docker/dockerfile:1
FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
# A layer of its own, made again only when the lock has changed; every wheel is checked by its hash.
COPY requirements.lock /tmp/requirements.lock
RUN /opt/venv/bin/pip install --require-hashes --only-binary :all: -r /tmp/requirements.lock

FROM python:3.12-slim
COPY --from=build /opt/venv /opt/venv
COPY LICENSE README.md .env.example /app/
COPY bot /app/bot
COPY adapters /app/adapters
# Compiled now: the root file system is read-only later.
RUN /opt/venv/bin/python -m compileall -q /app/bot /app/adapters \
    && useradd --uid 10001 --no-create-home --home-dir /data changeover \
    && install -d -o 10001 -g 10001 /data /config \
    && printf '#!/bin/sh\nexec /opt/venv/bin/python -P -m adapters.main "$@"\n' > /usr/local/bin/changeover \
    && chmod 755 /usr/local/bin/changeover
ENV CHANGEOVER_CALLED=changeover PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/data \
    GATEWAY_HOST=0.0.0.0 PORT=8787 CHANGEOVER_CONFIG=/config/moltbot.json
USER 10001
WORKDIR /data
EXPOSE 8787
HEALTHCHECK --interval=10s --timeout=4s --start-period=20s --retries=3 \
    CMD ["/opt/venv/bin/python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=3)"]
ENTRYPOINT ["changeover"]
CMD ["run"]

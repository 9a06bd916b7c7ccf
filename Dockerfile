# One image for every process of rlhb: `rlhb serve` unless told otherwise.
# The page needs Node.js to be built, the wheel holds it afterwards; neither compilers nor Node.js are in the image that runs.
FROM node:22.21-bookworm AS wheel
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN python3 -m venv /build && /build/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim-bookworm AS packages
COPY constraints.txt /constraints.txt
RUN python -m venv /opt/rlhb && /opt/rlhb/bin/pip install --no-cache-dir -c /constraints.txt torch==2.13.0
COPY --from=wheel /wheels /wheels
RUN /opt/rlhb/bin/pip install --no-cache-dir -c /constraints.txt /wheels/*.whl

FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home rlhb && install -d -o rlhb -g rlhb /data
COPY --from=packages /opt/rlhb /opt/rlhb
ENV PATH=/opt/rlhb/bin:$PATH RLHB_DATA_DIR=/data PYTHONUNBUFFERED=1
USER rlhb
WORKDIR /home/rlhb
VOLUME /data
EXPOSE 8765
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8765/healthz', timeout=2)"]
ENTRYPOINT ["rlhb"]
CMD ["serve"]

# A Commonweave node. Any image with Python 3.11 or newer as `python3`, with venv, pip and a shell, can be the base.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /src
RUN python3 -m venv /opt/commonweave
ENV PATH=/opt/commonweave/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
# First what changes seldom. Wheels only: nothing is compiled, and every file has to match its hash.
COPY requirements.lock ./
RUN pip install --require-hashes --only-binary :all: -r requirements.lock
COPY . .
RUN pip install --no-deps --no-build-isolation . \
    && pip uninstall --yes setuptools pip

FROM ${BASE_IMAGE}
# A fixed number, so that the owner of a volume is the same after every update.
RUN groupadd --gid 10001 commonweave \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin commonweave \
    && install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=build /opt/commonweave /opt/commonweave
COPY scripts/container-start /opt/commonweave/container-start
ENV PATH=/opt/commonweave/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    COMMONWEAVE_DATA=/data \
    COMMONWEAVE_SERVER__HOST=0.0.0.0 \
    COMMONWEAVE_SERVER__PORT=8080
USER 10001:10001
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["python3", "-c", "\
import http.client, os, sys; \
node = http.client.HTTPConnection('127.0.0.1', int(os.environ['COMMONWEAVE_SERVER__PORT']), timeout=4); \
node.request('GET', '/healthz'); \
sys.exit(node.getresponse().status != 200)"]
ENTRYPOINT ["sh", "/opt/commonweave/container-start"]
CMD ["serve"]

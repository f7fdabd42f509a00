# raftmon with everything prebuilt. `make image` builds it; docs/container.md says which rights it needs, and why.

FROM debian:bookworm-slim AS build
SHELL ["/bin/sh", "-eu", "-c"]
# Bookworm's own versions are meant, whatever point release they are from.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      ca-certificates gcc libc6-dev libnetfilter-queue-dev python3-dev python3-venv
WORKDIR /raftmon
# The dependencies come before the code: a change of code does not fetch them again.
COPY setup.cfg ./
RUN python3 -m venv .venv \
 && python3 -c "import configparser as c; f = c.ConfigParser(); f.read('setup.cfg'); print(f['options']['install_requires'])" \
    > requirements.txt \
 && .venv/bin/pip install --no-cache-dir -q -r requirements.txt
# raftmon/ holds a symbolic link to each of the folders beside it, and what is installed is that package.
COPY pyproject.toml README.md LICENSE ./
COPY raftmon raftmon
COPY adapters adapters
COPY driver driver
COPY examples examples
COPY monitor monitor
COPY setup setup
ENV RAFTMON_CACHE=/raftmon/.cache/raftmon
RUN .venv/bin/pip install --no-cache-dir --no-deps -q . \
 && .venv/bin/raftmon servers install etcd@3.4.23 etcd@3.5.1

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends iptables libfuse3-3 libnetfilter-queue1 python3 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /raftmon/.venv /raftmon/.venv
COPY --from=build /raftmon/.cache /raftmon/.cache
RUN useradd --create-home --uid 1000 raftmon && install -d -m 1777 /runs
ENV RAFTMON_CACHE=/raftmon/.cache/raftmon PATH=/raftmon/.venv/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /runs
VOLUME /runs
ENTRYPOINT ["raftmon"]
CMD ["run"]

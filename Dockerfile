# Plaudit's image: one for every stage, `plaudit` is its command. Dependencies come from the lock, checked by their hashes.

FROM python:3.11.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
WORKDIR /src
COPY requirements-build.lock ./
RUN pip install --require-hashes -r requirements-build.lock
# Before the source: a change of the source leaves this layer as it is.
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/plaudit \
 && uv pip install --python /opt/plaudit/bin/python --require-hashes -r requirements.lock
COPY . ./
RUN python -m hatchling build -t wheel -d /dist \
 && uv pip install --python /opt/plaudit/bin/python --no-deps /dist/*.whl

FROM python:3.11.13-slim-bookworm
# A fixed number, so that a volume's owner stays the same over releases.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin plaudit \
 && install -d -o plaudit -g plaudit /var/lib/plaudit
COPY --from=build /opt/plaudit /opt/plaudit
ENV PATH=/opt/plaudit/bin:$PATH PYTHONUNBUFFERED=1 PLAUDIT_DATA=/var/lib/plaudit
USER 10001:10001
WORKDIR /var/lib/plaudit
VOLUME /var/lib/plaudit
ENTRYPOINT ["plaudit"]
CMD ["--help"]

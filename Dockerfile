# The hub as an image: the program, the manifests and rules it was released with, and nothing else.
#
#     docker build -t zhibao .

FROM rust:1.95-bookworm AS build
WORKDIR /source
# librdkafka and OpenSSL are built from the crates' own sources: they need make, perl and a compiler.
RUN apt-get update \
    && apt-get install -y --no-install-recommends make perl pkg-config \
    && rm -rf /var/lib/apt/lists/*
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock rustfmt.toml clippy.toml ./
COPY assets assets
COPY migrations migrations
COPY schemas schemas
COPY src src
RUN cargo build --release --locked --bin zhibao

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --home-dir /var/lib/zhibao --uid 10001 zhibao
COPY --from=build /source/target/release/zhibao /usr/local/bin/zhibao
COPY --chmod=755 deploy/hub/start /usr/local/bin/zhibao-start
COPY connectors /usr/share/zhibao/connectors
COPY policy /usr/share/zhibao/policy
COPY schemas /usr/share/zhibao/schemas
COPY migrations/roles.sql /usr/share/zhibao/roles.sql
WORKDIR /usr/share/zhibao
USER zhibao
# Keys, and log and state where they are not on servers.
VOLUME /var/lib/zhibao
EXPOSE 8443
ENTRYPOINT ["tini", "--", "/usr/local/bin/zhibao-start"]
CMD ["--help"]

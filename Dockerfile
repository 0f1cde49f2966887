# One static folder with one program in it: no shell, no package manager, no root.
#
#   docker build -t penstock .
#   docker run -p 8080:8080 -v penstock-data:/data -e PENSTOCK_SOURCE_URL=postgres://... penstock

FROM rust:1.95-slim-bookworm AS build
# `dist` optimizes across crates, which takes minutes; `release` is good enough for a look.
ARG PROFILE=dist
WORKDIR /src

# The dependencies alone first: this layer is kept while only our own code changes.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && cargo build --locked --profile "$PROFILE" --bin penstock \
    && rm -r src "target/$PROFILE/deps/"*penstock* "target/$PROFILE/.fingerprint/"penstock*

COPY src ./src
COPY migrations ./migrations
COPY topics ./topics
# What `penstock_build_info` says is running.
ARG REVISION=unknown
RUN PENSTOCK_REVISION="$REVISION" cargo build --locked --profile "$PROFILE" --bin penstock

# All that the program needs at run time, and nothing else: the C library's parts it is linked to,
# certificates for https, an unprivileged user, and a data folder that this user owns.
RUN set -eu; root=/image; \
    mkdir -p "$root/etc/ssl/certs" "$root/etc/penstock" "$root/data" "$root/tmp"; \
    cp "target/$PROFILE/penstock" "$root/penstock"; \
    ldd "$root/penstock" | grep -o '/[^ )]*' | while read -r library; do \
        mkdir -p "$root$(dirname "$library")"; cp -L "$library" "$root$library"; \
    done; \
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"; \
    echo 'penstock:x:65532:65532::/data:/sbin/nologin' > "$root/etc/passwd"; \
    echo 'penstock:x:65532:' > "$root/etc/group"; \
    echo 'hosts: files dns' > "$root/etc/nsswitch.conf"; \
    chown 65532:65532 "$root/data"; chmod 1777 "$root/tmp"

FROM scratch
LABEL org.opencontainers.image.title="penstock" \
      org.opencontainers.image.description="PostgreSQL changes, pushed data and lifecycle events in durable topics that any Kafka client can read" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image /
# Connector files and declarations are looked for below the working directory.
COPY cdc/debezium.json /etc/penstock/cdc/debezium.json
COPY topics/topics.yaml /etc/penstock/topics/topics.yaml
WORKDIR /etc/penstock
# With the path `docker exec CONTAINER penstock lag` finds the program.
ENV PATH=/ \
    PENSTOCK_DATA_DIR=/data \
    PENSTOCK_HTTP_LISTEN=0.0.0.0:8080 \
    PENSTOCK_KAFKA_LISTEN=0.0.0.0:9092 \
    PENSTOCK_METRICS_LISTEN=0.0.0.0:9464
USER 65532:65532
VOLUME /data
# HTTP and the console, Kafka, metrics.
EXPOSE 8080 9092 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=5 CMD ["/penstock", "healthcheck"]
ENTRYPOINT ["/penstock"]
CMD ["serve"]

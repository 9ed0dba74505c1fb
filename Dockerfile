# netkin's server with its corpus and models: docker build --tag netkin .
# Runs as a user of its own over a read-only root; what it keeps is in /var/lib/netkin, or in the Postgres
# that DATABASE_URL names.

FROM rust:1.94-slim-bookworm AS build
WORKDIR /netkin
RUN apt-get update && apt-get install --yes --no-install-recommends build-essential
COPY . .
RUN cargo build --locked --release --bin netkin

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/netkin --create-home netkin
COPY --from=build /netkin/target/release/netkin /usr/local/bin/netkin
COPY corpus/netkin.corpus /usr/local/share/netkin/corpus/netkin.corpus
COPY corpus/nas/counts.json /usr/local/share/netkin/corpus/nas/counts.json
COPY models /usr/local/share/netkin/models
ENV NETKIN_SERVER_LISTEN=0.0.0.0:8080 \
    NETKIN_DATA_DIR=/var/lib/netkin \
    NETKIN_LOG_FORMAT=json
USER netkin
VOLUME /var/lib/netkin
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["netkin", "health"]
ENTRYPOINT ["netkin"]
CMD ["serve"]

# The service as a container image:
#
#   docker build --tag contacts-service .
#   docker run --rm contacts-service --help
#
# See compose.yaml for one that runs with Postgres.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /source
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY proto proto
COPY service service
# The workspace's other members are not built, but cargo reads their manifests.
COPY sdk sdk
COPY examples examples
COPY tests tests
RUN cargo build --release --locked --package contacts-service --bin contacts-service

FROM debian:bookworm-slim
# The user, and the folder for the key file and, without Postgres, the database.
RUN useradd --system --uid 10001 --no-create-home contacts \
    && install --directory --owner=contacts --mode=0700 /data
COPY --from=build /source/target/release/contacts-service /usr/local/bin/contacts-service
USER 10001
WORKDIR /data
EXPOSE 50051
# SIGTERM drains: the server ends when calls have ended, or after CONTACTS_SHUTDOWN_GRACE.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/contacts-service"]

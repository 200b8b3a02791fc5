# The image of amlnet: one program on a base without a shell. It builds from a clone with nothing but this file:
# `make image`, `docker build .`, `podman build .` or `az acr build .`. No step needs BuildKit. docs/image.md says how to
# mirror it and how to check what is in it.

# Bases, pinned by the digests of their multi-platform indexes. Tag and digest are changed together; the tag of the first
# is the version in rust-toolchain.toml. Both are Debian 12, so what is linked in one runs on the other.
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f

FROM ${RUST_IMAGE} AS build
WORKDIR /src
# .dockerignore names what is copied. rust-toolchain.toml is not: the base is the toolchain, and rustup would download
# the linters that the file asks for.
COPY . .
ARG VERSION=0.1.0
ARG REVISION=unknown
# The files in the image carry this time, so that one commit gives one layer.
ARG SOURCE_DATE_EPOCH=0
RUN AMLNET_COMMIT="${REVISION}" cargo build --locked --release --bin amlnet
# Labels and program have to say the same.
RUN said="$(target/release/amlnet version)" && labels="amlnet ${VERSION} (${REVISION})" \
    && if [ "$said" != "$labels" ]; then echo "the program is $said, its labels are for $labels: VERSION has to be that of Cargo.toml" >&2; exit 1; fi \
    && install -D -m 0755 target/release/amlnet /out/amlnet \
    && install -D -m 0644 LICENSE /out/LICENSE \
    && touch --date="@${SOURCE_DATE_EPOCH}" /out/amlnet /out/LICENSE

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="amlnet" \
      org.opencontainers.image.description="Keeps routes and firewall rules around Azure Machine Learning correct while Microsoft's addresses change" \
      org.opencontainers.image.source="https://github.com/amlnet/amlnet" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/amlnet /amlnet
COPY --from=build /out/LICENSE /LICENSE
# By number, because Kubernetes cannot tell from a name that a user is not root.
USER 65532:65532
ENTRYPOINT ["/amlnet"]
CMD ["run"]

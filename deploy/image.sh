#!/bin/sh
# Builds the image of this clone with docker, podman or buildah, the first that works: deploy/image.sh [NAME [OPTION…]].
# Options go to the builder as they are (--build-arg RUST_IMAGE=…, --platform …). It pushes nothing.
set -eu
cd "$(dirname "$0")/.."

version=$(sed -n '/^\[workspace.package\]/,/^\[workspace.dep/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
name=${1:-amlnet:$version}
[ $# -eq 0 ] || shift

# Sources from an archive have no history: the image then says "unknown", and its files have the time zero.
revision=unknown
epoch=0
if git rev-parse --verify --quiet HEAD >/dev/null 2>&1; then
  revision=$(git rev-parse HEAD)
  epoch=$(git log -1 --format=%ct)
  if [ -n "$(git status --porcelain -- Cargo.toml Cargo.lock Dockerfile .dockerignore src config)" ]; then
    revision=$revision-modified
  fi
fi
set -- --build-arg "VERSION=$version" --build-arg "REVISION=$revision" --build-arg "SOURCE_DATE_EPOCH=$epoch" \
  --tag "$name" --file Dockerfile "$@" .

why=
for builder in docker podman buildah; do
  if ! command -v "$builder" >/dev/null 2>&1; then
    why="$why
  $builder: not installed"
  elif ! said=$("$builder" version 2>&1 >/dev/null); then
    why="$why
  $builder: $(printf '%s' "$said" | tail -n 1)"
  else
    echo "building $name at $revision with $builder; the first time it compiles everything, about six minutes on two cores" >&2
    case $builder in
      # Their images carry the time of the build unless it is given; Docker's BuildKit takes it from SOURCE_DATE_EPOCH.
      podman | buildah) exec "$builder" build --timestamp "$epoch" "$@" ;;
      docker) exec docker build "$@" ;;
    esac
  fi
done
echo "no program here can build the image:$why
Install docker, podman or buildah (Debian: apt-get install docker.io or podman), or build it elsewhere: the Dockerfile needs nothing else." >&2
exit 1

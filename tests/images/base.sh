#!/bin/sh
# Makes the base image that the bentofiles name, without a registry: Debian bookworm with Python 3.11, from debootstrap.
#   base.sh NAME UV     NAME: of the image; UV: the program uv, which the build of a Bento's image calls
set -eu
name=$1 uv=$2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv bookworm "$root" >&2
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/doc "$root"/usr/share/man
install -m 755 "$uv" "$root/usr/local/bin/uv"
# Whoever stands between this machine and the package index signs with a certificate that only the host knows.
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"; fi
tar -C "$root" -c . | podman import --change 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' - "$name" >&2

#!/bin/sh
# A folder of micrographs → one table, with a plain shell. Started again, it goes on where it was.
#
#   pipelines/emserve.sh FAMILY MICROGRAPHS RESULTS [OPTION…]
#   pipelines/emserve.sh defects frames/ results/ --pixel-size-nm 0.28 --thickness-nm 100
#
# FAMILY: atoms, defects or dislocations; OPTIONs are those of `analyse`. Either of these says what runs:
#   IMAGE    a container image, best pinned by its digest: emserve@sha256:…   ENGINE: podman or docker   ENGINE_OPTIONS: as run takes
#   ANALYSE  a command (default: .venv/bin/python -m bentos.analyse of this repository)
set -eu
if [ $# -lt 3 ]; then
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
family=$1 micrographs=$2 results=$3
shift 3
repository=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
if [ ! -d "$micrographs" ]; then
    echo "emserve.sh: there is no folder $micrographs" >&2
    exit 2
fi
mkdir -p "$results"
micrographs=$(CDPATH= cd -- "$micrographs" && pwd) results=$(CDPATH= cd -- "$results" && pwd)

analyse() {
    if [ -n "${IMAGE:-}" ]; then
        # As whoever calls it, so that the results are theirs; nothing but the results can be written.
        # Podman without root would make somebody else of them, who may not write there.
        engine=${ENGINE:-podman} keep=
        if [ "${engine##*/}" = podman ] && [ "$(id -u)" -ne 0 ]; then keep=--userns=keep-id; fi
        # shellcheck disable=SC2086
        "$engine" run --rm $keep ${ENGINE_OPTIONS:-} --user "$(id -u):$(id -g)" --read-only --cap-drop ALL --network none \
            --tmpfs /tmp --env EMSERVE_IMAGE="$IMAGE" --volume "$micrographs:$micrographs:ro" --volume "$results:$results" \
            "$IMAGE" analyse "$@"
    elif [ -n "${ANALYSE:-}" ]; then
        $ANALYSE "$@"
    else
        PYTHONPATH="$repository:$repository/clients" "$repository/.venv/bin/python" -m bentos.analyse "$@"
    fi
}

# Every file of the folder, in the order of their names, the options behind them.
set -- --out "$results" "$@"
count=0
for file in "$micrographs"/*; do
    if [ -f "$file" ]; then count=$((count + 1)) && set -- "$@" "$file"; fi
done
if [ "$count" -eq 0 ]; then
    echo "emserve.sh: there is no file in $micrographs" >&2
    exit 2
fi
analyse "$family" "$@"

#!/bin/sh
# Run while an image is made, after its packages: `IMAGE analyse …` runs the tool, besides `IMAGE` and `IMAGE serve`.
set -eu
cat > /app/.venv/bin/analyse <<'END'
#!/bin/sh
exec /app/.venv/bin/python -m bentos.analyse "$@"
END
chmod 755 /app/.venv/bin/analyse

# /tmp is all that has to be writable. Not among the `envs` of the bentofile: BentoML's own line in the recipe wins over them;
# this file is read before whatever the image runs.
cat >> /app/.venv/bin/activate <<'END'
if [ "${BENTOML_HOME:-/home/bentoml/}" = /home/bentoml/ ]; then export BENTOML_HOME=/tmp/bentoml; fi
END

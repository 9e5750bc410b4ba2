#!/bin/sh
# Run while an image is made, after its packages: `IMAGE analyse …` runs the tool, besides `IMAGE` and `IMAGE serve`.
set -eu
cat > /app/.venv/bin/analyse <<'END'
#!/bin/sh
exec /app/.venv/bin/python -m bentos.analyse "$@"
END
chmod 755 /app/.venv/bin/analyse

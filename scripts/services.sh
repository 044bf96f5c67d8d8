#!/usr/bin/env bash
# Installs and starts what the tests talk to: Redis, PostgreSQL, Chromium, nginx and
# HAProxy, which tests start themselves, systemd-analyze, Python's cryptography and djangorestframework-simplejwt with what its Django
# needs for PostgreSQL and passwords, and openssl for the
# commands of docs/gateway.md, from Debian's packages.
# Does nothing that is already done. Needs root.
set -euo pipefail
cd "$(dirname "$0")/.."

want=(redis-server postgresql chromium openssl nginx-light haproxy systemd python3-cryptography
	python3-djangorestframework-simplejwt python3-psycopg2 python3-argon2 python3-bcrypt)
lacking=()
for package in "${want[@]}"; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || lacking+=("$package")
done
if [ ${#lacking[@]} -gt 0 ]; then
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q
	apt-get install -y -q --no-install-recommends "${lacking[@]}"
fi

# What pages are held against, and a service in another language to attack, from npm.
if [ ! -d .tools/node_modules/express ]; then
	command -v npm >/dev/null || apt-get install -y -q --no-install-recommends nodejs npm
	npm install --silent --no-save --no-fund --no-audit --prefix .tools axe-core@4.14.1 \
		express@5.3.0 helmet@8.3.0 cors@2.8.6 express-rate-limit@8.7.5 jsonwebtoken@9.0.3
fi

if ! redis-cli -h 127.0.0.1 ping >/dev/null 2>&1; then
	redis-server --daemonize yes --bind 127.0.0.1 --port 6379 --save '' --appendonly no --dir /tmp >/dev/null
fi

as_postgres() { runuser -u postgres -- "$@"; }
if ! as_postgres psql -qAtc 'SELECT 1' >/dev/null 2>&1; then
	service postgresql start
fi
for _ in $(seq 50); do
	as_postgres psql -qAtc 'SELECT 1' >/dev/null 2>&1 && break
	sleep 0.2
done
if [ "$(as_postgres psql -qAtc "SELECT count(*) FROM pg_roles WHERE rolname = 'rampart'")" = 0 ]; then
	as_postgres psql -qc "CREATE ROLE rampart LOGIN PASSWORD 'rampart'"
fi
if [ "$(as_postgres psql -qAtc "SELECT count(*) FROM pg_database WHERE datname = 'rampart_test'")" = 0 ]; then
	as_postgres createdb -O rampart rampart_test
fi
redis-cli -h 127.0.0.1 ping >/dev/null
echo "Redis, PostgreSQL ($(as_postgres psql -qAtc 'SHOW server_version')) and $(chromium --version 2>/dev/null | head -n 1) are ready."

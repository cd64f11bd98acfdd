#!/usr/bin/env bash
# Tests whether the marketplace at an address responds correctly, without changing anything there.
#
#   smoke.sh https://ticketing.example
set -euo pipefail

readonly SHOP=${1:?"usage: smoke.sh ADDRESS"}
failures=0

# expect PATH STATUS TYPE TEXT: checks the status, the content type and that the body contains the text.
expect() {
  local path=$1 status=$2 type=$3 text=$4 body answer
  body=$(mktemp)
  # Retries, because a starting or stopping pod may close a connection.
  answer=$(curl --silent --show-error --max-time 10 --retry 3 --retry-connrefused --output "$body" \
    --write-out '%{http_code} %{content_type}' "$SHOP$path") || true
  if [[ $answer == "$status $type"* ]] && grep --quiet --fixed-strings -- "$text" "$body"; then
    printf '%10s %s\n' ok "$path"
  else
    printf '%10s %s responded with "%s": expected "%s %s" containing %s\n' failed "$path" "$answer" "$status" "$type" "$text"
    failures=$((failures + 1))
  fi
  rm -f "$body"
}

expect / 200 text/html '<html'
expect /api/tickets 200 application/json '['
expect /api/users/jwks.json 200 application/json '"keys"'
expect /api/tickets/openapi.json 200 application/json '"openapi"'
expect /api/orders/openapi.json 200 application/json '"openapi"'
expect /api/payments/openapi.json 200 application/json '"openapi"'
# This response comes from the running service, not from a static file.
expect /api/orders 401 application/problem+json '"status":401'
expect /nothing/is/here 404 text/html '<html'

if [[ $SHOP == https://* ]]; then
  host=${SHOP#https://}
  # Plain HTTP has a port of its own.
  moved=$(curl --silent --max-time 10 --output /dev/null --write-out '%{http_code} %{redirect_url}' "http://${host%%:*}/") || true
  if [[ $moved != "301 $SHOP/" ]]; then
    printf '%10s plain HTTP responded with "%s"\n' failed "$moved"
    failures=$((failures + 1))
  fi
fi

if ((failures > 0)); then
  printf 'smoke.sh: %d checks of %s failed\n' "$failures" "$SHOP" >&2
  exit 1
fi

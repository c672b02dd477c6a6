#!/bin/bash
# Installs the Debian packages that are missing, as root or with sudo.
# usage: install-dependencies.sh [build] [run] [test]        what for; "build" if nothing is said
set -euo pipefail

purposes=("$@")
((${#purposes[@]})) || purposes=(build)
list=$(dirname "$0")/packages.txt

wanted() {
  local purpose what name
  while read -r what name; do
    for purpose in "${purposes[@]}"; do
      [[ $what == "$purpose" ]] && echo "$name"
    done
  done <"$list" | sort -u
}

is_installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

if ! command -v dpkg-query >/dev/null; then
  echo "This is no Debian. Install by hand what $list lists." >&2
  exit 1
fi

missing=()
optional=()
while read -r name; do
  is_installed "${name%[?!]}" && continue
  case $name in
  *\?) optional+=("${name%\?}") ;;
  *!) command -v "${name%!}" >/dev/null || missing+=("${name%!}") ;;
  *) missing+=("$name") ;;
  esac
done < <(wanted)
# What is optional alone is no reason to ask the network at every start.
((${#missing[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "Missing packages: ${missing[*]}" >&2
    echo "Run $0 ${purposes[*]} as root, or install sudo." >&2
    exit 1
  fi
  as_root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
echo "Installing: ${missing[*]}" >&2
"${as_root[@]}" apt-get update -q >&2
for name in "${optional[@]}"; do
  if apt-cache policy "$name" | grep -q 'Candidate: [0-9]'; then missing+=("$name"); fi
done
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -q -y --no-install-recommends "${missing[@]}" >&2

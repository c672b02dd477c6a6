#!/bin/bash
# Builds and tests this tree in a chroot of its own with a bare Debian of another release, or of this
# one. Needs root and debootstrap; packages come from the mirror that this machine's apt uses.
# usage: test-in-debian.sh SUITE [CHROOT_DIR] [TEST_OPTION...]
#        SUITE is bookworm or trixie; CHROOT_DIR is kept, so that the next run is faster
#        (default: build/SUITE)
set -euo pipefail

die() {
  echo "test-in-debian: $1" >&2
  exit 1
}
suite=${1:-}
[[ $suite =~ ^[a-z]+$ ]] || die "which release? bookworm or trixie"
shift
here=$(dirname "$(dirname "$(readlink -f "$0")")")
root=$(readlink -m "${1:-$here/build/$suite}")
(($#)) && shift

((EUID == 0)) || die "only root can make a chroot"
command -v debootstrap >/dev/null || die "needs the package debootstrap"
if [[ -n $(ls -A "$root" 2>/dev/null) && ! -f $root/.murpacs-chroot ]]; then
  die "$root is there already and was not made by this script"
fi

mounted=()
clean_up() {
  local i
  for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do
    umount "${mounted[i]}" || umount --lazy "${mounted[i]}"
  done
  mounted=()
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mount_at() { # DIR MOUNT_OPTION...
  local place=$root$1
  shift
  mkdir -p "$place"
  mount "$@" "$place"
  mounted+=("$place")
}

# The mirror and the proxy, if any, of this machine.
# shellcheck disable=SC2016  # apt expands these
mirror=$(apt-get indextargets --format '$(ORIGIN)/$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
  sed -n 's|^Debian/Debian ||p' | head -n 1)
[[ -n $mirror ]] || die "apt knows no Debian archive here: run apt-get update"
proxy=$(apt-config shell proxy Acquire::http::Proxy | sed "s/^proxy='\(.*\)'$/\1/")
if [[ -n $proxy && $proxy != DIRECT ]]; then export http_proxy=$proxy; fi

if [[ ! -f $root/.complete ]]; then
  rm -rf "$root"
  mkdir -p "$root"
  touch "$root/.murpacs-chroot"
  debootstrap --variant=minbase "$suite" "$root" "$mirror"
  if [[ -n ${http_proxy:-} ]]; then
    echo "Acquire::http::Proxy \"$http_proxy\";" >"$root/etc/apt/apt.conf.d/proxy"
  fi
  touch "$root/.complete"
fi
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
[[ ! -f /etc/hosts ]] || cp -L /etc/hosts "$root/etc/hosts"

mount_at /proc -t proc proc
mount_at /sys -t sysfs -o ro sysfs
mount_at /dev/shm -t tmpfs tmpfs
mount_at /dev/pts -t devpts -o newinstance,ptmxmode=0666 devpts
testdata=${MURPACS_TESTDATA:-$here/../shared/testdata}
chroot_environment=()
if [[ -d $testdata ]]; then
  mount_at /testdata --bind "$testdata"
  mount -o remount,bind,ro "$root/testdata"
  chroot_environment+=(MURPACS_TESTDATA=/testdata)
fi

# Who this machine's Node.js trusts beyond others: npm asks the same registry there.
if [[ -n ${NODE_EXTRA_CA_CERTS:-} ]]; then
  cp "$NODE_EXTRA_CA_CERTS" "$root/etc/node-ca.crt"
  chroot_environment+=(NODE_EXTRA_CA_CERTS=/etc/node-ca.crt)
fi

# A copy of what is in the tree now, committed or not; what was built there before is kept.
tree=$root/murpacs
mkdir -p "$tree"
find "$tree" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
tar -C "$here" --exclude=./build --exclude=./var --exclude=./.git -cf - . | tar -C "$tree" -xf -

chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
  ${http_proxy:+http_proxy="$http_proxy"} "${chroot_environment[@]}" /murpacs/test "$@"

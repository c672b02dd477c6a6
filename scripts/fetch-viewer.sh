#!/bin/bash
# Gets the viewer OHIF from npm into a folder for web.viewer_dir; about 50 MB. What is there already
# stays.
# usage: fetch-viewer.sh FOLDER [PACKAGE.tgz]      a package that "npm pack" made elsewhere
set -euo pipefail

package=@ohif/app@3.13.2
file=ohif-app-3.13.2.tgz
# Of the package as it was when it was tried with this node.
checksum=b189d3963bfc58e9394a9db8c7be75d07beb029ec211dbb126d47b62969dd3f1

die() {
  echo "fetch-viewer.sh: $1" >&2
  exit 1
}

(($# == 1 || $# == 2)) || die "usage: fetch-viewer.sh FOLDER [PACKAGE.tgz]"
folder=$1
[[ -f $folder/index.html ]] && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if (($# == 2)); then
  archive=$2
else
  command -v npm >/dev/null || die "npm is missing (Debian: apt-get install npm). Or say \"npm pack $package\" on
  another machine, bring the file here, and say: $0 $folder $file"
  echo "Getting $package from npm (50 MB)" >&2
  (cd "$work" && npm pack --loglevel=error "$package" >/dev/null) || die "npm cannot get $package, see above"
  archive=$work/$file
fi
found=$(sha256sum "$archive" | cut -d' ' -f1)
echo "$found  $package" >&2
[[ $found == "$checksum" ]] || die "$archive is not the package that is expected ($checksum)"

# Models for the browser (136 MB) and the viewer for microscopes (20 MB) are not needed.
mkdir -p "$(dirname "$folder")"
rm -rf "$folder.part"
mkdir "$folder.part"
tar -xzf "$archive" -C "$folder.part" --strip-components=2 --no-same-owner \
  --exclude='package/dist/ort' --exclude='package/dist/dicom-microscopy-viewer' package/dist
[[ -f $folder.part/index.html ]] || die "$archive has no dist/index.html"
rm -rf "$folder"
mv "$folder.part" "$folder" # whole, or not there

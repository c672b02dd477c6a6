#!/usr/bin/python3
"""How long the viewer takes to the first image of a CT series: OHIF in Debian's Chromium, from the study's
address to an image on the screen, without the browser's own start. Needs Chromium, npm and nibabel.

usage: bench/viewer.py [--murpacs PROGRAM] [--rounds N] [--slices N]
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import nibabel
import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIDE = 512


def make_volume(path, slices):
    """A round body with a bone in it, 0.1 mm, with noise."""
    across, down = numpy.mgrid[0:SIDE, 0:SIDE].astype(numpy.float32) / SIDE - 0.5
    body = numpy.where(across**2 + (1.4 * down)**2 < 0.16, 100, -1000).astype(numpy.int16)
    body[SIDE // 2:SIDE // 2 + 40, SIDE // 2:SIDE // 2 + 40] = 900
    random = numpy.random.default_rng(1)
    volume = body[:, :, None] + random.integers(-60, 60, (SIDE, SIDE, slices), numpy.int16)
    image = nibabel.Nifti1Image(volume, numpy.diag([0.1, 0.1, 0.1, 1.0]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


def measure(options, work):
    # What the end-to-end tests have: modules and the viewer, got by npm once for each build folder.
    os.environ["MURPACS"], os.environ["MURPACS_SOURCE"] = options.murpacs, str(ROOT)
    sys.path.insert(0, str(ROOT / "tests/e2e"))
    import node  # pylint: disable=import-outside-toplevel
    modules = node.npm_modules("browser")
    viewer = modules / "viewer"
    node.run(ROOT / "scripts/fetch-viewer.sh", viewer)
    shutil.copy(ROOT / "bench/viewer.js", modules)
    make_volume(work / "ct.nii", options.slices)
    made = json.loads(node.murpacs("nii2dcm", "--modality", "CT", "--json", work / "ct.nii",
                                   work / "dcm").stdout)
    port = node.free_port()
    with node.serving(work / "archive", "--set", "web.enabled=true", "--set", f"web.port={port}",
                      "--set", f"web.viewer_dir={viewer}") as served:
        node.murpacs("store", "127.0.0.1", served.port, work / "dcm")
        done = node.run("node", modules / "viewer.js", shutil.which("chromium"),
                        f"http://127.0.0.1:{port}", made["StudyInstanceUID"], options.rounds)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--murpacs", default=str(ROOT / "build/bench/bin/murpacs"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slices", type=int, default=400)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as work:
        found = measure(options, pathlib.Path(work))
    print(f"| CT of {options.slices} slices | median, s | slowest |\n|---|---|---|")
    for name, title in (("first", "first image"), ("again", "again in the same browser")):
        times = [one / 1000 for one in found[name]]
        print(f"| {title} | {statistics.median(times):.2f} | {max(times):.2f} |")


if __name__ == "__main__":
    main()

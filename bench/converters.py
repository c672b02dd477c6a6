#!/usr/bin/python3
"""Measures the converters beside their peers, on this machine, in interleaved rounds: wall and
processor time, and the largest memory. See bench/README.md.

usage: converters.py [options]
"""
import argparse
import datetime
import gzip
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import nibabel
import numpy
import pydicom

SOURCE = pathlib.Path(__file__).resolve().parent.parent
LABELS = 5


class Bad(Exception):
    """What came out is not what went in: the run does not count."""


def volume(side, slices):
    """A round animal in noise, in tenths of a millimetre."""
    random = numpy.random.default_rng(1)
    y, x = numpy.mgrid[:side, :side] - side / 2
    body = numpy.where(x ** 2 + y ** 2 < (0.4 * side) ** 2, 1000, -1000)
    noise = random.normal(0, 20, (side, side))
    data = numpy.empty((side, side, slices), numpy.int16, order="F")
    for k in range(slices):
        data[..., k] = (body + numpy.roll(noise, 37 * k, 0)).T
    return data


def labels(side, slices):
    """Five balls, one in each slice at least."""
    data = numpy.zeros((side, side, slices), numpy.uint8, order="F")
    z, y, x = numpy.ogrid[:slices, :side, :side]
    for label in range(1, LABELS + 1):
        middle = side * (label + 0.5) / (LABELS + 2)
        radius = side * 0.45 / (LABELS + 2)
        inside = (x - middle) ** 2 + (y - middle) ** 2 < radius ** 2
        data[numpy.broadcast_to(inside, (slices, side, side)).transpose(2, 1, 0)] = label
    return data


def save(path, data):
    affine = numpy.diag([-0.1, -0.1, 0.1, 1])
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)


def sorted_canonical(path):
    return numpy.asanyarray(nibabel.as_closest_canonical(nibabel.load(path)).dataobj)


class Bench:
    def __init__(self, options):
        self.options = options
        root = pathlib.Path(options.work)
        root.mkdir(parents=True, exist_ok=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="convert-", dir=root))
        self.rows = []  # {"work", "who", "ours", "values": {name: [one a round]}, "absent"}
        self.failures = []
        self.made = 0

    def make_data(self):
        side, slices = self.options.side, self.options.slices
        print("making data", file=sys.stderr, flush=True)
        self.image = volume(side, slices)
        save(self.folder / "image.nii", self.image)
        with open(self.folder / "image.nii", "rb") as plain, \
                gzip.open(self.folder / "image.nii.gz", "wb", 1) as packed:
            shutil.copyfileobj(plain, packed, 1 << 20)
        self.ours("nii2dcm", "image.nii", "dicom", "--modality", "CT", "--biped", "--hu")
        self.labels = labels(side, self.options.label_slices)
        save(self.folder / "labels.nii", self.labels)
        save(self.folder / "scanned.nii", volume(side, self.options.label_slices))
        self.ours("nii2dcm", "scanned.nii", "source", "--modality", "CT", "--biped", "--hu")
        self.ours("labels2seg", *self.organs(), "labels.nii", "source", "seg.dcm")

    @staticmethod
    def organs():
        names = ("liver", "spleen", "stomach", "heart", "brain")
        return [word for label, name in enumerate(names, 1)
                for word in ("--label", f"{label}={name}")]

    def ours(self, *words):
        subprocess.run([self.options.murpacs, "-q", *words], cwd=self.folder, check=True,
                       stdout=subprocess.DEVNULL)

    # ---- one run ---------------------------------------------------------------------------------

    def run(self, command, out):
        """Wall and CPU seconds, and the most memory in MB; @out is fresh."""
        figures = self.folder / "figures"
        # Between us and the program, because a child's memory counts from its parent's.
        words = ["/usr/bin/time", "-q", "-o", figures, "-f", "%U %S %M", *command]
        begin = time.monotonic()
        done = subprocess.run([str(word) for word in words], cwd=self.folder, text=True,
                              errors="replace", capture_output=True, check=False)
        wall = time.monotonic() - begin
        if done.returncode != 0 or not out.exists():
            raise Bad(f"{' '.join(map(str, command))}: exit code {done.returncode}, "
                      f"{done.stdout[-300:]} {done.stderr[-300:]}")
        user, system, memory = figures.read_text().split()
        return {"wall_s": wall, "cpu_s": float(user) + float(system),
                "memory_mb": int(memory) / 1024}

    def one(self, work, who, command, check):
        """@command: a function of the fresh output path; @check: warms up, and is not counted"""
        self.made += 1
        name = f"out{self.made:04}"
        out, words = command(self.folder / name)
        values = self.run(words, out)
        os.sync()  # nobody's files are written during another's run
        if check is not None:
            check(out)
            return
        row = next(row for row in self.rows if (row["work"], row["who"]) == (work, who))
        for key, value in values.items():
            row["values"].setdefault(key, []).append(value)
        shown = ", ".join(f"{key} {value:.3g}" for key, value in values.items())
        print(f"{work}, {who}: {shown}", file=sys.stderr, flush=True)

    def measure(self, work, participants, check):
        """@participants: {name: (program, command)}; the first is ours."""
        there = {}
        for who, (program, command) in participants.items():
            row = {"work": work, "who": who, "values": {}}
            self.rows.append(row)
            if shutil.which(program):
                there[who] = command
            else:
                row["why"] = "absent"
                print(f"{work}, {who}: absent", file=sys.stderr)
        names = list(there)
        for number in range(self.options.rounds + 1):  # the first warms up, and is checked
            for who in names[number % len(names):] + names[:number % len(names)]:
                try:
                    self.one(work, who, there[who], check if number == 0 else None)
                except Bad as bad:
                    print(f"{work}, {who}: {bad}", file=sys.stderr, flush=True)
                    if who == names[0]:
                        self.failures.append(str(bad))
        for path in self.folder.glob("out*"):  # not before: it makes new files slow for a while
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    # ---- what is compared ------------------------------------------------------------------------

    def check_nifti(self, out):
        found = next(iter(sorted(out.glob("*.nii*")))) if out.is_dir() else out
        values = sorted_canonical(found)
        expected = self.image[::-1, ::-1]
        if values.shape != expected.shape or not numpy.array_equal(values, expected):
            raise Bad("other voxels than went in")

    def check_dicom(self, out):
        paths = sorted(path for path in out.rglob("*") if path.is_file())
        slices = [pydicom.dcmread(path) for path in paths if path.suffix != ".json"]
        if len(slices) != self.image.shape[2]:
            raise Bad(f"{len(slices)} slices of {self.image.shape[2]}")
        slices.sort(key=lambda d: float(d.ImagePositionPatient[2]))
        for k in (0, len(slices) // 2, len(slices) - 1):
            d = slices[k]
            values = d.pixel_array * float(d.get("RescaleSlope", 1)) \
                + float(d.get("RescaleIntercept", 0))
            values = numpy.sort(values, axis=None)
            if not numpy.array_equal(values, numpy.sort(self.image[..., k], axis=None)):
                raise Bad(f"slice {k} has other values")

    def check_segmentation(self, out):
        d = pydicom.dcmread(out)
        if d.Modality == "SEG" and len(d.SegmentSequence) != LABELS:
            raise Bad(f"{len(d.SegmentSequence)} segments")

    def check_labels(self, out):
        values = sorted_canonical(out)
        if not numpy.array_equal(values, self.labels[::-1, ::-1]):
            raise Bad("other labels than went in")

    def all(self):
        murpacs = self.options.murpacs
        side = self.options.side
        size = f"{side} x {side} x {self.options.slices}"

        def to(end):
            return lambda out: out.with_name(out.name + end)

        def ours(end, *words):
            return murpacs, lambda out: (to(end)(out), [murpacs, "-q", *words, to(end)(out)])

        def dcm2niix(*words):
            def command(out):
                out.mkdir()
                return out, ["dcm2niix", *words, "-f", "x", "-o", out, "dicom"]
            return "dcm2niix", command

        def vtk_back(end):
            return "dicomtonifti", lambda out: (
                to(end)(out), ["dicomtonifti", "-r", "-o", to(end)(out), "dicom"])

        def plastimatch(*words, end=""):
            return "plastimatch", lambda out: (
                to(end)(out), ["plastimatch", "convert", *words, to(end)(out)])

        def vtk_forth(end):
            def command(out):
                out.mkdir()
                return out, ["niftitodicom", "-s", "--modality", "CT", "-o", out, f"image.nii{end}"]
            return "niftitodicom", command

        def forth(end):
            return murpacs, lambda out: (
                out, [murpacs, "-q", "nii2dcm", f"image.nii{end}", out, "--modality", "CT", "--hu"])

        self.measure(f"DICOM to NIfTI, {size}", {
            "ours": ours(".nii", "dcm2nii", "--plain", "dicom"),
            "dcm2niix": dcm2niix("-z", "n"),
            "dicomtonifti": vtk_back(".nii"),
            "plastimatch": plastimatch("--input", "dicom", "--output-img", end=".nii"),
        }, self.check_nifti)
        self.measure(f"DICOM to the NIfTI file that it was, {size}", {
            "ours": ours(".nii", "dcm2nii", "dicom"),
            "dcm2niix": dcm2niix("-z", "n"),
        }, self.check_nifti)
        self.measure(f"DICOM to NIfTI, gzip level 1, {size}", {
            "ours": ours(".nii.gz", "dcm2nii", "--plain", "dicom"),
            "dcm2niix -z y (pigz)": ("pigz", dcm2niix("-z", "y", "-1")[1]),
            "dcm2niix -z i": dcm2niix("-z", "i", "-1"),
        }, self.check_nifti)
        for end in ("", ".gz"):
            self.measure(f"NIfTI{end} to DICOM, {size}", {
                "ours": forth(end),
                "niftitodicom": vtk_forth(end),
                "plastimatch": plastimatch("--input", f"image.nii{end}", "--output-dicom"),
            }, self.check_dicom)
        size = f"{side} x {side} x {self.options.label_slices}"
        words = self.organs()
        self.measure(f"label map to segmentation, {size}, {LABELS} labels", {
            "ours": (murpacs, lambda out: (
                out, [murpacs, "-q", "labels2seg", *words, "labels.nii", "source", out])),
            "itkimage2segimage (dcmqi)": ("itkimage2segimage", lambda out: (
                out, ["itkimage2segimage", "--inputImageList", "labels.nii",
                      "--inputDICOMDirectory", "source", "--outputDICOM", out])),
            "plastimatch (RTSTRUCT)": ("plastimatch", lambda out: (
                out, ["plastimatch", "convert", "--input-ss-img", "labels.nii",
                      "--referenced-ct", "source", "--output-dicom", out])),
        }, lambda out: self.check_segmentation(out) if out.is_file() else None)
        self.measure(f"segmentation to label map, {size}, {LABELS} labels", {
            "ours": ours(".nii", "seg2labels", "seg.dcm"),
            "segimage2itkimage (dcmqi)": ("segimage2itkimage", lambda out: (
                out, ["segimage2itkimage", "--inputDICOM", "seg.dcm", "--outputDirectory", out])),
        }, lambda out: self.check_labels(out) if out.is_file() else None)

    # ---- what it came to -------------------------------------------------------------------------

    def table(self):
        lines = ["| work | who | wall s | CPU s | memory MB | ours / theirs: wall | memory |",
                 "|---|---|---|---|---|---|---|"]
        ours = {}
        for row in self.rows:
            if not row["values"]:
                lines.append(f"| {row['work']} | {row['who']} | {row.get('why', 'failed')} | | | | |")
                continue
            found = {key: statistics.median(values) for key, values in row["values"].items()}
            mine = ours.setdefault(row["work"], found)
            ratios = [""] * 2 if found is mine else [
                f"{mine[key] / found[key]:.2f}" for key in ("wall_s", "memory_mb")]
            lines.append(f"| {row['work']} | {row['who']} | {found['wall_s']:.3f} | "
                         f"{found['cpu_s']:.2f} | {found['memory_mb']:.0f} | {ratios[0]} | "
                         f"{ratios[1]} |")
        return "\n".join(lines)

    def write(self):
        folder = SOURCE / "build/bench-results"
        folder.mkdir(parents=True, exist_ok=True)
        now = datetime.datetime.now(datetime.timezone.utc)
        result = {"when": now.isoformat(timespec="seconds"), "machine": platform.platform(),
                  "cores": os.cpu_count(), "load": os.getloadavg(), "rows": self.rows,
                  "failures": self.failures}
        path = folder / f"converters-{now:%Y%m%d-%H%M%S}.json"
        path.write_text(json.dumps(result, indent=1), encoding="utf-8")
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {path}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--label-slices", type=int, default=400)
    parser.add_argument("--murpacs", default=str(SOURCE / "build/bench/bin/murpacs"))
    parser.add_argument("--work", default=tempfile.gettempdir(), help="where files are written")
    options = parser.parse_args()
    options.murpacs = os.path.abspath(options.murpacs)
    bench = Bench(options)
    try:
        bench.make_data()
        bench.all()
    finally:
        shutil.rmtree(bench.folder)
    print(bench.table())
    bench.write()
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())

"""Volumes made up for conversions, and what any reader gets back from their series."""
import itertools
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import warnings

import nibabel
import numpy
import pydicom

MURPACS = os.environ["MURPACS"]
SOURCE = pathlib.Path(os.environ["MURPACS_SOURCE"])
TESTDATA = pathlib.Path(os.environ.get("MURPACS_TESTDATA") or SOURCE.parent / "shared/testdata")
LPS = numpy.diag([-1.0, -1.0, 1.0, 1.0])

warnings.filterwarnings("ignore", module="pydicom")


def run(*arguments):
    return subprocess.run([MURPACS, *map(str, arguments)], capture_output=True, text=True,
                          timeout=120, check=False)


def numbers(value):
    return numpy.array([float(v) for v in value])


def read_series(folder):
    """Voxels (i, j, k) as values, and the RAS affine, as any reader gets them."""
    slices = [pydicom.dcmread(path) for path in sorted(pathlib.Path(folder).iterdir())]
    row, column = numbers(slices[0].ImageOrientationPatient).reshape(2, 3)
    normal = numpy.cross(row, column)
    slices.sort(key=lambda s: float(normal @ numbers(s.ImagePositionPatient)))
    first, last = numbers(slices[0].ImagePositionPatient), numbers(slices[-1].ImagePositionPatient)
    affine = numpy.eye(4)
    affine[:3, 0] = row * float(slices[0].PixelSpacing[1])
    affine[:3, 1] = column * float(slices[0].PixelSpacing[0])
    affine[:3, 2] = ((last - first) / (len(slices) - 1) if len(slices) > 1
                     else normal * float(slices[0].SliceThickness))
    affine[:3, 3] = first
    stored = numpy.stack([s.pixel_array.T for s in slices], axis=-1)
    slope, intercept = getattr(slices[0], "RescaleSlope", 1), getattr(slices[0], "RescaleIntercept", 0)
    if (slope, intercept) != (1, 0):
        stored = stored * float(slope) + float(intercept)
    return stored, LPS @ affine, slices


def same_world(test, image, voxels, affine, tolerance=0, corner=1e-5):
    """Every voxel of the file is where it was, with the value that it had."""
    to_voxels = numpy.linalg.inv(affine) @ image.affine
    axes = numpy.round(to_voxels[:3, :3])
    numpy.testing.assert_allclose(to_voxels[:3, :3], axes, atol=1e-4)
    order = [int(numpy.argmax(numpy.abs(axes[row]))) for row in range(3)]
    data = numpy.asanyarray(image.dataobj)
    turned = numpy.transpose(data, order)
    for row in range(3):
        if axes[row, order[row]] < 0:
            turned = numpy.flip(turned, row)
    test.assertEqual(turned.shape, voxels.shape)
    corners = numpy.array(list(itertools.product(*[(0, n - 1) for n in data.shape]))).T
    corners = numpy.vstack([corners, numpy.ones(8)])
    there = (image.affine @ corners)[:3]
    mine = numpy.vstack([numpy.round((to_voxels @ corners)[:3]), numpy.ones(8)])
    test.assertLess(numpy.abs(there - (affine @ mine)[:3]).max(), corner)
    if tolerance:
        test.assertLessEqual(numpy.abs(turned - voxels).max(), tolerance)
    else:
        numpy.testing.assert_array_equal(turned, voxels)


def ramp(shape, dtype=numpy.int16):
    return numpy.arange(numpy.prod(shape)).reshape(shape).astype(dtype)


def save(path, data, affine, unit="mm", **header):
    image = nibabel.Nifti1Image(data, affine)
    image.set_qform(None, 0)
    image.set_sform(affine, 1)
    image.header.set_xyzt_units(unit)
    for key, value in header.items():
        image.header[key] = value
    nibabel.save(image, path)
    return nibabel.load(path)


def affines():
    """All 48 orders and directions of axes, anisotropic."""
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            affine = numpy.zeros((4, 4))
            for axis in range(3):
                affine[order[axis], axis] = signs[axis] * (0.1, 0.25, 0.7)[axis]
            affine[:, 3] = (-12.3, 4.56, 78.9, 1)
            yield affine


def oblique(seed):
    random = numpy.random.default_rng(seed)
    q, _ = numpy.linalg.qr(random.normal(size=(3, 3)))
    affine = numpy.eye(4)
    affine[:3, :3] = q * random.uniform(0.02, 2.0, size=3)
    affine[:3, 3] = random.uniform(-200, 200, size=3)
    return affine.astype(numpy.float32).astype(float)


class Folder(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="mur_conv_")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)

    def convert(self, image, *options, out="dcm", modality="MR"):
        target = self.folder / out
        shutil.rmtree(target, ignore_errors=True)
        done = run("nii2dcm", image, target, "--modality", modality, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return target

    def no_errors(self, path):
        done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
        wrong = [line for line in done.stderr.splitlines() if line.startswith("Error")]
        self.assertEqual(wrong, [])

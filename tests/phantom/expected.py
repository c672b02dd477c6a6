#!/usr/bin/python3
"""Counts what a node must hold after importing a phantom dataset, as JSON.

usage: expected.py DATASET

Reads the ISA-Tab, the NIfTI files and one header per DICOM folder; knows nothing of the generator
or of the node. Rules (see README.md):
- a patient is a study and a Source Name;
- converted scans of a session (study, Sample Name) join the Study of its native scans if these have
  exactly one Study Instance UID; else they have one Study of their own;
- a scan is one image series; its label files make one SEG series of one instance;
- a segment is a row with a label file and at least one voxel.
"""
import collections
import csv
import json
import pathlib
import sys

import nibabel
import numpy
import pydicom

MODALITIES = {"computed tomography": "CT", "magnetic resonance imaging": "MR"}


def read_rows(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, delimiter="\t"))


def read_investigation(path):
    """The STUDY blocks, each a dictionary of label -> values."""
    studies = []
    for label, *values in read_rows(path):
        if label == "STUDY":
            studies.append({})
        elif studies:
            studies[-1][label] = values
    return studies


def read_table(path):
    """Rows as dictionaries; of a repeated header the first filled cell counts."""
    header, *rows = read_rows(path)
    result = []
    for row in rows:
        cells = {}
        for name, value in zip(header, row):
            cells[name] = cells.get(name) or value
        result.append(cells)
    return result


def study_uid_and_slices(path):
    """(Study Instance UID or None, number of slices) of an image file or DICOM folder."""
    if path.is_dir():
        files = sorted(path.iterdir())
        header = pydicom.dcmread(files[0], stop_before_pixels=True)
        return str(header.StudyInstanceUID), len(files)
    return None, nibabel.load(path).shape[2]


class LabelFiles:
    """Voxel counts by label value; each file is read once."""

    def __init__(self):
        self.counts = {}

    def voxels(self, path, label):
        if path not in self.counts:
            voxels = numpy.asarray(nibabel.load(path).dataobj).ravel()
            self.counts = {path: numpy.bincount(voxels)}
        counts = self.counts[path]
        return int(counts[label]) if label < len(counts) else 0


def count_study(root, study):
    sources = {row["Sample Name"]: row for row in read_table(root / study["Study File Name"][0])}
    sessions = collections.defaultdict(lambda: {"native": set(), "converted": False})
    result = {"patients": 0, "samples": 0, "studies": 0, "image_series": 0, "image_instances": 0,
              "seg_series": 0, "seg_instances": 0, "segments": 0, "modalities": {}, "strains": {},
              "scans": {}}
    patients, labels = set(), LabelFiles()
    for name, technology in zip(study["Study Assay File Name"],
                                study["Study Assay Technology Type"]):
        modality = MODALITIES[technology]
        for row in read_table(root / name):
            sample, assay = row["Sample Name"], row["Assay Name"]
            if assay not in result["scans"]:
                image = row["Raw Data File"] or row["Image File"]
                uid, slices = study_uid_and_slices(root / image)
                if uid is None:
                    sessions[sample]["converted"] = True
                else:
                    sessions[sample]["native"].add(uid)
                strain = next(value for header, value in sources[sample].items()
                              if "strain" in header.lower())
                patients.add(sources[sample]["Source Name"])
                result["image_series"] += 1
                result["image_instances"] += slices
                for key, value in (("modalities", modality), ("strains", strain)):
                    result[key][value] = result[key].get(value, 0) + 1
                result["scans"][assay] = {"path": image, "sample": sample, "modality": modality,
                                          "slices": slices, "segments": {}}
            if row["Derived Data File"]:
                label = int(row["Parameter Value[Label value]"])
                voxels = labels.voxels(root / row["Derived Data File"], label)
                result["scans"][assay]["segments"][row["Parameter Value[Organ]"]] = {
                    "file": row["Derived Data File"], "label": label, "voxels": voxels}
    result["patients"], result["samples"] = len(patients), len(sessions)
    result["studies"] = sum(max(1, len(s["native"])) + (len(s["native"]) > 1 and s["converted"])
                            for s in sessions.values())
    for scan in result["scans"].values():
        segments = sum(segment["voxels"] > 0 for segment in scan["segments"].values())
        result["segments"] += segments
        result["seg_series"] += segments > 0
        result["seg_instances"] += segments > 0
    return result


def add_up(studies):
    total = {}
    for study in studies.values():
        for key, value in study.items():
            if isinstance(value, int):
                total[key] = total.get(key, 0) + value
            elif key in ("modalities", "strains"):
                counter = total.setdefault(key, {})
                for name, count in value.items():
                    counter[name] = counter.get(name, 0) + count
    return total


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = pathlib.Path(sys.argv[1])
    studies = {study["Study Identifier"][0]: count_study(root, study)
               for study in read_investigation(root / "i_Investigation.txt")}
    json.dump({"total": add_up(studies), "studies": studies}, sys.stdout, indent=1,
              ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()

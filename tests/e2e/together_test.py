#!/usr/bin/python3
"""Several at once on one archive: clients that store the same and other instances of the same series,
clients that ask meanwhile, and an import beside them."""
import concurrent.futures
import os
import pathlib
import tempfile
import unittest

import dimse
import node

DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])
ROOT = "1.2.826.0.1.3680043.10.1503."
CLIENTS = 8
EACH = 24
STUDIES, SERIES = 2, 2


def store(port, client, same):
    """Statuses of one client's instances, and what a query right after each success did not list."""
    contexts = [(uid, (dimse.EXPLICIT,)) for uid in (dimse.CT_IMAGE, dimse.STUDY_FIND)]
    statuses, missed = [], []
    with dimse.Association(port, contexts) as association:
        for number in range(EACH):
            study = f"{ROOT}{number % STUDIES + 1}"
            series = f"{study}.{number // STUDIES % SERIES + 1}"
            instance = f"{series}.{0 if same else client + 1}.{number}"
            statuses.append(association.store(dimse.CT_IMAGE, instance, dimse.image(
                study, series, instance, patient=study[-1], number=number, rows=16, columns=16,
                pixels=bytes([number] * 512))))
            identifier = b"".join((
                dimse.element(0x00080018, "UI", instance), dimse.element(0x00080052, "CS", "IMAGE"),
                dimse.element(0x0020000D, "UI", study), dimse.element(0x0020000E, "UI", series)))
            _, found = association.retrieve(dimse.STUDY_FIND, dimse.C_FIND, identifier)
            if len(found) != 1:
                missed.append(instance)
    return statuses, missed


class TogetherTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.data_dir = pathlib.Path(folder.name) / "archive"

    def check_counts(self, serving, each_series):
        """Exact counts at every level, one row for each patient, study and series."""
        for number in range(1, STUDIES + 1):
            study = f"{ROOT}{number}"
            patients = serving.find(f"PatientID={number}", "NumberOfPatientRelatedStudies",
                                    "NumberOfPatientRelatedInstances", level="PATIENT", model="-P")
            self.assertEqual([(int(one.NumberOfPatientRelatedStudies),
                               int(one.NumberOfPatientRelatedInstances)) for one in patients],
                             [(1, SERIES * each_series)])
            studies = serving.find(f"StudyInstanceUID={study}", "NumberOfStudyRelatedSeries",
                                   "NumberOfStudyRelatedInstances")
            self.assertEqual([(int(one.NumberOfStudyRelatedSeries),
                               int(one.NumberOfStudyRelatedInstances)) for one in studies],
                             [(SERIES, SERIES * each_series)])
            series = serving.find(f"StudyInstanceUID={study}", "NumberOfSeriesRelatedInstances",
                                  level="SERIES")
            self.assertEqual([int(one.NumberOfSeriesRelatedInstances) for one in series],
                             [each_series] * SERIES)

    def store_by_all(self, pool, serving, same):
        return [pool.submit(store, serving.port, client, same) for client in range(CLIENTS)]

    def check_stores(self, futures):
        for future in futures:
            statuses, missed = future.result()
            self.assertEqual(set(statuses), {0})
            self.assertEqual(missed, [])

    def test_eight_clients_store_other_instances_of_the_same_series(self):
        with node.serving(self.data_dir) as serving, \
                concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            self.check_stores(self.store_by_all(pool, serving, same=False))
            self.check_counts(serving, CLIENTS * EACH // STUDIES // SERIES)

    def test_eight_clients_store_the_same_instances(self):
        with node.serving(self.data_dir) as serving, \
                concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            self.check_stores(self.store_by_all(pool, serving, same=True))
            self.check_counts(serving, EACH // STUDIES // SERIES)
        self.assertEqual(len(node.stored_files(self.data_dir)), EACH)

    def test_an_import_and_clients_share_an_archive(self):
        with node.serving(self.data_dir) as serving, \
                concurrent.futures.ThreadPoolExecutor(CLIENTS + 2) as pool:
            futures = self.store_by_all(pool, serving, same=False)
            imports = [pool.submit(node.import_dataset, self.data_dir, DATASET) for _ in range(2)]
            self.check_stores(futures)
            statuses = {}
            for one in imports:
                for scan in one.result()[0]:
                    statuses.setdefault((scan["study"], scan["assay"]), set()).add(scan["status"])
            for scan, found in statuses.items():
                self.assertLessEqual(found, {"imported", "unchanged"}, scan)
            self.check_counts(serving, CLIENTS * EACH // STUDIES // SERIES)
        rows = node.indexed_instances(self.data_dir)
        self.assertEqual(len(rows), len(set(rows)))
        self.assertEqual(node.manifest_instances(self.data_dir), rows)
        self.assertEqual(sum(name.endswith(".dcm") for name in node.stored_files(self.data_dir)),
                         len(rows))
        scans, _ = node.import_dataset(self.data_dir, DATASET)
        self.assertEqual({scan["status"] for scan in scans}, {"unchanged"})


if __name__ == "__main__":
    unittest.main()

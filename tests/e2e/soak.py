"""Mixed load for as long as is wanted: storing, finding, getting, moving, importing, deleting, and clients
that go away in the middle. Everybody checks what he is answered; meanwhile the node is measured."""
import contextlib
import hashlib
import os
import pathlib
import random
import shutil
import threading
import time

import dimse
import node

ROOT = "1.2.826.0.1.3680043.10.1519."
SEED = int(os.environ.get("MURPACS_SEED", "2024"))
IMAGES_OF_A_STUDY = 30
STUDIES_KEPT = 150  # of each storer: older ones are deleted
PAUSE_S = 0.004


def identifier(level, **keys):
    tags = {"instance": (0x00080018, "UI"), "date": (0x00080020, "DA"), "level": (0x00080052, "CS"),
            "name": (0x00100010, "PN"), "patient": (0x00100020, "LO"), "study": (0x0020000D, "UI"),
            "series": (0x0020000E, "UI"), "images": (0x00201208, "IS")}
    keys["level"] = level
    return b"".join(dimse.element(*tags[key], keys[key]) for key in sorted(keys, key=lambda key: tags[key]))


class Study:
    def __init__(self, uid):
        self.uid = uid
        self.images = {}  # SOP Instance UID -> SHA-256 of the Data Set
        self.users = 0


class Soak:
    """@figures says afterwards what was done and what it took; @problems what was not as it must be."""

    def __init__(self, served, root, seconds, name="1"):
        self.node, self.root, self.seconds = served, pathlib.Path(root), seconds
        self.uid = f"{ROOT}{name}."  # of all that it stores
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.studies = []
        self.problems = []
        self.samples = []
        self.figures = dict.fromkeys(("stored", "queries", "got", "moved", "imported", "deleted", "aborted",
                                      *(f"{how}_{level}" for how in ("got", "moved")
                                        for level in ("study", "series", "image"))), 0)

    def count(self, what, more=1):
        with self.lock:
            self.figures[what] += more

    def expect(self, holds, what):
        if not holds:
            self.problems.append(what)
            self.stopped.set()

    def associate(self, *abstract):
        return dimse.Association(self.node.port, [(one, (dimse.EXPLICIT,)) for one in abstract])

    # -- those who write

    def take_oldest(self, prefix):
        """A study that nobody is just fetching, out of the list."""
        with self.lock:
            own = [one for one in self.studies if one.uid.startswith(prefix)]
            if len(own) < STUDIES_KEPT:
                return None
            for one in own:
                if one.users == 0:
                    self.studies.remove(one)
                    return one
        return None

    def store(self, number):
        chance = random.Random(SEED * 100 + number)
        prefix = f"{self.uid}{number}."
        for count in range(1, 1 << 30):
            study = Study(f"{prefix}{count}")
            with self.associate(dimse.CT_IMAGE, dimse.STUDY_FIND) as association:
                for image in range(1, IMAGES_OF_A_STUDY + 1):
                    series = f"{study.uid}.{image % 2 + 1}"
                    size = chance.choice((16, 64, 128))
                    data_set = dimse.image(study.uid, series, f"{series}.{image}", patient=f"S{study.uid[-20:]}",
                                           number=image, rows=size, columns=size,
                                           pixels=chance.randbytes(2 * size * size))
                    for _ in range(1 + (image == 7)):  # one comes twice
                        status = association.store(dimse.CT_IMAGE, f"{series}.{image}", data_set)
                        self.expect(status == 0, f"C-STORE answered {status:04X}")
                        self.count("stored")
                    study.images[f"{series}.{image}"] = hashlib.sha256(data_set).hexdigest()
                    time.sleep(PAUSE_S)
                _, answers = association.retrieve(dimse.STUDY_FIND, dimse.C_FIND,
                                                  identifier("STUDY", study=study.uid, images=""))
                self.expect(len(answers) == 1 and b"30" in answers[0][-4:], f"{study.uid} is not found with 30")
            with self.lock:
                self.studies.append(study)
            old = self.take_oldest(prefix)
            if old is not None:
                node.murpacs("delete", "--data-dir", self.node.data_dir, old.uid)
                self.count("deleted", len(old.images))
            if self.stopped.is_set():
                return

    def import_files(self):
        folder = self.root / "to-import"
        for count in range(1, 1 << 30):
            study = Study(f"{self.uid}9.{count}")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for image in range(1, 6):
                uid = f"{study.uid}.1.{image}"
                data_set = dimse.image(study.uid, f"{study.uid}.1", uid, patient=f"I{study.uid[-20:]}", number=image,
                                       rows=64, columns=64, pixels=bytes(8192))
                (folder / f"{image}.dcm").write_bytes(dimse.part10(data_set, dimse.CT_IMAGE, uid))
                study.images[uid] = hashlib.sha256(data_set).hexdigest()
            node.murpacs("import", "--dicom", "--data-dir", self.node.data_dir, folder)
            self.count("imported", 5)
            with self.lock:
                self.studies.append(study)
            old = self.take_oldest(f"{self.uid}9.")
            if old is not None:
                node.murpacs("delete", "--data-dir", self.node.data_dir, old.uid)
                self.count("deleted", len(old.images))
            if self.stopped.wait(0.5):
                return

    def go_away(self):
        """In the middle of an object, of a PDU, of an association."""
        chance = random.Random(SEED)
        data_set = dimse.image(ROOT + "8", ROOT + "8.1", ROOT + "8.1.1", rows=256, columns=256,
                               pixels=bytes(131072))
        while not self.stopped.wait(0.05):
            association = self.associate(dimse.CT_IMAGE)
            kind = chance.randrange(3)
            if kind == 0:
                association.begin_store(dimse.CT_IMAGE, ROOT + "8.1.1",
                                        data_set[:chance.randrange(len(data_set))])
            elif kind == 1:
                association.send(b"\4\0\0\0\x10\0" + bytes(chance.randrange(1000)))
            with contextlib.suppress(dimse.Closed):
                chance.choice((dimse.Association.abort, dimse.Association.reset,
                               dimse.Association.close))(association)
            self.count("aborted")

    # -- those who read

    @contextlib.contextmanager
    def some_study(self, chance):
        with self.lock:
            study = chance.choice(self.studies) if self.studies else None
            if study is not None:
                study.users += 1
        try:
            yield study
        finally:
            if study is not None:
                with self.lock:
                    study.users -= 1

    def find(self, number):
        chance = random.Random(SEED + number)
        while not self.stopped.is_set():
            with self.associate(dimse.STUDY_FIND) as association:
                for _ in range(50):
                    with self.some_study(chance) as study:
                        questions = [(None, identifier("STUDY", study="", patient="S*", name="")),
                                     (None, identifier("STUDY", study="", date="20240101-", images=""))]
                        if study is not None:
                            questions += [(len(study.images), identifier("IMAGE", study=study.uid, instance="",
                                                                         series=series))
                                          for series in {uid.rpartition(".")[0] for uid in study.images}][:1]
                        wanted, question = chance.choice(questions)
                        command, answers = association.retrieve(dimse.STUDY_FIND, dimse.C_FIND, question)
                    self.expect(command[0x0900] == 0, f"C-FIND answered {command[0x0900]:04X}")
                    self.expect(wanted is None or len(answers) in (wanted, wanted // 2), "images are missing")
                    self.count("queries")
                    if self.stopped.wait(PAUSE_S):
                        return

    @staticmethod
    def some_of(study, chance):
        """A study, one of its series, or a list of images of a series."""
        level = chance.choice(("STUDY", "SERIES", "IMAGE"))
        keys, wanted = [f"StudyInstanceUID={study.uid}"], sorted(study.images)
        if level != "STUDY":
            series = chance.choice(sorted({uid.rpartition(".")[0] for uid in wanted}))
            keys.append(f"SeriesInstanceUID={series}")
            wanted = [uid for uid in wanted if uid.rpartition(".")[0] == series]
        if level == "IMAGE":
            wanted = chance.sample(wanted, chance.randint(1, min(5, len(wanted))))
            keys.append("SOPInstanceUID=" + "\\".join(wanted))
        return level, keys, wanted

    def fetch(self, how):
        """C-GET by getscu, or C-MOVE by movescu to storescp, which write what they got."""
        chance = random.Random(SEED * 3 + len(how))
        folder = self.root / how
        while not self.stopped.wait(0.2):
            with self.some_study(chance) as study:
                if study is None:
                    continue
                shutil.rmtree(folder, ignore_errors=True)
                level, keys, wanted = self.some_of(study, chance)
                paths = self.node.get(folder, *keys, level=level) if how == "got" else \
                    self.node.move(folder, *keys, level=level)[0]
                digests = sorted(hashlib.sha256(node.data_set_bytes(path)).hexdigest() for path in paths)
                self.expect(digests == sorted(study.images[uid] for uid in wanted),
                            f"{study.uid} at level {level} came back otherwise")
                self.count(how, len(paths))
                self.count(f"{how}_{level.lower()}")

    # -- the node meanwhile

    def measure(self):
        process = pathlib.Path(f"/proc/{self.node.process.pid}")
        log = self.node.data_dir / "index.sqlite-wal"
        return {"memory_kib": self.node.memory_kib(), "threads": self.node.memory_kib("Threads"),
                "descriptors": len(list((process / "fd").iterdir())),
                "wal_kib": log.stat().st_size // 1024 if log.exists() else 0}

    def run(self):
        workers = [(self.store, 1), (self.store, 2), (self.find, 1), (self.find, 2), (self.fetch, "got"),
                   (self.fetch, "moved"), (self.import_files,), (self.go_away,)]

        def work(function, *arguments):
            try:
                function(*arguments)
            except BaseException as reason:  # pylint: disable=broad-except
                self.expect(False, f"{function.__name__}: {reason!r}")

        threads = [threading.Thread(target=work, args=one) for one in workers]
        for one in threads:
            one.start()
        end = time.monotonic() + self.seconds
        while time.monotonic() < end and not self.stopped.wait(min(1.0, self.seconds / 60)):
            self.samples.append(self.measure())
        self.stopped.set()
        for one in threads:
            one.join()
        self.figures["kept"] = sum(len(one.images) for one in self.studies)

    def lost(self):
        """Instances that were acknowledged and not deleted, but are not listed just once; and such as are
        listed though nobody was told so."""
        wanted = sorted(uid for one in self.studies for uid in one.images)
        listed = [uid for uid in node.indexed_instances(self.node.data_dir) if uid.startswith(self.uid)]
        return sorted(set(wanted) ^ set(listed)) + ([] if len(listed) == len(set(listed)) else ["twice"])

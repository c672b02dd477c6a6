#!/usr/bin/python3
"""Every column and every value of the tables is found by unmodified findscu, in each way that docs/isa.md
tells of: the scans that answer are those of the tables, no more and no fewer. The queries are made from
the tables, which are read here without the node's code."""
import csv
import fnmatch
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

import node

DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])
CREATOR = "MURPACS ISA 1.0"
KINDS = {"characteristics": "characteristic", "factor value": "factor",
         "parameter value": "parameter", "comment": "comment"}
QUALIFIERS = ("Unit", "Term Source REF", "Term Accession Number")
NEW_COLUMN = "cage µ"
LONG = "".join(f"{number:03d} " for number in range(75)).strip() + "!"
NEW_VALUES = ["100 %", "it's 'B'", "Käfig Süd,\n2\tlines", LONG.ljust(300, "ö"), LONG.ljust(300, "ü"),
              "50%_[x]", "a=b; c=d", "back\\slash", "% \"'\" ü"]
CONTROL = str.maketrans("\n\t", "  ")


# -- the tables ------------------------------------------------------------------------------------


def read_rows(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, delimiter="\t"))


def cells_of(header, row):
    """(kind, heading, text) of the cells that say something."""
    for name, text in zip(header, row):
        if name in QUALIFIERS or text.strip() == "":
            continue
        found = re.fullmatch(r"(.*?)\[(.*)\]", name)
        if found:
            yield (KINDS[found[1].strip().lower()], found[2].strip(),
                   text.strip().translate(CONTROL))
        elif name.endswith(" File"):
            yield "file", name, text.strip()
        elif name.endswith(" Name") or name == "Protocol REF":
            yield "name", name, text.strip()
        else:
            yield "other", name, text.strip()


def read_tables(root):
    """{(study, scan): set of cells}"""
    scans, study, files = {}, None, {}
    for label, *values in read_rows(root / "i_Investigation.txt"):
        if label in ("Study Identifier", "Study File Name", "Study Assay File Name"):
            files[label] = values
        if label == "Study Assay File Name":
            study = files["Study Identifier"][0]
            header, *rows = read_rows(root / files["Study File Name"][0])
            samples = {}
            for row in rows:
                name = row[header.index("Sample Name")]
                samples.setdefault(name, set()).update(cells_of(header, row))
            for assay in filter(None, values):
                header, *rows = read_rows(root / assay)
                for row in rows:
                    scan = (study, row[header.index("Assay Name")])
                    scans.setdefault(scan, set()).update(cells_of(header, row))
                    scans[scan] |= samples[row[header.index("Sample Name")]]
    return scans


def scans_with(scans, test):
    return {scan for scan, cells in scans.items() if any(test(*cell) for cell in cells)}


def same_column(cell, kind, name):
    """Headings are compared without case."""
    return (cell[0], cell[1].casefold()) == (kind, name.casefold())


# -- findscu ---------------------------------------------------------------------------------------


class Finder:
    """findscu with our dictionary, at SERIES level unless told otherwise."""

    UIDS = {"PATIENT": ("PatientID", "0010,0020"), "STUDY": ("StudyInstanceUID", "0020,000d"),
            "SERIES": ("SeriesInstanceUID", "0020,000e")}

    def __init__(self, served, folder):
        self.served, self.folder = served, folder
        os.environ["DCMDICTPATH"] = (
            f"{self.dictionary()}:{node.SOURCE}/etc/murpacs.dic")
        node.ENVIRONMENT["DCMDICTPATH"] = os.environ["DCMDICTPATH"]
        self.scan_of, self.study_of, self.patient_of = {}, {}, {}
        for answer in served.find(
                "SeriesInstanceUID", "StudyInstanceUID", "PatientID", f"0099,0010={CREATOR}",
                "0099,1019", "0099,101a", level="SERIES"):
            scan = (answer[0x0099101A].value, answer[0x00991019].value)
            self.scan_of[answer.SeriesInstanceUID] = scan
            self.study_of.setdefault(answer.StudyInstanceUID, set()).add(scan)
            self.patient_of.setdefault(answer.PatientID, set()).add(scan)

    @staticmethod
    def dictionary():
        """DCMTK's own: libdcmtk17/ in Debian 12, dcmtk/ in Debian 13."""
        return sorted(pathlib.Path("/usr/share").glob("*dcmtk*/dicom.dic"))[-1]

    def run(self, options, words):
        done = node.run("findscu", "-v", "-P", "-aec", "MURPACS", *options, *words)
        if "E: " in done.stdout + done.stderr:
            raise AssertionError(done.stdout + done.stderr)
        return re.split(r"^I: Sending Find Request.*$", done.stdout + done.stderr,
                        flags=re.MULTILINE)[1:]

    def uids_in(self, text, level):
        return re.findall(rf"^I: \({self.UIDS[level][1]}\) \w\w \[(.*?)[ \0]*\]",
                          text.partition("Received Final")[0].partition("Find Response")[2],
                          flags=re.MULTILINE)

    def uids(self, *keys, level="SERIES"):
        """By the command line."""
        words = []
        for key in (f"QueryRetrieveLevel={level}", self.UIDS[level][0],
                    "SpecificCharacterSet=ISO_IR 192", *keys):
            words += ["-k", key]
        (text,) = self.run((), [*words, "127.0.0.1", self.served.port])
        return self.uids_in(text, level)

    def scans(self, *keys):
        return {self.scan_of[uid] for uid in self.uids(*keys)}

    def uids_of_each(self, queries, level="SERIES", options=()):
        """By query files, over one association: those of each query, which is a list of elements."""
        paths = []
        for elements in queries:
            query = Dataset()
            query.SpecificCharacterSet = "ISO_IR 192"
            query.QueryRetrieveLevel = level
            setattr(query, self.UIDS[level][0], "")
            for tag, vr, value in elements:
                query.add_new(tag, vr, value)
            query.is_little_endian, query.is_implicit_VR = True, False
            query.file_meta = pydicom.dataset.FileMetaDataset()
            query.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
            query.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66"
            query.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
            paths.append(pathlib.Path(self.folder) / f"query{len(paths):04d}.dcm")
            pydicom.dcmwrite(paths[-1], query, write_like_original=False)
        texts = self.run(options, ["127.0.0.1", self.served.port, *paths])
        assert len(texts) == len(paths)
        return [self.uids_in(text, level) for text in texts]

    def scans_of_each(self, queries, options=()):
        return [{self.scan_of[uid] for uid in uids}
                for uids in self.uids_of_each(queries, options=options)]


def attribute(text, block=0x10):
    """A query by element xx01."""
    return [(0x00990000 + block, "LO", CREATOR),
            (0x00990001 + block * 256, "UC", text.replace("\\", "/"))]


def items(*items, block=0x10):
    """A query by element xx02."""
    sequence = []
    for values in items:
        item = Dataset()
        item.add_new(0x00990000 + block, "LO", CREATOR)
        for element, value in values.items():
            vr = {3: "CS", 4: "LO", 5: "UC", 6: "FD", 7: "SH"}[element]
            item.add_new(0x00990000 + block * 256 + element, vr, value)
        sequence.append(item)
    return [(0x00990000 + block, "LO", CREATOR),
            (0x00990002 + block * 256, "SQ", Sequence(sequence))]


class Search(unittest.TestCase):
    """On the dataset with a column more, that nobody has ever heard of."""

    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="murpacs-search-"))
        cls.addClassCleanup(shutil.rmtree, cls.root)
        cls.dataset = cls.root / "dataset"
        shutil.copytree(DATASET, cls.dataset)
        cls.add_column()
        cls.tables = read_tables(cls.dataset)
        cls.cells = sorted(set().union(*cls.tables.values()))
        node.import_dataset(cls.root / "data", cls.dataset)
        cls.served = node.Node(cls.root / "data")
        cls.addClassCleanup(cls.served.stop)
        cls.finder = Finder(cls.served, cls.root)

    @classmethod
    def add_column(cls):
        values = NEW_VALUES * 3
        for path in sorted(cls.dataset.glob("s_*.txt")):
            header, *rows = read_rows(path)
            header.append(f"Factor Value[{NEW_COLUMN}]")
            for row in rows:
                row.append(values.pop(0))
            with open(path, "w", encoding="utf-8", newline="") as file:
                csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL,
                           lineterminator="\n").writerows([header, *rows])
        path = cls.dataset / "i_Investigation.txt"
        text = path.read_text(encoding="utf-8")
        text = re.sub(r'^("?Study Factor Name"?)', rf'\1\t"{NEW_COLUMN}"', text, flags=re.MULTILINE)
        path.write_text(text, encoding="utf-8")

    def compare(self, found, wanted, what):
        self.assertEqual(sorted(wanted - found), [], f"{what}: not found")
        self.assertEqual(sorted(found - wanted), [], f"{what}: found although the tables differ")

    def test_the_tables_say_something(self):
        self.assertEqual(set(self.finder.scan_of.values()), set(self.tables))
        self.assertGreater(len(self.cells), 150)
        said = {text for kind, name, text in self.cells if (kind, name) == ("factor", NEW_COLUMN)}
        self.assertEqual(said, {value.translate(CONTROL) for value in NEW_VALUES})

    def ask(self, queries, wanted, options=()):
        """Queries by name, as {name: elements}, and what the tables say."""
        found = self.finder.scans_of_each(queries.values(), options)
        for name, scans in zip(queries, found):
            self.compare(scans, wanted[name], name)

    def scans_with(self, kind, name, text):
        return scans_with(self.tables,
                          lambda *cell: same_column(cell, kind, name) and cell[2] == text)

    # -- the private block -------------------------------------------------------------------------

    def test_each_cell_is_found_in_the_private_block_at_every_level(self):
        queries, wanted = {}, {}
        for position, (kind, name, text) in enumerate(self.cells):
            key = f"{kind}:{name}={text}"
            queries[key] = attribute(key, 0x10 + position % 0xF0)
            wanted[key] = self.scans_with(kind, name, text)
        self.ask(queries, wanted)
        self.ask(queries, wanted, options=("-xi",))
        for level, owned in (("STUDY", self.finder.study_of), ("PATIENT", self.finder.patient_of)):
            found = self.finder.uids_of_each(queries.values(), level)
            for key, uids in zip(queries, found):
                self.compare(set(uids), {uid for uid, scans in owned.items() if scans & wanted[key]},
                             key)

    def test_each_cell_is_found_by_an_item_of_the_sequence(self):
        queries, wanted = {}, {}
        for position, (kind, name, text) in enumerate(self.cells):
            queries[kind, name, text] = items(
                {3: kind.upper(), 4: name, 5: text.replace("\\", "/")}, block=0x10 + position % 0xF0)
            wanted[kind, name, text] = self.scans_with(kind, name, text)
        self.ask(queries, wanted)
        self.ask(queries, wanted, options=("-xi",))

    def test_each_column_is_found_by_wildcards_and_ranges(self):
        queries, wanted = {}, {}
        for kind, name in sorted({cell[:2] for cell in self.cells}):
            queries[kind, name] = attribute(f"{kind}:{name}=*")
            wanted[kind, name] = scans_with(self.tables,
                                            lambda *cell: same_column(cell, kind, name))
            texts = {cell[2] for cell in self.cells if same_column(cell, kind, name)}
            if not all(re.fullmatch(r"\d+(\.\d+)?", text) for text in texts):
                continue
            numbers = sorted(map(float, texts))
            low, high = numbers[0], numbers[len(numbers) // 2]
            for text, test in ((f"{low}..{high}", lambda n: low <= n <= high),
                               (f"{high}..", lambda n: n >= high), (f"..{low}", lambda n: n <= low)):
                queries[kind, name, text] = attribute(f"{kind}:{name.lower()}={text}")
                queries[kind, name, text, 2] = items({3: kind.upper(), 4: name, 5: text})
                wanted[kind, name, text] = wanted[kind, name, text, 2] = scans_with(
                    self.tables,
                    lambda *cell: same_column(cell, kind, name) and test(float(cell[2])))
        self.assertGreater(len(queries), 90)
        self.ask(queries, wanted)

    def test_values_with_wildcards_are_patterns(self):
        queries, wanted = {}, {}
        for pattern in ("factor:cage µ=*ä*", "factor:cage µ=1?? %", "*cage µ=*%*", "*µ=??'s*"):
            heading, text = pattern.split("=")
            queries[pattern] = attribute(pattern)
            wanted[pattern] = scans_with(
                self.tables, lambda kind, name, value: fnmatch.fnmatchcase(f"{kind}:{name}", heading)
                and fnmatch.fnmatchcase(value, text))
            self.assertTrue(wanted[pattern], pattern)
        self.ask(queries, wanted)

    def test_several_items_must_all_match(self):
        wanted = (self.scans_with("factor", "week", "24")
                  & self.scans_with("name", "Source Name", "Mouse_01"))
        self.assertTrue(wanted)
        self.ask({"both": items({4: "week", 5: "24"}, {3: "NAME", 5: "Mouse_01"})},
                 {"both": wanted})

    # -- Patient Comments and Additional Patient History --------------------------------------------

    def in_comments(self, patterns):
        """{pattern: scans} that say it in either."""
        found = {pattern: set() for pattern in patterns}
        for tag in (0x00104000, 0x001021B0):
            queries = [[(tag, "LT", pattern)] for pattern in patterns]
            for pattern, scans in zip(patterns, self.finder.scans_of_each(queries)):
                found[pattern] |= scans
        return found

    def test_each_cell_is_found_in_the_comments(self):
        wanted = {}
        for name, text in {cell[1:] for cell in self.cells}:
            wanted[f"*; {name}={text};*"] = scans_with(self.tables,
                                                       lambda *cell: cell[1:] == (name, text))
        for pattern, scans in self.in_comments(list(wanted)).items():
            self.compare(scans, wanted[pattern], pattern)

    def test_parts_of_the_comments_are_found_by_wildcards(self):
        wanted = {}
        for part in {f"{name}={text}" for _, name, text in self.cells}:
            wanted[f"*{part}*"] = scans_with(self.tables,
                                             lambda _, name, text: part in f"{name}={text}")
        for pattern, scans in self.in_comments(list(wanted)).items():
            self.compare(scans, wanted[pattern], pattern)

    # -- attributes of the standard, plain elements --------------------------------------------------

    def test_mapped_columns_are_found_by_their_attributes(self):
        def same(text):
            return text

        columns = {  # heading: (key, what the tables' text becomes)
            "Source Name": (("0099,1017", same), ("ClinicalTrialSubjectID", same)),
            "Sample Name": (("0099,1018", same),),
            "Assay Name": (("0099,1019", same), ("SeriesDescription", same)),
            "Animal strain": (("StrainDescription", same),),
            "Organism": (("PatientSpeciesDescription", same),),
            "Sex": (("PatientSex", lambda text: text[0].upper()),),
            "Supplier": (("0099,1016", same),),
            "Health status": (("0099,1010", same),),
            "Disease model": (("0099,1011", same), ("AdmittingDiagnosesDescription", same)),
            "Age": (("0099,1012", same), ("PatientAge", lambda text: f"{int(text):03d}D")),
            "Body weight": (("0099,1013", same),
                            ("PatientWeight", lambda text: repr(round(float(text) / 1000, 7)))),
            "Time point": (("0099,1014", same),),
            "Source": (("0099,1015", same),),
            "week": (("LongitudinalTemporalOffsetFromEvent", lambda text: str(7 * int(text))),
                     ("ClinicalTrialTimePointID", lambda text: f"w{text}")),
            "Device name": (("ManufacturerModelName", same),),
            "Contrast agent name": (("ContrastBolusAgent", same),),
        }
        asked = 0
        for kind, name, text in self.cells:
            if kind == "factor" and name != "week":
                continue
            for key, convert in columns.get(name, ()):
                wanted = scans_with(self.tables, lambda *cell: cell[1:] == (name, text))
                found = self.finder.scans(f"0099,0010={CREATOR}", f"{key}={convert(text)}")
                self.compare(found, wanted, f"{key}={convert(text)}")
                asked += 1
        self.assertGreater(asked, 80)

    # -- murpacs find --isa --------------------------------------------------------------------------

    def find_isa(self, *words, check=True):
        more = [word for one in words for word in ("--isa", one)]
        done = node.murpacs("find", "127.0.0.1", self.served.port, "-aec", "MURPACS", "-L", "SERIES",
                            "-r", "SeriesInstanceUID", "--json", *more, check=check)
        return {self.finder.scan_of[json.loads(line)["0020000E"]["Value"][0]]
                for line in done.stdout.splitlines()}

    def test_columns_are_asked_for_by_their_headings(self):
        def diet(_, name, text):
            return name == "diet" and text.startswith("Western")

        def age(low, high):
            return lambda _, name, text: name == "Age" and low <= float(text) <= high

        western = scans_with(self.tables, diet)
        self.assertTrue(western)
        self.compare(self.find_isa("Factor Value[diet]=Western*"), western, "diet")
        self.compare(self.find_isa("diet=Western*", "Age>=150"),
                     western & scans_with(self.tables, age(150, 1e9)), "diet and age")
        self.compare(self.find_isa("Characteristics[Age]=150..200"),
                     scans_with(self.tables, age(150, 200)), "age")
        self.compare(self.find_isa("age<=140"), scans_with(self.tables, age(0, 140)), "age")
        self.compare(self.find_isa("Parameter Value[diet]=Western*"), set(), "no such parameter")
        for text in (value.translate(CONTROL) for value in NEW_VALUES):
            self.compare(self.find_isa(f"cage µ={text}"),
                         self.scans_with("factor", NEW_COLUMN, text), text)

    def test_the_table_shows_the_columns_that_were_asked_for(self):
        done = node.murpacs("find", "127.0.0.1", self.served.port, "-aec", "MURPACS", "-r",
                            "PatientID", "--isa", "Source Name=Mouse_01", "--isa", "week=24", "--isa",
                            "Characteristics[Age]")
        head, row = done.stdout.splitlines()
        self.assertEqual(re.split("  +", head), ["PatientID", "Source Name", "week", "Age"])
        self.assertEqual(re.split("  +", row), ["LIV-HCC-2021:Mouse_01", "Mouse_01", "24", "170"])

    def test_what_cannot_be_asked_for_is_refused(self):
        for word in ("diet!=chow", "Age>5", "Age>=old", "=x"):
            done = node.murpacs("find", "127.0.0.1", self.served.port, "--isa", word, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(word, done.stderr)

    def test_a_peer_that_is_no_murpacs_is_told_apart(self):
        folder = self.root / "dcmqrscp"
        (folder / "db").mkdir(parents=True)
        port = node.free_port()
        (folder / "dcmqrscp.cfg").write_text(
            f'NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 4\n'
            "HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\nOTHER {folder}/db RW (9, 1024mb) ANY\nAETable END\n", encoding="ascii")
        peer = subprocess.Popen(["dcmqrscp", "-c", folder / "dcmqrscp.cfg"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            node.wait_for_port(port)
            image = next((DATASET / "LIV-HCC-2021").rglob("*.dcm"))
            node.run("storescu", "-aec", "OTHER", "127.0.0.1", port, image)
            done = node.murpacs("find", "127.0.0.1", port, "-aec", "OTHER", "-r", "PatientID",
                                "--isa", "diet=nothing", check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(done.stdout, "")
            self.assertIn("no murpacs", done.stderr)
        finally:
            peer.terminate()
            peer.wait()

    # -- outlines ------------------------------------------------------------------------------------

    def test_segmentations_are_found_by_organ_label_value_volume_and_source(self):
        served = self.served.find("SeriesInstanceUID", "SegmentSequence", "ReferencedSeriesSequence",
                                  "Modality=SEG", level="SERIES")
        self.assertGreater(len(served), 5)
        labels, organs, volumes, sources = {}, {}, {}, {}
        for answer in served:
            uid = answer.SeriesInstanceUID
            sources.setdefault(answer.ReferencedSeriesSequence[0].SeriesInstanceUID, set()).add(uid)
            for item in answer.SegmentSequence:
                block = item.private_block(0x0099, "MURPACS NIFTI 1.0")
                labels.setdefault(block[6].value, set()).add(uid) if 6 in block else None
                volumes.setdefault(block[8].value, set()).add(uid)
                organs.setdefault(item.SegmentLabel, set()).add(uid)
        self.assertIn(31, labels)
        self.assertTrue(all(0 < volume < 50 for volume in volumes), volumes)

        def nested(tag, *elements):
            item = Dataset()
            for element in elements:
                item.add_new(*element)
            return [(0x00080060, "CS", "SEG"), (tag, "SQ", Sequence([item]))]

        creator = (0x00990044, "LO", "MURPACS NIFTI 1.0")
        for low, high in ((0.5, 2), (0, 0.25), (1.5, 50)):
            wanted = {uid for volume, uids in volumes.items() if low <= volume <= high
                      for uid in uids}
            query = nested(0x00620002, creator, (0x00994408, "LO", f"{low}..{high}"))
            for options in ((), ("-xi",)):
                (found,) = self.finder.uids_of_each([query], options=options)
                self.assertEqual(set(found), wanted, (low, high, options))
            done = node.murpacs("find", "127.0.0.1", self.served.port, "-aec", "MURPACS", "-L",
                                "SERIES", "-r", "SeriesInstanceUID", "--json", "-k",
                                "SegmentSequence[0].0099,0010=MURPACS NIFTI 1.0", "-k",
                                f"SegmentSequence[0].0099,1008={low}..{high}")
            self.assertEqual({json.loads(line)["0020000E"]["Value"][0]
                              for line in done.stdout.splitlines()}, wanted)
        for known, query in (
                (labels, lambda value: nested(0x00620002, creator, (0x00994406, "UL", value))),
                (volumes, lambda value: nested(0x00620002, creator, (0x00994408, "FD", value))),
                (organs, lambda value: nested(0x00620002, (0x00620005, "LO", value))),
                (sources, lambda value: nested(0x00081115, (0x0020000E, "UI", value)))):
            for options in ((), ("-xi",)):
                found = self.finder.uids_of_each([query(value) for value in known], options=options)
                for value, uids in zip(known, found):
                    self.assertEqual(set(uids), known[value], value)

    # -- what is not ours ----------------------------------------------------------------------------

    def test_keys_without_our_creator_are_not_supported_and_never_no_match(self):
        for creator in ((), ((0x00990010, "LO", "SOMEBODY ELSE"),)):
            queries = [[*creator, key] for key in (
                (0x00991010, "LO", "nonsense"), (0x00991001, "UC", "no=thing"),
                (0x00991012, "FD", 1.0))]
            for query in queries:
                (found,) = self.finder.uids_of_each([query])
                self.assertEqual(len(found), len(self.finder.scan_of))
                done = node.run("findscu", "-d", "-P", "-aec", "MURPACS", "127.0.0.1",
                                self.served.port, self.root / "query0000.dcm")
                self.assertIn("0xff01", (done.stdout + done.stderr).lower())

    def test_cells_are_answered_where_they_are_asked_for(self):
        for answer in self.served.find("SeriesInstanceUID", f"0099,0010={CREATOR}", "0099,1001",
                                       "0099,1002", level="SERIES"):
            cells = self.tables[self.finder.scan_of[answer.SeriesInstanceUID]]
            wanted = {f"{kind}:{name}={text}".replace("\\", "/") for kind, name, text in cells}
            values = answer[0x00991001].value
            self.assertEqual({values} if isinstance(values, str) else set(values), wanted)
            items = {f"{item[0x00991003].value.lower()}:{item[0x00991004].value}="
                     f"{item[0x00991005].value}" for item in answer[0x00991002].value}
            self.assertEqual(items, wanted)


if __name__ == "__main__":
    unittest.main()

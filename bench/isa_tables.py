"""An ISA-Tab of made-up mice for the series of murpacs-load: a row of its assay table a series."""
import itertools

STUDIES_PER_PATIENT = 2
DIETS = ("standard chow", "western diet", "high fat diet", "ketogenic diet", "western diet, then chow")
STRAINS = ("C57BL/6J", "C57BL/6N", "BALB/cAnNRj", "SKH1-Hrhr", "FVB/N", "NOD.Cg-Prkdcscid")
MODELS = ("", "MASH", "liver fibrosis (CCl4)", "hepatocellular carcinoma", "obesity")
SEQUENCES = ("RARE", "TurboRARE", "FLASH", "FISP", "EPI", "UTE", "MSME")
PEOPLE = ("Anna Brückner", "Jonas Felder", "Mara Holt", "Tom Aldous")
UNITS = {"Age": "day", "Body weight": "gram", "week": "week", "Repetition time": "millisecond",
         "Echo time": "millisecond", "Flip angle": "degree"}


def uid(seed, level, index):
    """As load_uid() in object.c; level 1 Study, 2 Series."""
    return f"2.25.1{seed % 10**8:08}{level}{index:011}"


def animal(patient):
    return {"Source Name": f"M{patient:09}",
            "Characteristics[Organism]": "Mus musculus",
            "Characteristics[Animal strain]": STRAINS[patient % 6],
            "Characteristics[Sex]": ("female", "male")[patient // 6 % 2],
            "Characteristics[Ear tag]": f"{patient * 7919 % 10**6:06}",
            "Characteristics[Cage]": f"rack {patient // 500 % 40}, cage {patient // 5 % 100}",
            "Characteristics[Disease model]": MODELS[patient // 12 % 5],
            "Characteristics[Health status]": "healthy" if patient // 12 % 5 == 0 else "not healthy"}


def session(study):
    """An animal at a time: a Study. The date is that of the collection of the sample."""
    return {"Sample Name": f"M{study // STUDIES_PER_PATIENT:09}_{study % STUDIES_PER_PATIENT}",
            "Characteristics[Age]": str(40 + study * 31 % 600),
            "Characteristics[Body weight]": f"{15 + study * 17 % 250 / 10:.1f}",
            "Factor Value[diet]": DIETS[study // STUDIES_PER_PATIENT // 3 % 5],
            "Factor Value[week]": str(study % 52),
            "Date": f"20{10 + study // 336 % 14}-{1 + study // 28 % 12:02}-{1 + study % 28:02}"}


def scan(seed, series):
    return {"Parameter Value[Image modality]": "MRI",
            "Parameter Value[Device name]": "BioSpec 94/20 USR",
            "Parameter Value[Sequence]": SEQUENCES[series % 7],
            "Parameter Value[Repetition time]": str(100 + series * 13 % 5000),
            "Parameter Value[Echo time]": f"{1 + series * 7 % 600 / 10:.1f}",
            "Parameter Value[Flip angle]": str(10 * (1 + series % 18)),
            "Performer": PEOPLE[series % 4],
            "Assay Name": f"scan {series:07}",
            "Comment[Series Instance UID]": uid(seed, 2, series),
            "Comment[Remark]": f"slice pack moved by {series % 997 / 10:.1f} mm, see page {series} of"
                               " the laboratory's book" if series % 10 == 0 else ""}


def row_of(seed, series, series_per_study):
    """All that the tables say of a series, by heading."""
    study = series // series_per_study
    return {**animal(study // STUDIES_PER_PATIENT), **session(study), **scan(seed, series)}


def headings(names):
    """Columns of a table: a Unit stands behind what has one."""
    for name in names:
        yield name
        if name.partition("[")[2].rstrip("]") in UNITS:
            yield "Unit"


def cells(row):
    for name, value in row.items():
        yield value
        unit = UNITS.get(name.partition("[")[2].rstrip("]"))
        if unit is not None:
            yield unit


def protocol(row, name, before):
    """The row with a Protocol REF, and its Date, before a column."""
    date = row.get("Date")
    for key, value in row.items():
        if key == before:
            yield "Protocol REF", name
            if date is not None:
                yield "Date", date
        if key != "Date":
            yield key, value


def write_table(path, rows):
    rows = iter(rows)
    first = next(rows)
    with open(path, "w", encoding="utf-8") as table:
        table.write("\t".join(headings(first)) + "\n")
        for row in itertools.chain([first], rows):
            table.write("\t".join(cells(row)) + "\n")


def write(folder, seed, series_count, series_per_study):
    """The tables of series 0 to series_count."""
    folder.mkdir(parents=True)
    studies = -(-series_count // series_per_study)
    parameters = ";".join(key[len("Parameter Value["):-1] for key in scan(seed, 0)
                          if key.startswith("Parameter"))
    (folder / "i_bench.txt").write_text(
        "ONTOLOGY SOURCE REFERENCE\nTerm Source Name\t\nINVESTIGATION\n"
        "Investigation Identifier\tBENCH\nInvestigation Title\tMade-up mice\nSTUDY\n"
        "Study Identifier\tBENCH\nStudy Title\tMade-up mice\nStudy File Name\ts_bench.txt\n"
        "STUDY FACTORS\nStudy Factor Name\tdiet\tweek\nStudy Factor Type\tdiet\ttime\n"
        "STUDY ASSAYS\nStudy Assay File Name\ta_bench.txt\n"
        "Study Assay Measurement Type\tanatomical imaging\n"
        "Study Assay Technology Type\tmagnetic resonance imaging\n"
        "STUDY PROTOCOLS\nStudy Protocol Name\tsample collection\tMR imaging\n"
        f"Study Protocol Parameters Name\t\t{parameters}\n", encoding="utf-8")
    write_table(folder / "s_bench.txt",
                (dict(protocol({**animal(study // STUDIES_PER_PATIENT), **session(study)},
                               "sample collection", "Sample Name")) for study in range(studies)))
    write_table(folder / "a_bench.txt",
                (dict(protocol({"Sample Name": session(series // series_per_study)["Sample Name"],
                                **scan(seed, series)},
                               "MR imaging", "Parameter Value[Image modality]"))
                 for series in range(series_count)))

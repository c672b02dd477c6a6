"""Questions about the tables of isa_tables.py, each with the number of its answers, for murpacs-load ask."""
import collections
import decimal
import fnmatch
import random
import struct

import isa_tables

LEVELS = ("PATIENT", "STUDY", "SERIES")
MOST = 300  # series that say what a pattern or a range means
UNIQUE = {"PATIENT": (0x0010, 0x0020), "STUDY": (0x0020, 0x000D), "SERIES": (0x0020, 0x000E)}
COMMENTS, HISTORY = (0x0010, 0x4000), (0x0010, 0x21B0)
# What becomes of a column: its attribute, and how much of the one is one of the other.
NUMBERS = {"STUDY": ("Characteristics[Body weight]", (0x0010, 0x1030), 1000),
           "SERIES": ("Parameter Value[Repetition time]", (0x0018, 0x0080), 1)}
CREATOR = ((0x0099, 0x0010), b"LO", b"MURPACS ISA 1.0 ")


def element(tag, vr, value):
    if isinstance(value, str):
        value = value.encode()
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    long = vr in (b"UC", b"SQ")
    return struct.pack("<HH2s" + ("xxI" if long else "H"), *tag, vr, len(value)) + value


def items(keys):
    """Element xx02: an item of name and text each."""
    body = b""
    for name, text in keys:
        item = element(*CREATOR) + (element((0x0099, 0x1004), b"LO", name) if name else b"")
        item += element((0x0099, 0x1005), b"UC", text)
        body += struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item
    return element((0x0099, 0x1002), b"SQ", body)


def identifier(level, *keys):
    """An identifier that asks for the level's unique key. keys: (tag, VR, value) or bytes of xx02."""
    elements = {(0x0008, 0x0005): element((0x0008, 0x0005), b"CS", "ISO_IR 192"),
                (0x0008, 0x0052): element((0x0008, 0x0052), b"CS", level),
                UNIQUE[level]: element(UNIQUE[level], b"LO" if level == "PATIENT" else b"UI", "")}
    for key in keys:
        elements[(0x0099, 0x0010)] = element(*CREATOR)
        if isinstance(key, bytes):
            elements[(0x0099, 0x1002)] = key
        else:
            elements[key[0]] = element(*key)
    return b"".join(elements[tag] for tag in sorted(elements))


def xx01(*values):
    return (0x0099, 0x1001), b"UC", "\\".join(values)


def heading(column):
    """"Factor Value[diet]" as xx01 says it, and its name alone."""
    kind, _, name = column.partition("[")
    return {"Characteristics": "characteristic", "Factor Value": "factor", "Comment": "comment",
            "Parameter Value": "parameter", "Performer": "other"}.get(kind, "name"), \
        name.rstrip("]") or column


class Tables:
    """Which series say what."""

    def __init__(self, seed, series_count, series_per_study):
        self.seed, self.series_count, self.series_per_study = seed, series_count, series_per_study
        self.columns = collections.defaultdict(lambda: collections.defaultdict(list))
        for series in range(series_count):
            for column, value in isa_tables.row_of(seed, series, series_per_study).items():
                if value != "" and column != "Date":
                    self.columns[column][value].append(series)
        self.values = {column: list(values) for column, values in self.columns.items()}
        self.narrow = [column for column, values in self.columns.items() if len(values) > 90]
        self.broad = [column for column in self.columns if column not in self.narrow]
        self.numeric = [column for column in self.narrow
                        if column.partition("[")[2].rstrip("]") in isa_tables.UNITS]
        self.sets = {column: {value: set(said) for value, said in self.columns[column].items()}
                     for column in self.broad}
        self.animal = [column for column in isa_tables.animal(0) if column in self.narrow
                       and column.startswith("Characteristics")]
        self.scan = [column for column in isa_tables.scan(seed, 0) if column in self.narrow]

    def answers(self, level, series):
        divisor = {"PATIENT": self.series_per_study * isa_tables.STUDIES_PER_PATIENT,
                   "STUDY": self.series_per_study, "SERIES": 1}[level]
        return len({one // divisor for one in series})

    def some_value(self, chance, column):
        return chance.choice(self.values[column])

    def any_cell(self, chance, columns):
        column = chance.choice(columns)
        return column, self.some_value(chance, column)

    def spread(self, column, value):
        """A range from a value on, of up to MOST series, and these."""
        low = high = float(value)
        steps = sorted(float(one) for one in self.columns[column])
        while high < steps[-1]:
            wider = steps[steps.index(high) + 1]
            if sum(len(said) for one, said in self.columns[column].items()
                   if low <= float(one) <= wider) > MOST:
                break
            high = wider
            if high - low > 20:
                break
        return low, high, [series for one, its in self.columns[column].items()
                           if low <= float(one) <= high for series in its]

    def named(self, level, chance):
        """Patients, Studies, Series by their own keys, about as many as a range finds."""
        per = {"PATIENT": self.series_per_study * isa_tables.STUDIES_PER_PATIENT,
               "STUDY": self.series_per_study, "SERIES": 1}[level]
        count = {"PATIENT": 150, "STUDY": 150, "SERIES": MOST}[level]
        rows = chance.sample(range(self.series_count // per), min(count, self.series_count // per))
        names = [f"BENCH:{isa_tables.animal(row)['Source Name']}" if level == "PATIENT" else
                 isa_tables.uid(self.seed, LEVELS.index(level), row) for row in rows]
        return [row * per for row in rows], "\\".join(names)

    def matching(self, column, pattern):
        return [series for value, said in self.columns[column].items()
                if fnmatch.fnmatchcase(value, pattern) for series in said]


def question(tables, level, kind, chance):
    """One of a kind: the series that say it, None if they are not counted, and its keys."""
    column, value = tables.any_cell(chance, tables.narrow)
    said = tables.columns[column][value]
    prefix, name = heading(column)
    if kind == "exact, xx01":
        return said, [xx01(f"{prefix}:{name}={value}")]
    if kind == "exact, xx02":
        return said, [items([(name, value)])]
    if kind == "text in any column, xx02":
        return None, [items([("", value)])]
    if kind in ("`text*`, xx01", "`*text*`, xx02"):
        pattern = value[:-1] + "*" if kind == "`text*`, xx01" else "*" + value[1:-1] + "*"
        said = tables.matching(column, pattern)
        if len(said) > MOST or "[" in pattern or len(pattern) < 5:
            return question(tables, level, kind, chance)
        return said, [xx01(f"{name}={pattern}") if "01" in kind else items([(name, pattern)])]
    if kind.startswith("range"):
        column, value = tables.any_cell(chance, tables.numeric)
        low, high, said = tables.spread(column, value)
        name = heading(column)[1]
        return said, [xx01(f"{name}={low:g}..{high:g}") if "01" in kind
                      else items([(name, f"{low:g}..{high:g}")])]
    if kind == "a standard attribute, range":
        column, tag, ratio = NUMBERS[level]
        low, high, said = tables.spread(column, tables.some_value(chance, column))
        bounds = [decimal.Decimal(f"{bound:g}") / ratio for bound in (low, high)]
        return said, [(tag, b"DS", f"{bounds[0]}..{bounds[1]}")]
    if kind == "named by ID or UID":
        said, names = tables.named(level, chance)
        return said, [(UNIQUE[level], b"LO" if level == "PATIENT" else b"UI", names)]
    if kind.startswith("list of 3"):
        values = [value] + [tables.some_value(chance, column) for _ in range(2)]
        said = [series for one in set(values) for series in tables.columns[column][one]]
        return said, [xx01(*(f"{prefix}:{name}={one}" for one in values)) if "01" in kind
                      else items([(name, "\\".join(values))])]
    if kind == "three cells, two of them broad, xx02":
        series = chance.choice(said)  # above series, each cell may be that of another one
        keys = [(heading(one)[1], its) for one in chance.sample(tables.broad, 2)
                for its, others in tables.sets[one].items() if series in others]
        return None, [items(keys + [(name, value)])]
    if kind.startswith("Patient Comments"):
        column, value = tables.any_cell(chance, tables.animal)
        key = f"*; {heading(column)[1]}={value};*" if "=" in kind else f"*{value[:-1]}*"
        return tables.columns[column][value] if "=" in kind else None, [(COMMENTS, b"LT", key)]
    if kind.startswith("Additional Patient History"):
        column, value = tables.any_cell(chance, tables.scan)
        if "=" not in kind:
            column, value = "Comment[Remark]", tables.some_value(chance, "Comment[Remark]")
            value = value[:-len(" of the laboratory's book")].partition("see ")[2]
        key = f"*; {heading(column)[1]}={value};*" if "=" in kind else f"*{value}*"
        return tables.columns[column][value] if "=" in kind else None, [(HISTORY, b"LT", key)]
    column, value = tables.any_cell(chance, tables.broad)  # "broad"
    return tables.columns[column][value], [xx01(f"{heading(column)[1]}={value}")]


KINDS = ("exact, xx01", "exact, xx02", "text in any column, xx02", "`text*`, xx01", "`*text*`, xx02",
         "range, xx01", "range, xx02", "list of 3, xx01", "list of 3, xx02",
         "three cells, two of them broad, xx02",
         "Patient Comments `*; name=value;*`", "Patient Comments `*text*`",
         "Additional Patient History `*; name=value;*`", "Additional Patient History `*text*`",
         "a standard attribute, range", "named by ID or UID", "broad: many answers, xx01")


def kinds(level):
    """Additional Patient History, and the weight, are attributes of the Study: no keys at PATIENT level."""
    return [kind for kind in KINDS
            if level != "PATIENT" or not kind.startswith(("Additional", "a standard"))]


def write(path, tables, level, kind, count, seed):
    """A file of questions of a kind at a level."""
    chance = random.Random(f"{seed} {level} {kind}")
    with open(path, "w", encoding="ascii") as out:
        for _ in range(count):
            said, keys = question(tables, level, kind, chance)
            answers = "-" if said is None else tables.answers(level, said)
            out.write(f"{'P' if level == 'PATIENT' else 'S'} {answers} "
                      f"{identifier(level, *keys).hex()}\n")

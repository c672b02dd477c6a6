#!/usr/bin/python3
"""Makes the inputs that fuzzing begins with: for each target a few that are right, and broken ones.

usage: seeds.py FOLDER
"""
import gzip
import hashlib
import io
import json
import pathlib
import struct
import sys
import zipfile
import zlib

SOURCE = pathlib.Path(__file__).resolve().parents[2]

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED, BIG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
MR, SEG, LABELMAP = ("1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.66.4",
                     "1.2.840.10008.5.1.4.1.1.66.7")
STUDY_ROOT, PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.1.1"
LONG_VRS = ("OB", "OW", "OF", "OD", "OL", "OV", "SQ", "UC", "UN", "UR", "UT", "SV", "UV")


# ---- Data Sets ------------------------------------------------------------------------------------

def value_of(vr, value, order="<"):
    if isinstance(value, bytes):
        return value + b"\0" * (len(value) % 2)
    if isinstance(value, str):
        data = value.encode()
        return data + (b"\0" if vr == "UI" else b" ") * (len(data) % 2)
    values = value if isinstance(value, (list, tuple)) else [value]
    code = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FD": "d", "FL": "f", "AT": "I"}[vr]
    return b"".join(struct.pack(order + code, one) for one in values)


def element(tag, vr, value, syntax=EXPLICIT):
    order = ">" if syntax == BIG else "<"
    if vr == "SQ":
        items = b"".join(item(content, syntax) for content in value)
        data = items if isinstance(value, list) else items + head(0xFFFEE0DD, order) + b"\0" * 4
        length = len(items) if isinstance(value, list) else 0xFFFFFFFF
    else:
        data = value_of(vr, value, order)
        length = len(data)
    out = head(tag, order)
    if syntax == IMPLICIT:
        return out + struct.pack("<I", length) + data
    out += vr.encode()
    if vr in LONG_VRS:
        return out + b"\0\0" + struct.pack(order + "I", length) + data
    return out + struct.pack(order + "H", length) + data


def head(tag, order="<"):
    return struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)


def item(content, syntax=EXPLICIT, undefined=False):
    order = ">" if syntax == BIG else "<"
    data = data_set(content, syntax)
    if undefined:
        return head(0xFFFEE000, order) + b"\xFF" * 4 + data + head(0xFFFEE00D, order) + b"\0" * 4
    return head(0xFFFEE000, order) + struct.pack(order + "I", len(data)) + data


def data_set(elements, syntax=EXPLICIT):
    return b"".join(element(*one, syntax=syntax) if isinstance(one, tuple) else one
                    for one in elements)


def file(elements, syntax=EXPLICIT, sop_class=MR, instance="1.2.3.4"):
    if isinstance(elements, bytes):
        body = elements
    else:
        body = data_set(elements, EXPLICIT if syntax == DEFLATED else syntax)
    if syntax == DEFLATED:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = packer.compress(body) + packer.flush()
    meta = data_set([(0x00020001, "OB", b"\0\1"), (0x00020002, "UI", sop_class),
                     (0x00020003, "UI", instance), (0x00020010, "UI", syntax),
                     (0x00020012, "UI", "1.2.826.0.1")])
    return (b"\0" * 128 + b"DICM" + element(0x00020000, "UL", len(meta)) + meta + body)


def fragments(*parts):
    data = head(0xFFFEE000) + b"\0" * 4
    for part in parts:
        part += b"\0" * (len(part) % 2)
        data += head(0xFFFEE000) + struct.pack("<I", len(part)) + part
    return (head(0x7FE00010) + b"OB\0\0" + b"\xFF" * 4 + data + head(0xFFFEE0DD) + b"\0" * 4)


def rle(planes):
    """PS3.5 Annex G: planes as literal runs."""
    parts = [bytes([len(plane) - 1]) + plane for plane in planes]
    parts = [part + b"\0" * (len(part) % 2) for part in parts]
    offsets, at = [], 64
    for part in parts:
        offsets.append(at)
        at += len(part)
    return struct.pack("<16I", len(parts), *(offsets + [0] * (15 - len(offsets)))) + b"".join(parts)


def identity(sop_class=MR, modality="MR"):
    return [(0x00080005, "CS", "ISO_IR 192"), (0x00080008, "CS", "ORIGINAL\\PRIMARY"),
            (0x00080016, "UI", sop_class), (0x00080018, "UI", "1.2.3.4"),
            (0x00080020, "DA", "20240506"), (0x00080030, "TM", "101530"),
            (0x00080060, "CS", modality), (0x00100010, "PN", "Müller^Hans=山田=やまだ"),
            (0x00100020, "LO", "M-1"), (0x00101030, "DS", "0.025"), (0x0020000D, "UI", "1.2"),
            (0x0020000E, "UI", "1.2.3"), (0x00200011, "IS", "1"), (0x00200013, "IS", "7")]


def pixels(rows, columns, bits, samples=1, photometric="MONOCHROME2", frames=None):
    out = [(0x00280002, "US", samples), (0x00280004, "CS", photometric)]
    if samples > 1:
        out.append((0x00280006, "US", 0))
    if frames:
        out.append((0x00280008, "IS", str(frames)))
    return out + [(0x00280010, "US", rows), (0x00280011, "US", columns),
                  (0x00280100, "US", bits), (0x00280101, "US", bits), (0x00280102, "US", bits - 1),
                  (0x00280103, "US", 0)]


def nested(depth, undefined):
    content = b""
    for _ in range(depth):
        if undefined:
            content = (head(0x00081140) + b"SQ\0\0" + b"\xFF" * 4 + head(0xFFFEE000) + b"\xFF" * 4 +
                       content + head(0xFFFEE00D) + b"\0" * 4 + head(0xFFFEE0DD) + b"\0" * 4)
        else:
            content = element(0x00081140, "SQ", [[content]])
    return content


def files():
    image = identity() + pixels(2, 2, 16) + [(0x7FE00010, "OW", bytes(range(8)))]
    sequence = [(0x00081140, "SQ", [[(0x00081150, "UI", MR), (0x00081155, "UI", "1.2.3.5")], []]),
                (0x00400275, "SQ", ([(0x00400007, "LO", "a")],))]
    private = [(0x00990010, "LO", "MURPACS ISA 1.0"), (0x00991001, "UC", "factor:diet=high"),
               (0x00991012, "FD", 81.5), (0x00110010, "LO", "SOMEBODY"),
               (0x00111001, "UN", b"\1\2\3\4")]
    native = data_set(image)
    yield "explicit", file(image)
    yield "implicit", file(image, IMPLICIT)
    yield "big-endian", file(image, BIG)
    yield "deflated", file(image, DEFLATED)
    yield "sequences", file(identity()[:8] + sequence)
    yield "sequences-implicit", file(identity()[:8] + sequence, IMPLICIT)
    yield "private", file(private)
    yield "no-head", native
    yield "no-head-implicit", data_set(image, IMPLICIT)
    yield "numbers", file([(0x00186024, "SL", -3), (0x00189073, "FD", [0.5, float("nan")]),
                           (0x00280106, "US", [1, 2]), (0x00281052, "DS", "1e5\\x\\-0\\ 7 "),
                           (0x00280009, "AT", 0x00181063), (0x00201208, "IS", "1\\\\2")])
    yield "un-sequence", file(element(0x00111002, "UN", item([(0x00080060, "CS", "MR")], IMPLICIT)))
    yield "un-undefined", file(head(0x00111002) + b"UN\0\0" + b"\xFF" * 4 +
                               item([(0x00080060, "CS", "MR")], IMPLICIT) + head(0xFFFEE0DD) +
                               b"\0" * 4)
    yield "padded", file(image + [(0xFFFCFFFC, "OB", b"\0" * 8)])
    yield "deep-60", file(nested(60, True))
    yield "deep-60-defined", file(nested(60, False))
    yield "deep-65", file(nested(65, True))
    yield "charset", file([(0x00080005, "CS", "\\ISO 2022 IR 87"),
                           (0x00100010, "PN", b"Yamada=\x1b$B;3ED\x1b(B=")])
    yield "rle-8", file(data_set(identity() + pixels(2, 2, 8)) + fragments(rle([b"\1\2\3\4"])), RLE)
    yield "rle-16", file(data_set(identity() + pixels(2, 2, 16)) +
                         fragments(rle([b"\0\0\0\1", b"\1\2\3\4"])), RLE)
    yield "rle-rgb", file(data_set(identity() + pixels(2, 2, 8, 3, "RGB")) +
                          fragments(rle([b"\1\2\3\4"] * 3)), RLE)
    yield "rle-frames", file(data_set(identity() + pixels(2, 2, 8, frames=2)) +
                             fragments(rle([b"\1\2\3\4"]), rle([b"\4\3\2\1"])), RLE)
    yield "rle-lying", file(data_set(identity() + pixels(2, 2, 8)) +
                            fragments(struct.pack("<16I", 15, *([0xFFFFFFF0] * 15))), RLE)
    yield "lying-length", native[:60] + b"\x08\0\x60\0CS\xFF\xFF" + native[60:]
    yield "huge-length", file(head(0x7FE00010) + b"OB\0\0\xFE\xFF\xFF\xFF12")
    yield "cut", file(image)[:-5]
    yield "cut-sequence", file(nested(3, True)[:-20])
    yield "meta-lies", (b"\0" * 128 + b"DICM" + element(0x00020000, "UL", 0xFFFFFFF0) +
                        element(0x00020010, "UI", EXPLICIT))
    yield "bomb", file(b"", DEFLATED)[:-2] + bomb()


def bomb():
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(head(0x7FE00010) + b"OB\0\0" + struct.pack("<I", 1 << 21) +
                           b"\0" * (1 << 21)) + packer.flush()


# ---- segmentations --------------------------------------------------------------------------------

def segment(number, label):
    code = [(0x00080100, "SH", "10200004"), (0x00080102, "SH", "SCT"), (0x00080104, "LO", "Liver")]
    return [(0x00620003, "SQ", [code]), (0x00620004, "US", number), (0x00620005, "LO", label),
            (0x00620008, "CS", "MANUAL"), (0x0062000D, "US", [1, 2, 3]), (0x0062000F, "SQ", [code])]


def seg_file(kind, frames, data, bits=1, syntax=EXPLICIT, extra=()):
    per_frame = []
    for number, (z, which) in enumerate(frames):
        one = [(0x00209113, "SQ", [[(0x00200032, "DS", f"0\\0\\{z}")]]),
               (0x00209111, "SQ", [[(0x00209157, "UL", [which, number + 1])]])]
        if kind != "LABELMAP":
            one.append((0x0062000A, "SQ", [[(0x0062000B, "US", which)]]))
        per_frame.append(one)
    shared = [(0x00209116, "SQ", [[(0x00200037, "DS", "1\\0\\0\\0\\1\\0")]]),
              (0x00289110, "SQ", [[(0x00180050, "DS", "1"), (0x00180088, "DS", "1"),
                                   (0x00280030, "DS", "0.2\\0.2")]])]
    sop_class = LABELMAP if kind == "LABELMAP" else SEG
    elements = identity(sop_class, "SEG")
    elements.append((0x00200052, "UI", "1.2.9"))
    photometric = "MONOCHROME2"
    elements += pixels(3, 3, bits, photometric=photometric, frames=len(frames))
    elements += [(0x00620001, "CS", kind)]
    if kind == "FRACTIONAL":
        elements += [(0x00620010, "CS", "PROBABILITY"), (0x0062000E, "US", 255)]
    elements = sorted(elements, key=lambda one: one[0])
    elements += [(0x00620002, "SQ", [segment(1, "Liver"), segment(2, "Tumor")])]
    elements = sorted(elements, key=lambda one: one[0])
    elements += [(0x52009229, "SQ", [shared]), (0x52009230, "SQ", per_frame)]
    elements = sorted([*elements, *extra], key=lambda one: one[0])
    body = data_set(elements)
    body += data if data[:4] == head(0x7FE00010) else element(0x7FE00010, "OB", data)
    return file(body, syntax, sop_class)


def segmentations():
    two = [(0, 1), (1, 1), (1, 2)]
    bits = b"\xFF\x03\xAA\x05"
    yield "binary", seg_file("BINARY", two, bits)
    yield "fractional", seg_file("FRACTIONAL", two, bytes(range(0, 243, 9)), 8)
    yield "labelmap", seg_file("LABELMAP", [(0, 1), (1, 1)], b"\0\1\2" * 6, 8)
    yield "labelmap-16", seg_file("LABELMAP", [(0, 1)], b"\0\0\1\0\2\0" * 3, 16)
    yield "fractional-rle", seg_file("FRACTIONAL", two, fragments(*[rle([bytes(9)])] * 3), 8, RLE)
    yield "binary-rle", seg_file("BINARY", two[:1], fragments(rle([b"\xFF\x01"])), 1, RLE)
    yield "deflated", seg_file("BINARY", two, bits, syntax=DEFLATED)
    yield "too-few-pixels", seg_file("BINARY", two, b"\xFF\x01")
    yield "off-the-grid", seg_file("BINARY", [(0, 1), (1, 1), (1.4, 1)], bits)
    yield "far-apart", seg_file("BINARY", [(0, 1), (1e9, 1), (0.001, 2)], bits)
    yield "no-segment", seg_file("BINARY", [(0, 1), (1, 7)], bits)
    yield "cut", seg_file("BINARY", two, bits)[:-700]
    kept = [(0x00990010, "LO", "MURPACS NIFTI 1.0"), (0x00991001, "OB", nifti_1()),
            (0x00991002, "OB", b"\1\0\0\0"), (0x00991003, "LO", "labels.nii"),
            (0x00991004, "CS", "I\\K"), (0x00991005, "OB", bytes(32))]
    yield "original", seg_file("BINARY", two, bits, extra=kept)
    yield from way_back(kept)


def way_back(kept):
    """Segments that overlap, and a map that becomes the file it was made from; the last two bytes
    say how."""
    overlapping = [(0, 1), (0, 2), (1, 2)]
    for name, last in (("layers", b"\x01\x00"), ("refused", b"\x01\x03"), ("priority", b"\x02\x04"),
                       ("numbers", b"\x01\x40"), ("plain", b"\x01\x80")):
        yield "overlap-" + name, seg_file("BINARY", overlapping, b"\xFF\x03" + last)
    labels = bytes([1, 1, 1, 1, 1, 1, 1, 1, 1] + [1] + [0] * 8)
    header = nifti_1((3, 3, 2), 2, 8, grid=(-0.2, 0, 0, 0, 0, -0.2, 0, 0, 0, 0, 1, 0))
    kept = [kept[0], (0x00991001, "OB", header), (0x00991002, "OB", b"\0" * 4),
            (0x00991003, "LO", "labels.nii"), (0x00991004, "CS", ""),
            (0x00991005, "OB", hashlib.sha256(labels).digest())]
    yield "way-back", seg_file("BINARY", [(0, 1), (1, 1)], b"\xFF\x03\x00\x00", extra=kept)


# ---- PDUs -----------------------------------------------------------------------------------------

def sub_item(kind, data):
    return struct.pack(">BBH", kind, 0, len(data)) + data


def uid_item(kind, uid):
    return sub_item(kind, uid.encode())


def pdu(kind, data):
    return struct.pack(">BBI", kind, 0, len(data)) + data


def associate(kind, items):
    return pdu(kind, b"\0\1\0\0" + b"CALLED".ljust(16) + b"CALLING".ljust(16) + b"\0" * 32 +
               b"".join(items))


def user_information(*more):
    return sub_item(0x50, b"".join((sub_item(0x51, struct.pack(">I", 16384)),
                                    uid_item(0x52, "1.2.3"), uid_item(0x55, "FUZZ"), *more)))


def proposal(number, abstract, syntaxes=(IMPLICIT, EXPLICIT)):
    return sub_item(0x20, bytes([number, 0, 0, 0]) + uid_item(0x30, abstract) +
                    b"".join(uid_item(0x40, one) for one in syntaxes))


def answer(number, result, syntax=IMPLICIT):
    return sub_item(0x21, bytes([number, 0, result, 0]) + uid_item(0x40, syntax))


def pdv(number, flags, data):
    return struct.pack(">IBB", len(data) + 2, number, flags) + data


def command(*elements):
    data = data_set(elements, IMPLICIT)
    return element(0x00000000, "UL", len(data), IMPLICIT) + data


APPLICATION = uid_item(0x10, "1.2.840.10008.3.1.1.1")
ROLE = sub_item(0x54, struct.pack(">H", len(MR)) + MR.encode() + b"\0\1")
EXTENDED = sub_item(0x56, struct.pack(">H", len(STUDY_ROOT)) + STUDY_ROOT.encode() + b"\1\1")
USER = sub_item(0x58, b"\2\1\0\4user\0\4pass")
ECHO = command((0x00000002, "UI", "1.2.840.10008.1.1"), (0x00000100, "US", 0x30),
               (0x00000110, "US", 1), (0x00000800, "US", 0x101))
STORE = command((0x00000002, "UI", MR), (0x00000100, "US", 1), (0x00000110, "US", 2),
                (0x00000700, "US", 0), (0x00000800, "US", 0), (0x00001000, "UI", "1.2.3.4"),
                (0x00001030, "AE", "MOVER"), (0x00001031, "US", 5))
MOVE_RSP = command((0x00000002, "UI", STUDY_ROOT), (0x00000100, "US", 0x8021),
                   (0x00000120, "US", 2), (0x00000800, "US", 0x101), (0x00000900, "US", 0xFF00),
                   (0x00000902, "LO", "all is well"), (0x00001020, "US", 3),
                   (0x00001021, "US", 1), (0x00001022, "US", 0), (0x00001023, "US", 0))


def commands():
    yield "echo", ECHO
    yield "store", STORE
    yield "move-response", MOVE_RSP
    yield "twice", STORE + element(0x00001031, "US", 5, IMPLICIT)
    yield "long-uid", command((0x00000002, "UI", "1" * 80), (0x00000100, "US", 0x30),
                              (0x00000110, "US", 1), (0x00000800, "US", 0x101))
    yield "cut", STORE[:-3]


def requests():
    contexts = [proposal(1, "1.2.840.10008.1.1"), proposal(3, MR), proposal(5, STUDY_ROOT)]
    plain = associate(1, [APPLICATION, *contexts, user_information()])
    yield "request", plain
    yield "request-with-more", associate(1, [APPLICATION, *contexts,
                                             user_information(ROLE, EXTENDED, USER,
                                                              sub_item(0x53, b"\0\1\0\1"))])
    yield "request-128", associate(1, [APPLICATION] + [proposal(2 * i + 1, MR, (IMPLICIT,))
                                                       for i in range(20)] + [user_information()])
    yield "request-even", associate(1, [APPLICATION, proposal(2, MR), user_information()])
    yield "request-no-application", associate(1, [proposal(1, MR), user_information()])
    yield "request-lying", plain[:80] + b"\xFF\xFF" + plain[82:]


def answers():
    accept = [answer(1, 0), answer(3, 3), answer(5, 0, EXPLICIT)]
    yield "accept", associate(2, [APPLICATION, *accept, user_information(ROLE, EXTENDED)])
    yield "accept-other", associate(2, [APPLICATION, answer(7, 0), user_information()])
    yield "reject", pdu(3, b"\0\1\1\7")
    yield "abort", pdu(7, b"\0\0\2\1")
    yield "accept-long", b"\2\0\xFF\xFF\xFF\xFF" + b"\0" * 80


def conversations():
    opening = dict(requests())["request-with-more"]
    release = pdu(5, b"\0\0\0\0")
    echo = pdu(4, pdv(1, 3, ECHO))
    store = pdu(4, pdv(3, 3, STORE)) + pdu(4, pdv(3, 0, b"abcd")) + pdu(4, pdv(3, 2, b"efgh"))
    yield "echo", opening + echo + release
    yield "store", opening + store + echo + release
    yield "two-values", opening + pdu(4, pdv(3, 1, STORE[:30]) + pdv(3, 3, STORE[30:]) +
                                      pdv(3, 2, b"abcd")) + release
    yield "no-such-context", opening + pdu(4, pdv(9, 3, ECHO))
    yield "lying-value", opening + pdu(4, b"\xFF\xFF\xFF\xFF\1\3" + ECHO)
    yield "empty-value", opening + pdu(4, pdv(1, 3, b"")) + pdu(4, b"")
    yield "second-request", opening + opening
    yield "unknown", opening + pdu(9, b"1234") + echo
    yield "abort", opening + pdu(4, pdv(3, 3, STORE)) + pdu(7, b"\0\0\0\0")
    yield from answers()
    yield from requests()


FIND, MOVE, GET = (STUDY_ROOT, "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.5.1.4.1.2.2.3")
COMMITMENT = "1.2.840.10008.1.20.1"


def message(context, request, data=None):
    """@param data  elements of the Data Set, or its bytes"""
    out = pdu(4, pdv(context, 3, request))
    if data is None:
        return out
    return out + pdu(4, pdv(context, 2, data if isinstance(data, bytes) else data_set(data)))


def ask(field, sop_class, number, *more):
    elements = [(0x00000002, "UI", sop_class), (0x00000100, "US", field),
                (0x00000110, "US", number), (0x00000700, "US", 0), (0x00000800, "US", 0), *more]
    return command(*sorted(elements, key=lambda one: one[0]))


def sessions():
    """As conversations(), with a node that does what is asked."""
    classes = ("1.2.840.10008.1.1", MR, FIND, MOVE, GET, COMMITMENT)
    opening = associate(1, [APPLICATION] + [proposal(2 * i + 1, one, (EXPLICIT,))
                                            for i, one in enumerate(classes)] +
                        [user_information(ROLE, EXTENDED)])
    release = pdu(5, b"\0\0\0\0")
    image = identity() + pixels(2, 2, 16) + [(0x7FE00010, "OW", bytes(range(8)))]
    study = [(0x00080052, "CS", "STUDY"), (0x00100010, "PN", "*"), (0x0020000D, "UI", "1.2.0")]
    references = [(0x00081195, "UI", "1.2.3.9"),
                  (0x00081199, "SQ", [[(0x00081150, "UI", MR), (0x00081155, "UI", "1.2.0.3.4")],
                                      [(0x00081150, "UI", SEG), (0x00081155, "UI", "1.2.9")]])]
    store = message(3, ask(1, MR, 2, (0x00001000, "UI", "1.2.3.4")), image)
    find = message(5, ask(0x20, FIND, 3), study)
    move = message(7, ask(0x21, MOVE, 4, (0x00000600, "AE", "NOBODY")), study)
    get = message(9, ask(0x10, GET, 5), study)
    answer_to_get = message(3, command((0x00000002, "UI", MR), (0x00000100, "US", 0x8001),
                                       (0x00000120, "US", 1), (0x00000800, "US", 0x101),
                                       (0x00000900, "US", 0), (0x00001000, "UI", "1.2.0.3.4")))
    cancel = message(5, command((0x00000100, "US", 0xFFF), (0x00000120, "US", 3),
                                (0x00000800, "US", 0x101)))
    commit = message(11, command((0x00000003, "UI", COMMITMENT), (0x00000100, "US", 0x130),
                                 (0x00000110, "US", 6), (0x00000800, "US", 0),
                                 (0x00001001, "UI", COMMITMENT + ".1"), (0x00001008, "US", 1)),
                     references)
    yield "store", opening + store + release
    yield "find", opening + find + cancel + release
    yield "move", opening + move + release
    yield "get", opening + get + answer_to_get * 2 + release
    yield "commit", opening + commit + release
    yield "all", opening + store + find + move + commit + get + answer_to_get
    yield "store-cut", opening + store[:-30]
    yield "store-other-class", opening + message(3, ask(1, SEG, 2, (0x00001000, "UI", "1.2")),
                                                 image)
    yield "wrong-context", opening + message(5, ask(1, MR, 2, (0x00001000, "UI", "1.2.3.4")), image)
    yield "garbage", opening + message(5, ask(0x20, FIND, 3), b"garbage") + \
        message(3, ask(1, MR, 2, (0x00001000, "UI", "1.2.3.4")), b"garbage") + \
        message(11, ask(0x130, COMMITMENT, 6), b"garbage") + release


# ---- questions ------------------------------------------------------------------------------------

def identifiers():
    code = [(0x00080100, "SH", "10200004")]
    cell = [(0x00990010, "LO", "MURPACS ISA 1.0"), (0x00991003, "CS", "FACTOR"),
            (0x00991004, "LO", "diet"), (0x00991005, "UC", "high*"), (0x00991006, "FD", 2.5)]
    questions = {
        "study": [(0x00080005, "CS", "ISO_IR 192"), (0x00080020, "DA", "20240101-20241231"),
                  (0x00080030, "TM", "-12"), (0x00080050, "SH", ""), (0x00080052, "CS", "STUDY"),
                  (0x00080054, "AE", ""), (0x00080061, "CS", "MR\\CT"),
                  (0x00081030, "LO", "diet*[%_]'?"), (0x00100010, "PN", "m*^Hans=*"),
                  (0x00100020, "LO", "M-?"), (0x0020000D, "UI", "1.2.0\\1.2.1"),
                  (0x00201206, "IS", ""), (0x00201208, "IS", "")],
        "series": [(0x00080052, "CS", "SERIES"), (0x00080060, "CS", "MR"),
                   (0x0020000D, "UI", "1.2.0"), (0x0020000E, "UI", ""), (0x00200011, "IS", "1"),
                   (0x00400275, "SQ", [[(0x00400007, "LO", "*")]])],
        "image": [(0x00080016, "UI", ""), (0x00080018, "UI", ""), (0x00080052, "CS", "IMAGE"),
                  (0x0020000D, "UI", "1.2.0"), (0x0020000E, "UI", "1.2.0.3"),
                  (0x00200013, "IS", "7")],
        "patient": [(0x00080052, "CS", "PATIENT"), (0x00100010, "PN", "*"),
                    (0x00100020, "LO", ""), (0x00101030, "DS", "0.025"),
                    (0x00102202, "SQ", [code]), (0x00102210, "CS", "QUADRUPED")],
        "isa": [(0x00080052, "CS", "STUDY"), (0x0020000D, "UI", ""),
                (0x00990010, "LO", "MURPACS ISA 1.0"), (0x00991001, "UC", "factor:diet=h*"),
                (0x00991002, "SQ", [cell, cell[:3]]), (0x00991012, "FD", 81.0)],
        "comments": [(0x00080052, "CS", "STUDY"), (0x001021B0, "LT", "a*"),
                     (0x00104000, "LT", "*b*")],
        "no-level": [(0x0020000D, "UI", "1.2.0")],
        "injection": [(0x00080052, "CS", "STUDY"), (0x00100020, "LO", "'; DROP TABLE study; --")],
        "wild": [(0x00080052, "CS", "STUDY"), (0x00100010, "PN", "*a*a*a*a*a*a*a*a*a*b")],
        "bad-range": [(0x00080020, "DA", "2024-13-45"), (0x00080030, "TM", "9-9-9"),
                      (0x00080052, "CS", "STUDY")],
        "japanese": [(0x00080005, "CS", "\\ISO 2022 IR 87"), (0x00080052, "CS", "STUDY"),
                     (0x00100010, "PN", b"=\x1b$B;3ED\x1b(B*")],
    }
    for name, elements in questions.items():
        for kind, syntax in ((1, EXPLICIT), (0, EXPLICIT), (0x11, IMPLICIT), (0x21, BIG)):
            if name in ("study", "isa") or kind == 1:
                yield f"{name}-{kind}", bytes([kind]) + data_set(elements, syntax)
    yield "patient-of-patients", b"\0" + data_set(questions["patient"])
    yield "garbage", b"\1garbage"


# ---- text -----------------------------------------------------------------------------------------

def texts():
    yield "latin", b"ISO_IR 100\nM?ller*\nM\xfcller^Hans"
    yield "utf8", "ISO_IR 192\n*\nMüller^Hans=山田^太郎=やまだ ǅ ﬃ ß İ".encode()
    yield "japanese", b"\\ISO 2022 IR 87\n?\nYamada=\x1b$B;3ED^B@O:\x1b(B=\x1b$B$d$^$@\x1b(B"
    yield "half-width", b"ISO 2022 IR 13\\ISO 2022 IR 87\n1.5e3\n\xd4\xcf\xc0\xde=\x1b$B;3ED\x1b(J"
    yield "korean", b"\\ISO 2022 IR 149\n-7\nHong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"
    yield "chinese", b"GB18030\n**\nWang=\xcd\xf5^\xd0\xa1"
    yield "cyrillic", b"ISO_IR 144\n+ 1\n\xbb\xee\xdachek"
    yield "arabic", b"ISO_IR 127\n0x10\n\xe2\xc8\xc7\xe6"
    yield "unknown", b"NONSENSE\\ISO 2022 IR 6\n99999999999999999999\n\xff\xfe\x80"
    yield "cut-escape", b"\\ISO 2022 IR 87\nnan\nA\x1b$"
    yield "combining", "ISO_IR 192\n?\n".encode() + "e\u0301\u0327\u1100\u1161".encode() * 20


def documents():
    model = [{"00080060": {"vr": "CS", "Value": ["MR", None]},
              "00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B", "Ideographic": "山"}]},
              "00281052": {"vr": "DS", "Value": [1.5, 2, "x"]},
              "00280010": {"vr": "US", "Value": [65535]},
              "00081140": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2"]}}, {}]},
              "00189073": {"vr": "FD", "Value": [0.1, -1e300]},
              "00201209": {"vr": "IS"}}]
    yield "items", json.dumps(model).encode()
    yield "one", json.dumps(model[0]).encode()
    yield "tags", b'[{"00280009":{"vr":"AT","Value":["00181063"]}}]'
    yield "binary", b'[{"7FE00010":{"vr":"OB","InlineBinary":"AAEC"}}]'
    yield "wrong-kinds", b'[{"00280010":{"vr":"US","Value":["x",1e9,true,{}]}},1,null]'
    yield "deep", b"[" * 150 + b"]" * 150
    yield "too-deep", b"[" * 300
    yield "deep-sequence", (b'[{"00081140":{"vr":"SQ","Value":' * 70 + b"[]" + b"}}]" * 70)
    yield "numbers", b"[0,-0,1e400,1E-400,9223372036854775808,-9223372036854775808,1.0]"
    yield "escapes", rb'["\u0000","\ud83d\ude00","\ud800","\\\"\/\b\f\n\r\t","' + b'\xff"]'
    yield "twice", b'{"a":1,"a":2}'


def configurations():
    yield "shipped", (SOURCE / "etc" / "murpacs.cfg").read_bytes()
    yield "small", b'node: { ae_title = "MURPACS"; };\ndicom: { port = 104; };\n'
    yield "peers", (b'peers = ( { ae_title = "A"; host = "127.0.0.1"; port = 104; rights = "rw"; },'
                    b' { ae_title = "B "; host = "::1"; port = 7000; } );\n')
    yield "assignment", b"dicom.port=0"
    yield "sizes", b'dicom: { transcode_memory = "1.5 GiB"; };'
    yield "deep", b"a = " + b"( " * 200
    yield "wrong", b'dicom: { port = "x"; nonsense = [1, 2.5, true]; }; 0x = 1;'
    yield "numbers", b"a = 0xFFFFFFFFFFFFFFFFF; b = 1e999; c = 9223372036854775807L; d = -1;"


def isa_tabs():
    investigation = (
        "ONTOLOGY SOURCE REFERENCE\nTerm Source Name\tUBERON\nTerm Source File\t\n"
        "INVESTIGATION\nInvestigation Identifier\ti1\nInvestigation Title\t\"A \"\"title\"\"\"\n"
        "STUDY\nStudy Identifier\ts1\nStudy Title\tMice\nStudy File Name\ts_study.txt\n"
        "STUDY FACTORS\nStudy Factor Name\tdiet\tdose\nStudy Factor Type\tdiet\tdose\n"
        "STUDY ASSAYS\nStudy Assay File Name\ta_assay.txt\ta_other.txt\n"
        "Study Assay Measurement Type\timaging\timaging\n"
        "STUDY PROTOCOLS\nStudy Protocol Name\timaging\n"
        "Study Protocol Parameters Name\tmodality;voxel size\n"
        "STUDY CONTACTS\nStudy Person Last Name\tMeier\n")
    study = (
        "Source Name\tCharacteristics[species]\tTerm Source REF\tTerm Accession Number\t"
        "Characteristics[sex]\tCharacteristics[age]\tUnit\tSample Name\tFactor Value[diet]\n"
        "m1\tMus musculus\tNCBITAXON\t10090\tfemale\t12\tweeks\tm1.s\thigh\n"
        "m2\tMus musculus\tNCBITAXON\t10090\tmale\t10\tweeks\tm2.s\tlow\n")
    assay = (
        "Sample Name\tProtocol REF\tParameter Value[modality]\tParameter Value[voxel size]\tUnit\t"
        "Assay Name\tRaw Data File\tDerived Data File\tComment[organ]\n"
        "m1.s\timaging\tCT\t0.2\tmm\tscan1\timages/1.nii\tseg/1.nii\tLiver;Tumor\n"
        "m2.s\timaging\tPET\t\t\tscan2\t../2.nii\t/etc/passwd\t\n")
    mark = "%%%\n"
    whole = investigation + mark + study + mark + assay
    yield "whole", whole.encode()
    yield "crlf", whole.replace("\n", "\r\n").replace("%%%\r\n", mark).encode()
    yield "utf16", mark.encode().join(part.encode("utf-16")
                                      for part in (investigation, study, assay))
    yield "latin", whole.replace("Meier", "Müller").encode("latin-1")
    yield "quotes", (investigation + mark + study.replace("m1", '"m\t1\n"') + mark +
                     assay.replace("scan1", '"never closed')).encode()
    yield "ragged", (investigation + mark + study.replace("\thigh", "") + mark +
                     assay.replace("\tscan2", "\t\t\t\t\t\t\t\tscan2")).encode()
    yield "headers", (investigation + mark + study.replace("[", " [").upper() + mark +
                      "Sample Name\tSample Name\tParameter Value[]\tFactor Value[x\t\t\n").encode()
    yield "investigation", investigation.replace("s_study.txt", "../s_study.txt").encode()
    yield "empty", b""


def manifests():
    stored = [json.dumps({"event": "stored", "n": i + 1, "instance": f"1.2.{i}.3.4",
                          "series": f"1.2.{i}.3", "study": f"1.2.{i // 2}",
                          "xxh128": "00" * 16, "received": "2024-05-06T07:08:09.123456Z",
                          "how": "C-STORE", "calling_ae": "FUZZ", "peer": "127.0.0.1"})
              for i in range(3)]
    isa = {"dataset": "d", "study": "s", "assay_file": "a.txt", "assay": "scan"}
    others = [json.dumps(one) for one in (
        {"event": "linked", "series": "1.2.0.3", "by": "hand", "isa": isa},
        {"event": "linked", "series": "1.2.1.3", "isa": dict(isa, segmentation=True)},
        {"event": "unlinked", "series": "1.2.0.3"},
        {"event": "committed", "instance": "1.2.0.3.4"},
        {"event": "removed", "instance": "1.2.1.3.4", "time": "x", "why": "replaced"},
        {"event": "of a later program"})]
    yield "stored", ("\n".join(stored) + "\n").encode()
    yield "all", ("\n".join(stored + others + stored[1:2]) + "\n").encode()
    yield "isa", (json.dumps({"event": "isa", "dataset": "d", "version": 1, "folder": "isa/d/1",
                              "digest": "0" * 64, "applied": "2024"}) + "\n").encode()
    yield "paths", ("\n".join(stored).replace("1.2.0.3.4", "../../x") + "\n").encode()
    yield "same-number", ("\n".join(line.replace('"n": 2', '"n": 1') for line in stored) +
                          "\n").encode()
    yield "cut", "\n".join(stored).encode()[:-9]
    yield "no-event", b"{}\n"
    yield "garbage", b"\0\xff\n{\n"


# ---- volumes --------------------------------------------------------------------------------------

def nifti_1(dims=(3, 2, 2), kind=4, bits=16, offset=352.0, magic=b"n+1\0", order="<", **more):
    dim = [len(dims), *dims] + [1] * (7 - len(dims))
    header = struct.pack(order + "i10s18sihBB", 348, b"", b"", 0, 0, 114, 0)
    header += struct.pack(order + "8h3f4h", *dim, 0, 0, 0, 0, kind, bits, 0)
    header += struct.pack(order + "8f3fhBB4f2i", 1, 0.2, 0.2, 0.5, 1, 0, 0, 0, offset,
                          more.get("slope", 0), 0, 0, 0, 10, 0, 0, 0, 0, 0, 0)
    header += struct.pack(order + "80s24s2h6f12f16s4s", more.get("about", b"made up"), b"",
                          more.get("qform", 1), more.get("sform", 1), 0, 0, 0, 1, 2, 3,
                          *more.get("grid", (0.2, 0, 0, -1, 0, 0.2, 0, -2, 0, 0, 0.5, -3)), b"",
                          magic)
    return header


def nifti_2(dim, order="<"):
    """@param dim  all eight fields of it"""
    parts = [struct.pack(order + "i8shh", 540, b"n+2\0\r\n\x1a\n", 4, 16),
             struct.pack(order + "8q", *dim), struct.pack(order + "3d", 0, 0, 0),
             struct.pack(order + "8d", 1, 0.2, 0.2, 0.5, 1, 0, 0, 0),
             struct.pack(order + "q", 544), struct.pack(order + "6d", 0, 0, 0, 0, 0, 0),
             struct.pack(order + "2q", 0, 0), struct.pack("80s24s", b"made up", b""),
             struct.pack(order + "2i", 1, 1), struct.pack(order + "6d", 0, 0, 0, 1, 2, 3),
             struct.pack(order + "12d", 0.2, 0, 0, -1, 0, 0.2, 0, -2, 0, 0, 0.5, -3),
             struct.pack(order + "4i", 0, 10, 0, 0), struct.pack("16sB15s", b"", 0, b"")]
    return b"".join(parts)


def niftis():
    voxels = bytes(range(24))
    plain = nifti_1() + b"\0" * 4 + voxels
    yield "nifti-1", plain
    yield "nifti-1-big", nifti_1(order=">") + b"\0" * 4 + voxels
    yield "nifti-1-gz", gzip.compress(plain, mtime=0)
    yield "nifti-1-gz-cut", gzip.compress(plain, mtime=0)[:-20]
    yield "nifti-1-4d", nifti_1((3, 2, 1, 2), slope=0.5) + b"\0" * 4 + voxels
    yield "nifti-1-rgb", nifti_1((2, 2, 2), 128, 24) + b"\0" * 4 + voxels
    yield "nifti-1-no-grid", nifti_1(qform=0, sform=0) + b"\0" * 4 + voxels
    yield "nifti-1-extension", (nifti_1(offset=384.0) + b"\1\0\0\0" +
                                struct.pack("<2i", 32, 6) + b"c" * 24 + voxels)
    # What the target converts, and how: the first bytes of the description say.
    numbers = struct.pack("<6f", 0.5, float("nan"), -2, float("inf"), 3, 1e-3)
    wide = struct.pack("<6i", 0, 70000, -5, 6, 2000000000, 7)
    yield "made-time", nifti_1((3, 2, 1, 2), about=b" 0") + b"\0" * 4 + voxels
    yield "made-echoes", nifti_1((3, 2, 1, 2), about=b"!3") + b"\0" * 4 + voxels
    yield "made-contrasts", nifti_1((3, 2, 1, 2), about=b"$9") + b"\0" * 4 + voxels
    yield "made-colour", nifti_1((2, 2, 2), 128, 24, about=b" -") + b"\0" * 4 + voxels
    yield "made-padded", nifti_1((3, 2, 1), 16, 32, about=b"1.") + b"\0" * 4 + numbers
    yield "made-replaced", nifti_1((3, 2, 1), 16, 32, about=b" /") + b"\0" * 4 + numbers
    yield "made-lossless", nifti_1((3, 2, 1), 16, 32, about=b"\"-") + b"\0" * 4 + numbers
    yield "made-rounded", nifti_1((3, 2, 1), 8, 32, about=b"\xa0-") + b"\0" * 4 + wide
    yield "made-without-grid", nifti_1(qform=0, sform=0, about=b"@-") + b"\0" * 4 + voxels
    yield "nifti-1-pair", nifti_1(offset=0.0, magic=b"ni1\0") + voxels
    yield "analyze", nifti_1(offset=0.0, magic=b"\0" * 4) + voxels
    dim = [3, 3, 2, 2, 1, 1, 1, 1]
    yield "nifti-2", nifti_2(dim) + b"\0" * 4 + voxels
    yield "nifti-2-big", nifti_2(dim, ">") + b"\0" * 4 + voxels
    yield "nifti-2-200-sides", nifti_2([200, *dim[1:]]) + b"\0" * 4 + voxels
    yield "huge", nifti_1((32767,) * 7, 1024, 64) + b"\0" * 4
    yield "huge-2", nifti_2([3] + [1 << 40] * 7) + b"\0" * 4
    yield "negative", nifti_1((-3, 2, 2)) + b"\0" * 4 + voxels
    yield "offset-nan", nifti_1(offset=float("nan")) + b"\0" * 4 + voxels
    yield "offset-far", nifti_1(offset=1e30) + b"\0" * 4 + voxels
    yield "cut", plain[:200]


def nrrds():
    basis = ("NRRD0004\n# made up\ntype: short\ndimension: 3\nspace: left-posterior-superior\n"
             "sizes: 3 2 2\nspace directions: (0.2,0,0) (0,0.2,0) (0,0,0.5)\n"
             "kinds: domain domain domain\nendian: little\nencoding: raw\n"
             "space origin: (-1,-2,-3)\n")
    segments = (
        "Segment0_ID:=Segment_1\nSegment0_Name:=Liver\nSegment0_Color:=1 0.5 0\n"
        "Segment0_LabelValue:=1\nSegment0_Layer:=0\nSegment0_Tags:=TerminologyEntry:Segmentation "
        "category and type - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure~SCT"
        "^10200004^Liver~^^~Anatomic codes - DICOM master list~^^~^^|\nSegment0_Extent:=0 2 0 1 0 "
        "1\nSegment7_LabelValue:=65535\nSegment7_Name:=M\u00fcller \\n\n")
    voxels = bytes(range(24))
    yield "plain", basis.encode() + b"\n" + voxels
    yield "segments", (basis + segments).encode() + b"\n" + voxels
    yield "gzip", (basis.replace("raw", "gzip").encode() + b"\n" +
                   gzip.compress(voxels, mtime=0))
    yield "gzip-cut", (basis.replace("raw", "gzip").encode() + b"\n" +
                       gzip.compress(voxels, mtime=0)[:-12])
    yield "layers", (basis.replace("dimension: 3", "dimension: 4")
                     .replace("sizes: 3 2 2", "sizes: 2 3 2 1")
                     .replace("kinds: ", "kinds: list ")
                     .replace("directions: ", "directions: none ") + segments).encode() + \
        b"\n" + voxels
    yield "layers-last", (basis.replace("dimension: 3", "dimension: 4")
                          .replace("sizes: 3 2 2", "sizes: 3 2 1 2")
                          .replace("domain\n", "domain list\n")
                          .replace("(0,0,0.5)", "(0,0,0.5) none")).encode() + b"\n" + voxels
    yield "crlf", basis.replace("\n", "\r\n").encode() + b"\r\n" + voxels
    yield "byte-skip", (basis + "byte skip: -1\n").encode() + b"\nxxxx" + voxels
    yield "line-skip", (basis + "line skip: 1\nbyte skip: 2\n").encode() + b"\nx\nyy" + voxels
    yield "big", basis.replace("little", "big").encode() + b"\n" + voxels
    yield "huge", basis.replace("3 2 2", "4294967297 4294967297 9").encode() + b"\n" + voxels
    yield "nan", basis.replace("(0.2,0,0)", "(nan,inf,1e999)").encode() + b"\n" + voxels
    yield "other-file", (basis + "data file: ../../etc/passwd\n").encode() + b"\n"
    yield "many-files", (basis + "data file: LIST\n").encode() + b"a\nb\n"
    yield "spacings", ("NRRD0001\ntype: uint8\ndimension: 3\nsizes: 2 3 4\nspacings: 1 2 nan\n"
                       "encoding: raw\n\n").encode() + voxels
    yield "segment-number", (basis + "Segment99999999999_Name:=x\n").encode() + b"\n" + voxels


def zips():
    def make(entries, method=zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for name, data in entries:
                info = zipfile.ZipInfo(name, (2024, 5, 6, 7, 8, 10))
                info.compress_type = method
                if data is None:
                    info.external_attr = 0o120777 << 16  # a symbolic link
                    data = b"/etc/passwd"
                archive.writestr(info, data)
        return out.getvalue()
    tables = [("d/i_investigation.txt", b"INVESTIGATION\n"), ("d/s_study.txt", b"Source Name\n")]
    yield "tables", make(tables)
    yield "stored", make(tables, zipfile.ZIP_STORED)
    yield "leads-out", make(tables + [("../x.txt", b"x"), ("/x.txt", b"x"), ("d/../../x", b"x"),
                                      ("C:\\x", b"x"), ("d\\..\\..\\x", b"x")])
    yield "link", make([("d/link", None), ("d/link/x.txt", b"x")] + tables)
    yield "twice", make([("a", b"1"), ("a/b", b"2"), ("A", b"3"), ("a/", b"")])
    yield "deep", make([("d/" * 40 + "x", b"x")])
    yield "bomb", make([("i_investigation.txt", b"\0" * (1 << 21))])
    yield "names", make([("", b"x"), ("\u00fc.txt", b"x"), ("a" * 300, b"x"), ("con", b"x")])
    yield "cut", make(tables)[:-30]
    yield "lying", make(tables).replace(b"\x0e\0\0\0", b"\xfe\xff\xff\xff")


# ---- HTTP -----------------------------------------------------------------------------------------

RELATED = b'multipart/related; type="application/dicom"; boundary=abc'


def related(*parts, boundary=b"abc"):
    return b"".join(b"--" + boundary + b"\r\n" + head + b"\r\n" + content + b"\r\n"
                    for head, content in parts) + b"--" + boundary + b"--\r\n"


def multiparts():
    dicom = b"Content-Type: application/dicom\r\n"
    yield "two", b"abc\n" + related((dicom, b"one"), (dicom + b"Content-Encoding: gzip\r\n", b"2"))
    yield "no-headers", b"abc\n" + related((b"", b"content"))
    yield "empty-part", b"abc\n" + related((dicom, b""))
    yield "preamble", b"abc\npreamble\r\n" + related((dicom, b"x")) + b"after"
    yield "almost", b"abc\n" + related((dicom, b"\r\n--ab\r\n--abd\r\r\n\r\n-\r\n--ab"))
    yield "padding", b"abc\n--abc \t \r\n\r\nx\r\n--abc-- \r\n"
    yield "characters", b"a'b()+_,-./:=? c\n" + related((b"", b"x"), boundary=b"a'b()+_,-./:=? c")
    yield "line-feeds", b"abc\n--abc\n\nx\n--abc--\n"
    yield "cut", b"abc\n" + related((dicom, b"x"))[:-6]
    yield "folded", b"abc\n" + related((b"Content-Type: a\r\n b\r\n", b"x"))
    yield "no-colon", b"abc\n" + related((b"Content-Type\r\n", b"x"))
    yield "long", b"a" * 201 + b"\n--"


def accepts():
    texts = ("application/dicom+json", "*/*", "*", "image/*;q=0.5, image/png; q=0", "",
             'multipart/related; type="application/octet-stream"; transfer-syntax=*',
             "multipart/related; type=application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1",
             'application/dicom; transfer-syntax="*", application/json;q=0.001;q=1',
             'a/b; c="d\\"e,f;g"; h="', "text/html,,;q=1,;,/x,x/, a b/c, image/jpeg;q=1e9,image/png;q=-1",
             ",".join(["a/b"] * 65), "a/b" + ";c=d" * 9, "application/dicom json", "image/jls;;;")
    for number, text in enumerate(texts):
        yield f"{number:02}", text.encode()


def addresses():
    image = "/dicom-web/studies/1.2.9/series/1.2.9.3/instances/1.2.9.3.4"
    texts = {
        "studies": "/dicom-web/studies?PatientName=m*&StudyDate=20240101-&includefield=all&limit=2",
        "series": "/dicom-web/studies/1.2.1/series?Modality=MR,CT&00201209=&fuzzymatching=true",
        "instances": "/dicom-web/instances?SOPClassUID=1.2,1.3%5C1.4&offset=1&limit=0",
        "many": "/dicom-web/studies?multiplevaluematching=true&ModalitiesInStudy=CT%5CMR",
        "empty": "/dicom-web/studies?emptyvaluematching=true&AccessionNumber=%22%22",
        "private": "/dicom-web/series?00990010=MURPACS%20ISA%201.0&00991001=factor:diet=h*"
                   "&00991002.00991004=diet&00110010=SOMEBODY&00111001=x",
        "own": "/dicom-web/series?ISAAttribute=a:b=c&ISAAttribute=*&%5BACME%201.1%5D0029xx10=5",
        "sequences": "/dicom-web/series?SegmentSequence.SegmentLabel=*l*&00102202.00080104=Mus*"
                     "&RequestAttributesSequence.ScheduledProcedureStepID=1&includefield=00400275",
        "names": "/dicom-web/studies?PatientNam=x&includefield=foo",
        "times": "/dicom-web/studies?StudyDate=20240506-20240507&StudyTime=1015-&TimezoneOffsetFromUTC=x",
        "escapes": "/dicom%2Dweb/studies?%50atientID=M%2D%00%zz%&&=&accept=application/dicom+json",
        "metadata": image + "/metadata",
        "study-metadata": "/dicom-web/studies/1.2.1/metadata?accept=application/json",
        "series-metadata": "/dicom-web/studies/1.2.1/series/1.2.2.3/metadata",
        "object": image + "?accept=application/dicom;transfer-syntax=*",
        "frames": image + "/frames/2,1?accept=multipart/related;type=application/octet-stream",
        "frame": image + "/frames/1?accept=application/octet-stream",
        "rendered": image + "/rendered?window=5,20,linear&viewport=16,9,1,1,6,6&quality=80&frame=2",
        "png": image + "/frames/2/rendered?accept=image/png&window=0,0,sigmoid",
        "thumbnail": image + "/thumbnail?viewport=3,3",
        "series-thumbnail": "/dicom-web/studies/1.2.9/series/1.2.9.3/thumbnail",
        "bulk": image + "/bulkdata/00291001",
        "nested-bulk": image + "/bulkdata/00081140/2/00291001",
        "outside": image + "/bulkdata/../../../../etc/passwd",
        "no-uid": "/dicom-web/studies/../series/x",
        "status": "/status?q=PatientID=M*;%20Factor%20Value%5Bdiet%5D=west*",
        "viewer": "/viewer?StudyInstanceUIDs=1.2.9",
        "file": "/..%2f..%2fetc/passwd",
        "metrics": "/metrics", "health": "/health/ready", "nothing": "",
    }
    for name, text in texts.items():
        yield name, b"\0" + text.encode()
    yield "options", b"\2/dicom-web/?accept=application/json"
    yield "head", b"\1/dicom-web/studies"
    yield "delete", b"\4/dicom-web/studies/1.2.9"


def http_requests():
    def request(line, *headers, body=b""):
        return b"\r\n".join([line, b"Host: localhost", *headers, b"", b""]) + body
    stow = b"POST /dicom-web/studies HTTP/1.1"
    of_body = related((b"Content-Type: application/dicom\r\n", dict(files())["explicit"]))
    length = b"Content-Length: %d"
    for name, data in addresses():
        yield name, request(b"GET " + data[1:].replace(b" ", b"") + b" HTTP/1.1", b"Accept: */*")
    yield "store", request(stow, b"Content-Type: " + RELATED, length % len(of_body), body=of_body)
    yield "store-cut", request(stow, b"Content-Type: " + RELATED, length % len(of_body),
                               body=of_body[:-40])
    yield "store-chunks", request(stow, b"Content-Type: " + RELATED, b"Transfer-Encoding: chunked",
                                  body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(of_body), of_body))
    yield "store-zipped", request(stow, b"Content-Type: " + RELATED, b"Content-Encoding: gzip",
                                  length % 9, body=b"123456789")
    yield "range", request(b"GET /dicom-web/studies/1.2.0/series/1.2.0.3/instances/1.2.0.3.4 HTTP/1.1",
                           b"Range: bytes=5-9", b"If-Range: \"x\"", b"If-None-Match: W/\"a\", *")
    yield "preflight", request(b"OPTIONS /dicom-web/studies HTTP/1.1", b"Origin: http://a",
                               b"Access-Control-Request-Method: POST")
    yield "two", request(b"GET /health HTTP/1.1") + request(b"GET /metrics HTTP/1.1",
                                                            b"Connection: close")
    yield "user", request(b"GET /status HTTP/1.1", b"Authorization: Basic YTpi", b"Accept-Encoding: gzip")
    yield "two-lengths", request(stow, length % 3, length % 4, body=b"abcd")
    yield "two-hosts", request(b"GET /health HTTP/1.1", b"Host: other")
    yield "length-and-chunks", request(stow, length % 3, b"Transfer-Encoding: chunked",
                                       body=b"3\r\nabc\r\n0\r\n\r\n")
    yield "absolute", request(b"GET http://localhost/health HTTP/1.1")
    yield "old", b"GET /health HTTP/1.0\n\n"
    yield "tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


SEEDS = {
    "archive_ingest": files,
    "archive_manifest": manifests,
    "converters_nifti": niftis,
    "converters_nrrd": nrrds,
    "converters_seg": segmentations,
    "core_config": configurations,
    "dicom_association": conversations,
    "dicom_charset": texts,
    "dicom_data_set": files,
    "dicom_json": documents,
    "dicom_pdu": lambda: [*commands(), *requests(), *answers()],
    "dicom_scanner": files,
    "isa_unpack": zips,
    "mapping_isa": isa_tabs,
    "scp_find": identifiers,
    "scp_session": lambda: [*sessions(), *conversations()],
    "web_accept": accepts,
    "web_address": addresses,
    "web_multipart": multiparts,
    "web_request": http_requests,
}


def main(folder):
    for target, make in SEEDS.items():
        place = pathlib.Path(folder) / target
        place.mkdir(parents=True, exist_ok=True)
        for name, data in make():
            (place / name).write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1])

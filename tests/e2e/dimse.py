"""A small DIMSE requestor in Python (PS3.8 9.3, PS3.7 9.3), for what DCMTK's clients do not do:
lie, stop in the middle, and remember which instance was answered with which status. Shares nothing with
the node. Also encodes elements in Explicit VR Little Endian (PS3.5 7.1.2)."""
import socket
import struct

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
VERIFICATION = "1.2.840.10008.1.1"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"

C_STORE, C_FIND, C_MOVE, C_GET, C_ECHO = 0x0001, 0x0020, 0x0021, 0x0010, 0x0030
NO_DATA_SET = 0x0101
LONG_VRS = ("OB", "OD", "OF", "OL", "OW", "SQ", "UC", "UN", "UR", "UT")


class Refused(Exception):
    """A-ASSOCIATE-RJ: result, source, reason."""


class Closed(Exception):
    """The node ended the association, or the connection."""


# -- encoding --------------------------------------------------------------------------------------


def element(tag, vr, value):
    """One element; text is padded to even length."""
    if isinstance(value, str):
        value = value.encode("latin-1")
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB", "UN") else b" "
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if vr in LONG_VRS:
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def item(content):
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def sequence(tag, *contents):
    return element(tag, "SQ", b"".join(item(content) for content in contents))


def image(study, series, instance, patient="P1", number=1, pixels=b"", rows=0, columns=0,
          modality="CT", sop_class=CT_IMAGE, more=b""):
    """The Data Set of a made-up image; @more are elements between groups 0028 and 7FE0."""
    return b"".join((
        element(0x00080005, "CS", "ISO_IR 192"),
        element(0x00080016, "UI", sop_class),
        element(0x00080018, "UI", instance),
        element(0x00080020, "DA", "20240229"),
        element(0x00080030, "TM", "101500"),
        element(0x00080050, "SH", ""),
        element(0x00080060, "CS", modality),
        element(0x00080090, "PN", ""),
        element(0x00100010, "PN", "Test^Mouse"),
        element(0x00100020, "LO", patient),
        element(0x00100030, "DA", ""),
        element(0x00100040, "CS", "O"),
        element(0x0020000D, "UI", study),
        element(0x0020000E, "UI", series),
        element(0x00200010, "SH", "1"),
        element(0x00200011, "IS", "1"),
        element(0x00200013, "IS", str(number)),
        element(0x00280002, "US", struct.pack("<H", 1)),
        element(0x00280004, "CS", "MONOCHROME2"),
        element(0x00280010, "US", struct.pack("<H", rows)),
        element(0x00280011, "US", struct.pack("<H", columns)),
        element(0x00280100, "US", struct.pack("<H", 16)),
        element(0x00280101, "US", struct.pack("<H", 16)),
        element(0x00280102, "US", struct.pack("<H", 15)),
        element(0x00280103, "US", struct.pack("<H", 0)),
        more,
        element(0x7FE00010, "OW", pixels) if pixels else b""))


def part10(data_set, sop_class, instance, transfer_syntax=EXPLICIT):
    """A file of it (PS3.10 7.1)."""
    meta = (element(0x00020001, "OB", b"\0\1") + element(0x00020002, "UI", sop_class)
            + element(0x00020003, "UI", instance) + element(0x00020010, "UI", transfer_syntax)
            + element(0x00020012, "UI", "1.2.3.4"))
    return (b"\0" * 128 + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta
            + data_set)


def encode_command(**fields):
    """Command set, Implicit VR Little Endian; None leaves out."""
    tags = {"AffectedSOPClassUID": 0x0002, "CommandField": 0x0100, "MessageID": 0x0110,
            "MessageIDBeingRespondedTo": 0x0120, "MoveDestination": 0x0600, "Priority": 0x0700,
            "CommandDataSetType": 0x0800, "Status": 0x0900,
            "AffectedSOPInstanceUID": 0x1000}
    body = b""
    for name, tag in tags.items():
        value = fields.get(name)
        if value is None:
            continue
        if isinstance(value, int):
            encoded = struct.pack("<H", value)
        else:
            encoded = value.encode("ascii")
            if len(encoded) % 2:
                encoded += b" " if name == "MoveDestination" else b"\0"
        body += struct.pack("<HHI", 0, tag, len(encoded)) + encoded
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def decode_command(content):
    """Elements of group 0000 by element number: text or number."""
    found, at = {}, 0
    while at + 8 <= len(content):
        _, number, length = struct.unpack_from("<HHI", content, at)
        value = content[at + 8:at + 8 + length]
        text = number in (0x0002, 0x0902, 0x1000, 0x0901)
        found[number] = value.decode("latin-1").rstrip("\0 ") if text else int.from_bytes(
            value[:2], "little")
        at += 8 + length
    return found


# -- the association -------------------------------------------------------------------------------


def request_pdu(contexts, calling="TESTER", called="MURPACS", max_pdu=16384, extended=(), identity=b""):
    """A-ASSOCIATE-RQ for a list of (abstract syntax, transfer syntaxes); @extended is a list of
    (abstract syntax, application information), PS3.7 D.3.3.5; @identity the content of a User Identity
    item, D.3.3.7."""
    def sub(kind, content):
        return struct.pack(">BxH", kind, len(content)) + content

    items = sub(0x10, b"1.2.840.10008.3.1.1.1")
    for index, (abstract, syntaxes) in enumerate(contexts):
        items += sub(0x20, struct.pack("BBBB", 2 * index + 1, 0, 0, 0)
                     + sub(0x30, abstract.encode()) + b"".join(sub(0x40, syntax.encode()) for syntax in syntaxes))
    items += sub(0x50, sub(0x51, struct.pack(">I", max_pdu)) + sub(0x52, b"1.2.3.4") + b"".join(
        sub(0x56, struct.pack(">H", len(abstract)) + abstract.encode() + information)
        for abstract, information in extended) + (sub(0x58, identity) if identity else b""))
    body = (struct.pack(">HH", 1, 0) + called.encode().ljust(16) + calling.encode().ljust(16)
            + b"\0" * 32 + items)
    return struct.pack(">BxI", 1, len(body)) + body


class Association:
    """Requested at once; contexts are a list of (abstract syntax, transfer syntaxes). @secure, an
    ssl.SSLContext, makes it one over TLS."""

    def __init__(self, port, contexts=((VERIFICATION, (IMPLICIT,)),), calling="TESTER",
                 called="MURPACS", timeout=60, host="127.0.0.1", extended=(),
                 max_pdu=16384, secure=None):
        self.contexts = {abstract: 2 * index + 1 for index, (abstract, _) in enumerate(contexts)}
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.message = 0
        try:
            if secure is not None:
                self.socket = secure.wrap_socket(self.socket)
            self.socket.sendall(request_pdu(contexts, calling, called, max_pdu, extended))
            kind, body = self.read_pdu()
            if kind == 3:
                raise Refused(body[1], body[2], body[3])
            if kind != 2:
                raise Closed(f"PDU of type {kind} for an answer")
        except BaseException:
            self.socket.close()
            raise
        self.results = {}  # context id -> (result, transfer syntax)
        self.extended = {}  # abstract syntax -> application information answered
        self.max_pdu = 16384
        at = 68
        while at + 4 <= len(body):
            kind, length = struct.unpack_from(">BxH", body, at)
            content = body[at + 4:at + 4 + length]
            if kind == 0x21:
                self.results[content[0]] = (content[2], content[8:].decode("ascii").rstrip("\0"))
            elif kind == 0x50:
                self.read_user_information(content)
            at += 4 + length

    def read_user_information(self, content):
        at = 0
        while at + 4 <= len(content):
            kind, length = struct.unpack_from(">BxH", content, at)
            value = content[at + 4:at + 4 + length]
            if kind == 0x51:
                self.max_pdu = min(131072, struct.unpack(">I", value)[0]) or 131072
            elif kind == 0x56:
                end = 2 + struct.unpack_from(">H", value)[0]
                self.extended[value[2:end].decode("ascii")] = value[end:]
            at += 4 + length

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.release()
        else:
            self.socket.close()

    def accepted(self, abstract):
        return self.results[self.contexts[abstract]][0] == 0

    # -- PDUs

    def read_exactly(self, length):
        parts = bytearray()
        while len(parts) < length:
            try:
                part = self.socket.recv(length - len(parts))
            except ConnectionError as reason:
                raise Closed(str(reason)) from reason
            if not part:
                raise Closed("end of connection")
            parts += part
        return bytes(parts)

    def read_pdu(self):
        kind, length = struct.unpack(">BxI", self.read_exactly(6))
        return kind, self.read_exactly(length)

    def send(self, content):
        try:
            self.socket.sendall(content)
        except ConnectionError as reason:
            raise Closed(str(reason)) from reason

    def send_fragments(self, context, content, is_command, is_last=True):
        """One P-DATA-TF after the other, each as full as the node takes them."""
        room = self.max_pdu - 6
        view = memoryview(content)
        for at in range(0, max(len(view), 1), room):
            piece = view[at:at + room]
            last = is_last and at + room >= len(view)
            header = struct.pack(">BxIIBB", 4, len(piece) + 6, len(piece) + 2, context,
                                 (1 if is_command else 0) | (2 if last else 0))
            self.send(header + bytes(piece))

    def read_message(self):
        """(command, Data Set's bytes or None) of the next message."""
        command, data = bytearray(), bytearray()
        decoded = None
        while True:
            kind, body = self.read_pdu()
            if kind != 4:
                raise Closed({5: "release", 7: "abort"}.get(kind, f"PDU of type {kind}"))
            at = 0
            while at < len(body):
                length, _, flags = struct.unpack_from(">IBB", body, at)
                content = body[at + 6:at + 4 + length]
                at += 4 + length
                (command if flags & 1 else data).extend(content)
                if not flags & 2:
                    continue
                if flags & 1:
                    decoded = decode_command(command)
                    if decoded[0x0800] == NO_DATA_SET:
                        return decoded, None
                else:
                    return decoded, bytes(data)

    # -- services

    def request(self, abstract, field, data_set=None, **more):
        self.message = self.message % 0xFFFF + 1
        self.send_fragments(self.contexts[abstract], encode_command(
            AffectedSOPClassUID=abstract, CommandField=field, MessageID=self.message,
            CommandDataSetType=NO_DATA_SET if data_set is None else 0, **more), True)
        if data_set:
            self.send_fragments(self.contexts[abstract], data_set, False)

    def echo(self):
        self.request(VERIFICATION, C_ECHO)
        return self.read_message()[0][0x0900]

    def store(self, sop_class, instance, data_set):
        """The status of C-STORE-RSP."""
        self.request(sop_class, C_STORE, data_set, Priority=0, AffectedSOPInstanceUID=instance)
        return self.read_message()[0][0x0900]

    def begin_store(self, sop_class, instance, beginning):
        """A C-STORE whose Data Set goes no further than its beginning."""
        self.request(sop_class, C_STORE, b"", Priority=0, AffectedSOPInstanceUID=instance)
        self.send_fragments(self.contexts[sop_class], beginning, False, is_last=False)

    def retrieve(self, abstract, field, data_set, **more):
        """(final command, Data Sets of pending answers) of C-FIND, C-MOVE or C-GET."""
        self.request(abstract, field, data_set, Priority=0, **more)
        answers = []
        while True:
            command, content = self.read_message()
            if command[0x0900] not in (0xFF00, 0xFF01):
                return command, answers
            if content is not None:
                answers.append(content)

    # -- ends

    def release(self):
        try:
            self.send(struct.pack(">BxII", 5, 4, 0))
            self.read_pdu()
        except Closed:
            pass
        self.socket.close()

    def abort(self):
        self.send(struct.pack(">BxII", 7, 4, 0))
        self.socket.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

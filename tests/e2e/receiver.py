"""A receiver of C-STORE and N-EVENT-REPORT in Python, for what DCMTK's storescp does not take: transfer
syntaxes that are younger than it is. Shares nothing with the node."""
import socket
import struct
import threading

import dimse


class Receiver:
    """Takes associations, one at a time, at a port of its own: accepts every context with the first
    transfer syntax proposed (and the role), answers each request with success and keeps it in
    @received as (command, transfer syntax, Data Set)."""

    def __init__(self):
        self.received = []
        self.problem = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)

    def _run(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            with connection:
                connection.settimeout(30)
                try:
                    self._serve(_Accepted(connection))
                except (dimse.Closed, OSError) as reason:
                    self.problem = reason

    def _serve(self, association):
        while True:
            kind, body = association.read_pdu()
            if kind == 5:
                association.send(struct.pack(">BxII", 6, 4, 0))
                return
            if kind != 4:
                return
            command, data_set, context = association.take(body)
            if command is None:
                continue
            self.received.append((command, association.syntaxes[context], data_set))
            association.answer(context, command)


class _Accepted(dimse.Association):
    """The acceptor's side."""

    def __init__(self, connection):  # pylint: disable=super-init-not-called
        self.socket = connection
        self.max_pdu = 16384
        self.syntaxes = {}
        self.command, self.parts = None, b""
        kind, body = self.read_pdu()
        if kind != 1:
            raise dimse.Closed(f"PDU of type {kind} for a request")
        self.send(self._agree(body))

    def _agree(self, request):
        answer, information, at = request[:68], b"", 68
        while at + 4 <= len(request):
            kind, length = struct.unpack_from(">BxH", request, at)
            content = request[at + 4:at + 4 + length]
            if kind == 0x10:
                answer += request[at:at + 4 + length]
            elif kind == 0x20:
                answer += self._accept(content)
            elif kind == 0x50:
                information = self._agree_on_roles(content)
            at += 4 + length
        answer += struct.pack(">BxH", 0x50, len(information)) + information
        return struct.pack(">BxI", 2, len(answer)) + answer

    def _accept(self, context):
        at = 4
        while at + 4 <= len(context):
            kind, length = struct.unpack_from(">BxH", context, at)
            if kind == 0x40:
                item = context[at:at + 4 + length]
                self.syntaxes[context[0]] = item[4:].decode("ascii").rstrip("\0")
                return struct.pack(">BxHBxxx", 0x21, 4 + len(item), context[0]) + item
            at += 4 + length
        raise dimse.Closed("a context without transfer syntax")

    def _agree_on_roles(self, content):
        answer = struct.pack(">BxHI", 0x51, 4, 16384) + struct.pack(">BxH", 0x52, 7) + b"1.2.3.4"
        at = 0
        while at + 4 <= len(content):
            kind, length = struct.unpack_from(">BxH", content, at)
            if kind == 0x54:
                answer += content[at:at + 4 + length]
            elif kind == 0x51:
                self.max_pdu = min(131072, struct.unpack_from(">I", content, at + 4)[0]) or 131072
            at += 4 + length
        return answer

    def take(self, body):
        """(command, Data Set or None, context) when a message is whole, else Nones."""
        at = 0
        while at < len(body):
            length, context, header = struct.unpack_from(">IBB", body, at)
            self.parts += body[at + 6:at + 4 + length]
            at += 4 + length
            if not header & 2:
                continue
            content, self.parts = self.parts, b""
            if header & 1:
                self.command = dimse.decode_command(content)
                if self.command[0x0800] == dimse.NO_DATA_SET:
                    return self.command, None, context
            else:
                return self.command, content, context
        return None, None, None

    def answer(self, context, command):
        self.send_fragments(context, dimse.encode_command(
            AffectedSOPClassUID=command.get(0x0002), CommandField=command[0x0100] | 0x8000,
            MessageIDBeingRespondedTo=command[0x0110], CommandDataSetType=dimse.NO_DATA_SET, Status=0,
            AffectedSOPInstanceUID=command.get(0x1000)), is_command=True)

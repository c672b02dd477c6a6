#!/usr/bin/python3
"""What is not HTTP as it should be, or means harm: a clear refusal, nothing stored, and others are served
meanwhile. Requests are written by hand, byte by byte."""
import contextlib
import gzip
import http.client
import pathlib
import re
import socket
import tempfile
import threading
import unittest

import node
import stow_test

STUDIES = b"/dicom-web/studies"
HOST = b"Host: localhost"
CLOSE = b"Connection: close"
STOW = b"POST " + STUDIES + b" HTTP/1.1"
RELATED = b"Content-Type: " + stow_test.RELATED.encode()


def request(line, *headers, body=b""):
    return b"\r\n".join([line, *headers, b"", b""]) + body


def get(target, *headers):
    return request(b"GET " + target + b" HTTP/1.1", HOST, CLOSE, *headers)


def store(body, *headers):
    return request(STOW, HOST, CLOSE, RELATED, *headers, body=body)


class HttpTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.data = pathlib.Path(folder.name) / "data"
        cls.port = node.free_port()
        cls.served = node.Node(cls.data, "--set", "web.enabled=true", "--set",
                               f"web.port={cls.port}")
        cls.addClassCleanup(cls.served.stop)
        node.wait_for_port(cls.port)

    def say(self, content, end=False):
        """(status, head, body) of the first answer; status 0: closed without one."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=40) as client:
            with contextlib.suppress(OSError):  # it may be refused before it has come
                client.sendall(content)
            if end:
                client.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := client.recv(65536):
                    answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        found = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
        return (int(found[1]) if found else 0), head, body

    def assert_refused(self, content, *codes):
        code, head, body = self.say(content)
        self.assertIn(code, codes or (400,), (content[:200], head, body[:300]))
        self.assertNotIn(b"X-Evil", head)
        if code != 204:
            self.assertGreater(len(body), 10)

    def assert_unharmed(self):
        self.assertEqual(node.stored_files(self.data), [])
        self.assertEqual(node.indexed_instances(self.data), [])
        self.assertEqual(self.say(get(b"/health"))[0], 200)

    # -- requests ----------------------------------------------------------------------------------

    def test_requests_that_mean_two_things(self):
        file, _ = stow_test.make_object(1, size=8)
        body = stow_test.join(file)
        length = b"Content-Length: %d" % len(body)
        chunked = b"Transfer-Encoding: chunked"
        chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        for content in (store(body, length, b"Content-Length: 3"),
                        store(body, length, length),
                        store(chunks, length, chunked),
                        store(chunks, chunked, length),
                        store(chunks, chunked, chunked),
                        store(chunks, b"Transfer-Encoding: xchunked"),
                        store(chunks, b"Transfer-Encoding: gzip, chunked"),
                        request(b"GET /health HTTP/1.1", HOST, b"Host: other", CLOSE),
                        request(b"GET /health HTTP/1.1", CLOSE)):
            self.assert_refused(content)
        self.assert_unharmed()

    def test_nothing_behind_a_torn_request_is_taken_for_another(self):
        hidden = get(b"/metrics")
        content = request(STOW, HOST, RELATED, b"Content-Length: 0", b"Content-Length: 5", body=hidden)
        code, head, body = self.say(content)
        self.assertEqual(code, 400)
        self.assertIn(b"Connection: close", head)
        self.assertNotIn(b"HTTP/1.1", body)

    def test_lengths_that_lie(self):
        file, _ = stow_test.make_object(1, size=64)
        body = stow_test.join(file)
        for length in (b"-5", b"x", b"1e3", b"0x10", b"99999999999999999999999"):
            self.assert_refused(store(body, b"Content-Length: " + length), 400, 413)
        self.assert_refused(store(body, b"Content-Length: 999999999999999999"), 413)
        # More than comes: whoever hangs up has stored nothing.
        code, _, _ = self.say(store(body, b"Content-Length: %d" % (len(body) + 1)), end=True)
        self.assertIn(code, (0, 400))
        # Less than comes: the body ends before its last boundary.
        self.assert_refused(store(body, b"Content-Length: %d" % (len(body) - 40)))
        for chunks in (b"zz\r\n" + body, b"-1\r\n" + body, b"%x\r\n%s" % (len(body) - 9, body),
                       b"fffffffffffffffff\r\n" + body):
            self.assert_refused(store(chunks + b"\r\n0\r\n\r\n", b"Transfer-Encoding: chunked"), 400, 413)
        self.assert_unharmed()

    def test_addresses_that_lead_elsewhere(self):
        for path in (b"/../../../../etc/passwd", b"/%2e%2e/%2e%2e/%2e%2e/etc/passwd", b"/..%5c..%5cetc/passwd",
                     b"/dicom-web/../../etc/passwd", b"/dicom-web/studies/../../../etc/passwd",
                     b"/dicom-web/studies/..%2f..%2fetc%2fpasswd/metadata", b"//etc/passwd",
                     b"/dicom-web/studies/1.2/series/1.2/instances/1.2/bulkdata/../../../index.sqlite"):
            code, _, body = self.say(get(path))
            self.assertIn(code, (400, 404), path)
            self.assertNotIn(b"root:", body)
        for path in (b"/dicom-web/studies%00", b"/dicom-web/studies%00.json?limit=1", b"/%00"):
            self.assert_refused(get(path))
        self.assertEqual(self.say(get(b"http://localhost" + STUDIES))[0], 200)
        self.assert_unharmed()

    def test_no_header_can_be_slipped_in(self):
        for query in (b"PatientID=a%0d%0aX-Evil:%201", b"a%0d%0aX-Evil:%201=b",
                      b"includefield=a%0d%0aX-Evil:1", b"accept=a/b%0d%0aX-Evil:1",
                      b"%5BA%0d%0aX-Evil:1%5D0029xx10=5", b"00290010=A%0d%0aX-Evil:1&00291010=5",
                      b"limit=1%0d%0aX-Evil:1"):
            _, head, _ = self.say(get(STUDIES + b"?" + query))
            self.assertNotIn(b"X-Evil", head)
        for target in (b"/x%0d%0aX-Evil:%201", b"/dicom-web/studies/1%0d%0aX-Evil:1/metadata"):
            _, head, _ = self.say(get(target))
            self.assertNotIn(b"X-Evil", head)
        log = self.served.log_text()
        self.assertFalse([line for line in log.split("\n") if line.startswith("X-Evil")])

    def test_limits_of_lines_headers_and_parameters(self):
        self.assert_refused(get(b"/" + b"a" * 70000), 414)
        self.assert_refused(get(b"/health", b"X: " + b"a" * 70000), 431)
        self.assert_refused(get(b"/health", *(b"X%d: y" % number for number in range(20000))), 431)
        many = b"&".join(b"includefield=%08X" % number for number in range(0x00080000, 0x00080190))
        self.assertIn(self.say(get(STUDIES + b"?" + many))[0], (200, 400))
        for count in (1000, 3000, 15000):
            self.assert_refused(get(STUDIES + b"?" + b"&".join([b"a=1"] * count)), 414)
        self.assert_refused(get(b"/dicom-web/studies/1.2/series/1.2/instances/1.2/frames/" +
                                b"1," * 30000), 400, 404, 413)
        self.assert_unharmed()

    def test_a_connection_goes_on_after_a_refusal(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self.addCleanup(connection.close)
        connection.connect()
        first = connection.sock
        for method, target, body, code in (("GET", "/dicom-web/nothing", None, 404),
                                           ("DELETE", "/dicom-web/studies", None, 405),
                                           ("OPTIONS", "/dicom-web/studies", None, 204),
                                           ("GET", "/dicom-web/studies?x=y", None, 400),
                                           ("POST", "/dicom-web/studies", b"x" * 9999, 415),
                                           ("POST", "/dicom-web/studies", b"", 415),
                                           ("GET", "/dicom-web/studies", None, 200)):
            connection.request(method, target, body)
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, code, (method, target))
            self.assertIs(connection.sock, first, (method, target))

    def test_methods(self):
        code, head, _ = self.say(request(b"OPTIONS " + STUDIES + b" HTTP/1.1", HOST, CLOSE))
        self.assertEqual(code, 204)
        self.assertIn(b"Allow: POST, GET, HEAD, OPTIONS", head)
        for method in (b"PUT", b"DELETE", b"PATCH", b"TRACE", b"CONNECT", b"BREW"):
            code, head, _ = self.say(request(method + b" " + STUDIES + b" HTTP/1.1", HOST, CLOSE))
            self.assertEqual(code, 405, method)
            self.assertIn(b"Allow: POST, GET, HEAD, OPTIONS", head)
        self.assert_unharmed()

    def test_other_protocols(self):
        self.assert_refused(request(b"GET / HTTP/2.0", HOST), 505)
        self.assert_refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)
        self.assert_refused(b"GET /health\r\n\r\n")
        code, _, _ = self.say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9, end=True)
        self.assertIn(code, (0, 400))
        self.assert_unharmed()

    # -- bodies ------------------------------------------------------------------------------------

    def post(self, body, content_type, *headers):
        return self.say(request(STOW, HOST, CLOSE, b"Content-Type: " + content_type,
                                b"Content-Length: %d" % len(body), *headers, body=body))

    def test_malformed_multipart(self):
        file, _ = stow_test.make_object(1, size=16)
        whole = stow_test.join(file)
        part = b"--abc\r\nContent-Type: application/dicom\r\n\r\n" + file
        related = stow_test.RELATED.encode()
        for body in (b"", b"x", b"--abc--", b"--abc\r\nContent-Ty", part, part + b"\r\n--abc",
                     part + b"\r\n--abc-", whole[:-8], whole.replace(b"\r\n--abc", b"\n--abc"),
                     b"--abc\n\n" + file + b"\n--abc--\n", b"--other\r\n\r\n" + file + b"\r\n--other--",
                     b"--abc\r\nno colon\r\n\r\n" + file + b"\r\n--abc--",
                     b"--abc\r\nA: b\nC: d\r\n\r\n" + file + b"\r\n--abc--"):
            code, _, answer = self.post(body, related)
            self.assertEqual(code, 400, (body[:100], answer))
        for boundary in (b"", b"; boundary=", b'; boundary="a\x01b"', b"; boundary=" + b"a" * 201):
            code, _, answer = self.post(whole, b'multipart/related; type="application/dicom"' + boundary)
            self.assertEqual(code, 400, (boundary, answer))
        self.assertEqual(self.post(b"--abc\r\nX: " + b"a" * 20000 + b"\r\n\r\n", related)[0], 413)
        self.assertEqual(self.post(b"x" * 70000, related)[0], 400)
        for content_type in (b"multipart/form-data; boundary=abc", b"text/plain", b"application/json",
                             b'multipart/related; type="application/dicom+json"; boundary=abc'):
            self.assertEqual(self.post(whole, content_type)[0], 415)
        # A right end, wrong parts: each is told.
        for wrong in (b"", b"garbage", file[:200], file[:-9], b"x" + file):
            self.assertEqual(self.post(stow_test.join(wrong), related)[0], 409)
        self.assert_unharmed()

    def test_bombs(self):
        before = self.served.memory_kib()
        bomb = gzip.compress(bytes(32 << 20))
        self.assertEqual(self.post(bomb, stow_test.RELATED.encode(), b"Content-Encoding: gzip")[0], 415)
        part = b"--abc\r\nContent-Encoding: gzip\r\n\r\n" + bomb + b"\r\n--abc--"
        self.assertEqual(self.post(part, stow_test.RELATED.encode())[0], 409)
        if not node.SANITIZED:
            self.assertLess(self.served.memory_kib() - before, 16 << 10)
        self.assert_unharmed()

    # -- others ------------------------------------------------------------------------------------

    def test_two_hundred_idle_and_slow_clients_keep_nobody_waiting(self):
        file, _ = stow_test.make_object(1, size=16)
        body = stow_test.join(file)
        slow = store(body, b"Content-Length: %d" % len(body))
        crowd = contextlib.ExitStack()
        with crowd:
            slow_ones = []
            for number in range(200):
                client = crowd.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=30))
                if number % 4 == 1:
                    client.sendall(b"GET " + STUDIES)  # and no more
                elif number % 4 == 2:
                    client.sendall(slow[:-60])
                    slow_ones.append(client)
                elif number % 4 == 3:
                    client.sendall(get(STUDIES) * 3)  # and never reads
            stop = threading.Event()

            def dribble():
                for byte in slow[-60:-20]:
                    for client in slow_ones:
                        client.send(bytes([byte]))
                    if stop.wait(0.05):
                        break
            writer = threading.Thread(target=dribble)
            writer.start()
            try:
                for _ in range(50):
                    self.assertEqual(self.say(get(STUDIES + b"?limit=1"))[0], 200)
            finally:
                stop.set()
                writer.join()
        self.assert_unharmed()


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""etc/nginx.conf.example: nginx takes it, and through it the node is reached by TLS and HTTP/2. Skipped where
nginx, openssl or curl is not installed."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import node
import stow_test

PATHS = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"


class NginxTest(unittest.TestCase):
    def setUp(self):
        self.tools = {name: shutil.which(name, path=PATHS) for name in ("nginx", "openssl", "curl")}
        missing = [name for name, path in self.tools.items() if path is None]
        if missing:
            self.skipTest(f"{', '.join(missing)}: not installed")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        node.run(self.tools["openssl"], "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                 "-subj", "/CN=murpacs.example.org", "-keyout", self.folder / "murpacs.key", "-out",
                 self.folder / "murpacs.pem")
        (self.folder / "temporary").mkdir()

    def configure(self, upstream, tls, plain):
        """The example with paths and ports of this test."""
        text = (pathlib.Path(node.SOURCE) / "etc/nginx.conf.example").read_text(encoding="utf-8")
        for old, new in (("127.0.0.1:8042;\n    keepalive", f"127.0.0.1:{upstream};\n    keepalive"),
                         ("listen 443", f"listen 127.0.0.1:{tls}"),
                         ("listen 80;", f"listen 127.0.0.1:{plain};"),
                         ("/etc/ssl/certs/", f"{self.folder}/"),
                         ("/etc/ssl/private/", f"{self.folder}/")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.M)
        temporary = "\n".join(f"{kind}_temp_path {self.folder}/temporary/{kind};" for kind in
                              ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        path = self.folder / "nginx.conf"
        path.write_text(f"daemon off; master_process off; pid {self.folder}/pid;\n"
                        f"error_log {self.folder}/error.log;\nevents {{}}\n"
                        f"http {{\naccess_log off;\n{temporary}\n{text}\n}}\n", encoding="utf-8")
        return [self.tools["nginx"], "-p", str(self.folder), "-c", str(path), "-e",
                str(self.folder / "error.log")]

    def curl(self, url, *options):
        """(HTTP version, status, body)"""
        done = node.run(self.tools["curl"], "-sS", "-k", "--http2", "-w", "\n%{http_version} %{http_code}",
                        *options, url)
        body, _, last = done.stdout.rpartition("\n")
        version, code = last.split()
        return version, int(code), body

    def test_nginx_takes_the_example_and_the_node_is_reached_by_http_2(self):
        upstream, tls, plain = node.free_port(), node.free_port(), node.free_port()
        command = self.configure(upstream, tls, plain)
        node.run(*command, "-t")
        users = self.folder / "users"
        token = node.murpacs("user", "add", "bot", "--role", "rw", "--token", "--file",
                             users).stdout.strip()
        (self.folder / "viewer").mkdir()
        script = "// that of a viewer\n" * 1000
        (self.folder / "viewer" / "app.js").write_text(script, encoding="ascii")
        with node.serving(self.folder / "data", "--set", "web.enabled=true", "--set",
                          f"web.port={upstream}", "--set", f"web.users_file={users}", "--set",
                          f"web.viewer_dir={self.folder}/viewer") as served:
            proxy = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(proxy.wait)
            self.addCleanup(proxy.terminate)
            node.wait_for_port(tls)
            root = f"https://127.0.0.1:{tls}/dicom-web/studies"
            bearer = f"Authorization: Bearer {token}"
            self.assertEqual(self.curl(root)[:2], ("2", 401))
            self.assertEqual(self.curl(root, "-H", "Authorization: Bearer guess", "-H",
                                       "X-Forwarded-For: 192.0.2.1")[:2], ("2", 401))
            self.assertIn("from 127.0.0.1 (which says, for 127.0.0.1)", served.log_text())
            body = self.folder / "body"
            body.write_bytes(stow_test.join(*(stow_test.make_object(number, size=1500)[0]
                                              for number in range(1, 4))))
            store = ("-H", bearer, "-H", f"Content-Type: {stow_test.RELATED}", "--data-binary",
                     f"@{body}")
            version, code, answer = self.curl(root, *store)
            self.assertEqual((version, code), ("2", 200), answer)
            # A page that this proxy served may store, one from elsewhere may not.
            self.assertEqual(self.curl(root, *store, "-H", f"Origin: https://127.0.0.1:{tls}")[1], 200)
            self.assertEqual(self.curl(root, *store, "-H", "Origin: https://elsewhere")[1], 403)
            self.assertEqual(self.curl(root, "-H", bearer)[:2], ("2", 200))
            self.assertEqual(self.curl(f"http://127.0.0.1:{plain}/")[1], 301)
            # The viewer comes compressed, and is known again.
            viewer = f"https://127.0.0.1:{tls}/app.js"
            heads = self.folder / "heads"
            packed = ("-H", bearer, "--compressed", "-D", heads)
            self.assertEqual(self.curl(viewer, *packed), ("2", 200, script))
            fields = dict(line.split(": ", 1) for line in heads.read_text("ascii").splitlines()
                          if ": " in line)
            self.assertEqual(fields["content-encoding"], "gzip")
            self.assertEqual(self.curl(viewer, *packed, "-H", f"If-None-Match: {fields['etag']}")[1], 304)


if __name__ == "__main__":
    unittest.main()

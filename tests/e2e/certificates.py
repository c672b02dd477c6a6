"""Certificates for tests, made by the openssl program: one authority to trust, another one not to."""
import shutil
import ssl

import node

OPENSSL = shutil.which("openssl")
EXTENSIONS = """basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
"""


class Authority:
    """A folder with ca.pem and, for each name, NAME.pem and NAME.key."""

    def __init__(self, folder, name="Test CA"):
        folder.mkdir(parents=True)
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.ca_key = folder / "ca.key"
        node.run(OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj",
                 f"/CN={name}", "-keyout", self.ca_key, "-out", self.ca)
        (folder / "extensions").write_text(EXTENSIONS, encoding="ascii")

    def issue(self, name, key=("rsa:2048",), subject=None, between=None):
        """The words of DCMTK's +tls: key and certificate. @between: two times, YYYYMMDDHHMMSSZ."""
        request = self.folder / "request"
        words = (self.folder / f"{name}.key", self.folder / f"{name}.pem")
        node.run(OPENSSL, "req", "-new", "-newkey", *key, "-nodes", "-subj", f"/CN={subject or name}",
                 "-keyout", words[0], "-out", request)
        if between is None:
            node.run(OPENSSL, "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key,
                     "-CAcreateserial", "-days", 2, "-extfile", self.folder / "extensions", "-out", words[1])
            return words
        (self.folder / "index").write_text("", encoding="ascii")
        (self.folder / "ca.cnf").write_text(
            f"[ca]\ndefault_ca = one\n[one]\ndatabase = {self.folder}/index\nrand_serial = yes\n"
            f"new_certs_dir = {self.folder}\ndefault_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n",
            encoding="ascii")
        node.run(OPENSSL, "ca", "-batch", "-notext", "-config", self.folder / "ca.cnf", "-cert", self.ca,
                 "-keyfile", self.ca_key, "-startdate", between[0], "-enddate", between[1], "-extfile",
                 self.folder / "extensions", "-in", request, "-out", words[1])
        return words


def client(ca=None, words=None):
    """For a Python client: trusts @ca, shows the certificate of @words."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
    if ca:
        context.load_verify_locations(ca)
    if words:
        context.load_cert_chain(words[1], words[0])
    return context

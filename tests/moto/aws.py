"""moto under AWS's own names: a proxy that takes every connection and shows itself a certificate of theirs, signed
by an authority that is made for the test. So a client that is told no endpoint speaks to moto, and to nobody else.
"""

import datetime
import os
import ssl
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from werkzeug.serving import ThreadedWSGIServer

# a star stands for one label: of a bucket, and of a region
NAMES = ["*.s3.amazonaws.com", "s3.us-east-1.amazonaws.com", "*.s3.us-east-1.amazonaws.com"]


def signed(name, key, issuer, issuer_key, extensions):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuer_key, hashes.SHA256())


def certificates(folder):
    """Writes authority.pem for those who trust it, and server.pem with its key; says where."""
    named = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = named("Virga test authority")
    root = signed(issuer, authority, issuer, authority, [x509.BasicConstraints(ca=True, path_length=0)])
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES])
    leaf = signed(named("moto"), server, issuer, authority, [names, x509.BasicConstraints(ca=False, path_length=None)])
    pem = serialization.Encoding.PEM
    key = server.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    paths = os.path.join(folder, "authority.pem"), os.path.join(folder, "server.pem")
    for path, content in zip(paths, (root.public_bytes(pem), key + leaf.public_bytes(pem))):
        with open(path, "wb") as file:
            file.write(content)
    return paths


class Proxy(ThreadedWSGIServer):
    """Answers `CONNECT` to whatever address, then speaks as whoever was asked for."""

    daemon_threads = True

    def __init__(self, application):
        super().__init__("127.0.0.1", 0, application)
        self.folder = tempfile.TemporaryDirectory()
        self.authority, server = certificates(self.folder.name)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(server)

    def finish_request(self, request, client_address):
        request.settimeout(30)
        asked = b""
        while not asked.endswith(b"\r\n\r\n"):
            # one at a time: what follows is no longer the proxy's
            more = request.recv(1)
            if not more:
                return
            asked += more
        request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with self.context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

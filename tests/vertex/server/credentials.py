"""What a machine needs so that Google's own client speaks to the server, over TLS and with a token.

A certificate for this host that gRPC is told to trust, and the key file of a service account that
exists nowhere: the client signs its own tokens with it and asks nobody.
"""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

ACCOUNT = "deployer@example-ml.iam.gserviceaccount.com"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The server's key and certificate, and what a client is told by its environment."""

    key: bytes
    certificate: bytes
    environment: Mapping[str, str]


def make_credentials(directory: Path) -> Credentials:
    directory.mkdir(parents=True, exist_ok=True)
    server = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    local = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(server.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(local), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(server, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    roots = directory / "roots.pem"
    roots.write_bytes(pem)
    account = directory / "account.json"
    account.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "example-ml",
                "private_key_id": "1",
                "private_key": _pem(server).decode(),
                "client_email": ACCOUNT,
                "client_id": "1",
                # Nobody is asked there: the client signs its own tokens.
                "token_uri": "https://localhost:1/token",
            }
        )
    )
    return Credentials(
        key=_pem(server),
        certificate=pem,
        environment={
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(roots),
            "REQUESTS_CA_BUNDLE": str(roots),
            "GOOGLE_APPLICATION_CREDENTIALS": str(account),
            "NO_GCE_CHECK": "true",
        },
    )


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )

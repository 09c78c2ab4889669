"""The quick way into S3 says what the client says, and leaves to it whatever is not plain."""

import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from model_export.bucket import ObjectExistsError, Patience
from model_export.content import content_of
from model_export.errors import ModelExportError
from model_export.s3_bucket import S3Bucket
from tests.stores.clouds import Cloud, Kind
from tests.stores.faulty_proxy import Call, FaultyProxy, Plan, faulty_proxy, lose, refuse

# Each is quick; all of them together are not.
pytestmark = pytest.mark.slow

_PATIENCE = Patience(connect_seconds=30, answer_seconds=30, attempts=3, total_seconds=30)
_MODEL = "heart-1"
_KEYS = [f"{_MODEL}/{name}" for name in ("first", "naïve words", "a+b=c&d?e#f%20", "~x'(1)*!")]


@pytest.fixture
def cloud(clouds: Callable[[Kind], Cloud]) -> Cloud:
    return clouds("s3")


@pytest.fixture
def proxy(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    with faulty_proxy(cloud.endpoint) as proxy:
        for name, value in cloud.environment(proxy.url).items():
            monkeypatch.setenv(name, value)
        yield proxy


def _bucket(cloud: Cloud) -> S3Bucket:
    return S3Bucket(cloud.make_bucket(), "models/", _PATIENCE)


def _create(bucket: S3Bucket, key: str, data: bytes = b"data") -> None:
    bucket.create(key, data, content_of(data))


def _stop_asking(bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(**_: object) -> None:
        raise AssertionError("the client was asked")

    monkeypatch.setattr(bucket._client, "put_object", asked)


def test_once_the_client_has_put_an_object_the_others_go_the_quick_way(
    cloud: Cloud, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = _bucket(cloud)
    _create(bucket, f"{_MODEL}/claim")
    _stop_asking(bucket, monkeypatch)
    for key in _KEYS:
        _create(bucket, key, key.encode())
    assert {entry.key for entry in bucket.objects("")} == {f"{_MODEL}/claim", *_KEYS}
    for key in _KEYS:
        assert bucket.read(key) == key.encode()
        (stored,) = bucket.objects(key)
        assert bucket.holds(stored, content_of(key.encode()))
        with pytest.raises(ObjectExistsError):
            _create(bucket, key)
    assert proxy.plan(_MODEL).calls


def test_both_ways_say_the_same(
    cloud: Cloud, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a token")
    seen: list[dict[str, str]] = []

    def note(call: Call) -> None:
        seen.append({name.lower(): value for name, value in call.headers.items()})
        call.reply(200, [("ETag", '"x"')], b"")

    bucket = _bucket(cloud)
    proxy.plan(_MODEL, Plan(note, 1, lasting=True))
    for _ in range(2):
        _create(bucket, _KEYS[0])
    client, quick = seen
    # What a client says of itself, and how it asks before it sends.
    of_the_client = {"expect", "amz-sdk-invocation-id", "amz-sdk-request", "accept-encoding"}
    of_each_request = {"authorization", "x-amz-date"}
    assert client.keys() - of_the_client == quick.keys() - of_the_client
    for name in client.keys() & quick.keys() - of_each_request - {"user-agent"}:
        assert client[name] == quick[name]
    assert quick["x-amz-security-token"] == "a token"
    assert quick["if-none-match"] == "*"


@pytest.mark.parametrize("fault", [refuse, lose])
def test_what_goes_wrong_the_client_puts_right(
    cloud: Cloud, proxy: FaultyProxy, fault: Callable[[Call], None]
) -> None:
    bucket = _bucket(cloud)
    _create(bucket, f"{_MODEL}/claim")
    proxy.plan(_MODEL, Plan(fault, 1))
    try:
        _create(bucket, _KEYS[0])
    except ObjectExistsError:
        assert fault is lose
    assert len(proxy.plan(_MODEL).calls) == 2
    assert bucket.read(_KEYS[0]) == b"data"


def test_a_proxy_that_the_environment_names_is_not_passed_by(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    bucket = _bucket(cloud)
    with faulty_proxy(cloud.endpoint) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        through = S3Bucket(bucket._name, "models/", _PATIENCE)
        for key in _KEYS[:2]:
            _create(through, key)
        assert len(proxy.plan(_MODEL).calls) == 2
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        past = S3Bucket(bucket._name, "models/", _PATIENCE)
        for key in _KEYS[2:]:
            _create(past, key)
        assert proxy.plan(_MODEL).calls == []


def test_with_tls_the_certificates_of_the_environment_are_trusted_and_no_others(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = _certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with faulty_proxy(cloud.endpoint, tls) as proxy:
        for name, value in cloud.environment(proxy.url).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        bucket = _bucket(cloud)
        _create(bucket, _KEYS[0])
        with monkeypatch.context() as patch:
            _stop_asking(bucket, patch)
            _create(bucket, _KEYS[1])
        monkeypatch.setenv("S3_VERIFY_SSL", "0")
        monkeypatch.delenv("AWS_CA_BUNDLE")
        _create(S3Bucket(bucket._name, "models/", _PATIENCE), _KEYS[2])
        monkeypatch.delenv("S3_VERIFY_SSL")
        with pytest.raises(ModelExportError, match="certificate"):
            S3Bucket(bucket._name, "models/", _PATIENCE).objects("")


def _certificate(directory: Path) -> Path:
    """Write a key and a certificate of its own for this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path

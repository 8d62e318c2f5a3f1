"""requests and httpx against the demo: sessions, json, errors, HTTP/1.1 and HTTP/2."""

import sys
import warnings

import httpx
import requests

warnings.filterwarnings("ignore")
plain, tls = sys.argv[1:]

for site in (plain, tls):
    with requests.Session() as session:
        # The environment may name certificates to trust, which would win over `verify`.
        session.trust_env = False
        session.verify = False
        assert "</html>" in session.get(f"{site}/").text
        created = session.post(f"{site}/api/users", json={"name": "Python"})
        assert created.status_code == 201, created.text
        address = f"{site}/api/users/{created.json()['id']}"
        assert session.patch(address, json={"starred": True}).json()["starred"] is True
        assert session.delete(address).status_code == 204
        assert session.get(address).status_code == 404
        assert session.post(address).status_code == 405
        assert "GET" in session.options(address).headers["allow"]
        # A generator makes requests send chunks.
        chunks = session.post(
            f"{site}/api/users",
            data=(part for part in (b'{"name":', b'"chunked"}')),
            headers={"content-type": "application/json"},
        )
        assert chunks.status_code == 201, chunks.text

for site, versions in ((plain, {"HTTP/1.1": {}}), (tls, {"HTTP/1.1": {}, "HTTP/2": {"http2": True}})):
    for version, options in versions.items():
        with httpx.Client(verify=False, trust_env=False, **options) as client:
            answer = client.get(f"{site}/api/connection")
            assert answer.status_code == 200
            assert answer.http_version == version, answer.http_version
            assert answer.json()["protocol"] == version
            large = client.post(
                f"{site}/api/users", content=b" " * 3_000_000, headers={"content-type": "application/json"}
            )
            assert large.status_code == 413, large.status_code

print("all well")

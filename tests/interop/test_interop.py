"""Other people's SD-JWT software reads our copies and finds the same values."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from jwcrypto.jwk import JWK
from sd_jwt.verifier import SDJWTVerifier

from federation.encoding import b64url_encode
from federation.envelope import VerifiedEnvelope, redact
from tests.vectors.nodes import FIELDS, NAIROBI, example

JS: Final = Path(__file__).parent / "sd_jwt_js"
INSTALL_S: Final = 180
FULL: Final = example()
COPIES: Final = [
    pytest.param(FULL, id="full"),
    pytest.param(redact(FULL, ["title", "actions", "person:p1"]), id="redacted"),
    pytest.param(redact(FULL, ["title"]), id="title-only"),
]
X: Final = b64url_encode(NAIROBI.rec.public)


def shown_in(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: form["v"] for name, form in claims["f"].items() if "v" in form}


@pytest.mark.parametrize("copy", COPIES)
def test_the_python_package_reads_our_copies(copy: VerifiedEnvelope) -> None:
    key = JWK(kty="OKP", crv="Ed25519", x=X)
    claims = SDJWTVerifier(copy.compact(), lambda issuer, header: key).get_verified_payload()
    assert shown_in(claims) == dict(copy.disclosed)
    assert set(claims["f"]) == set(FIELDS)
    assert (claims["rid"], claims["iss"]) == (copy.rid, copy.iss)


@pytest.fixture(scope="session")
def node() -> str:
    """The path of Node.js, with the package installed; without either the tests are skipped, except in CI."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI runs the interoperability tests: Node.js and npm are needed")
        pytest.skip("Node.js and npm are not here")
    if not (JS / "node_modules" / "@sd-jwt" / "core").exists():
        command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=JS, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        if done.returncode:
            if os.environ.get("CI") == "true":
                pytest.fail(f"npm could not install @sd-jwt/core: {done.stderr[-500:]}")
            pytest.skip(f"npm could not install @sd-jwt/core: {done.stderr[-200:]}")
    return found


def read_with_js(node: str, compact: str) -> subprocess.CompletedProcess[str]:
    given = json.dumps({"compact": compact, "x": X})
    return subprocess.run(
        [node, "verify.mjs"], cwd=JS, input=given, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.interop
@pytest.mark.parametrize("copy", COPIES)
def test_the_javascript_package_reads_our_copies(copy: VerifiedEnvelope, node: str) -> None:
    done = read_with_js(node, copy.compact())
    assert done.returncode == 0, done.stderr
    claims = json.loads(done.stdout)
    assert shown_in(claims) == dict(copy.disclosed)
    assert set(claims["f"]) == set(FIELDS)


@pytest.mark.interop
def test_the_javascript_package_refuses_what_was_changed(node: str) -> None:
    token, rest = FULL.compact().split("~", 1)
    swapped = "A" if token[-10] != "A" else "B"
    done = read_with_js(node, f"{token[:-10]}{swapped}{token[-9:]}~{rest}")
    assert done.returncode != 0

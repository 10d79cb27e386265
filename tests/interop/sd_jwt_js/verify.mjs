// Reads one compact SD-JWT and a public key from standard input, and prints the claims that @sd-jwt/core verified.
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SDJwtInstance } from '@sd-jwt/core';

class Envelope extends SDJwtInstance {}

const { compact, x } = JSON.parse(readFileSync(0, 'utf8'));
const key = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } });
const reader = new Envelope({
  hasher: (data, alg) => createHash(alg.replace('-', '')).update(data).digest(),
  hashAlg: 'sha-256',
  verifier: (data, signature) => verify(null, Buffer.from(data), key, Buffer.from(signature, 'base64url')),
});
const { payload } = await reader.verify(compact);
process.stdout.write(JSON.stringify(payload));

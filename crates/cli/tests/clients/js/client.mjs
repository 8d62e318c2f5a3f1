// Node's own clients against the demo: fetch over http and https, http2 with a hundred streams at once.

import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import { once } from 'node:events';

const [plain, tls] = process.argv.slice(2);

for (const site of [plain, tls]) {
  const page = await fetch(`${site}/`);
  assert.equal(page.status, 200);
  assert.match(await page.text(), /<\/html>/);

  const created = await fetch(`${site}/api/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Node' }),
  });
  assert.equal(created.status, 201);
  const user = await created.json();
  assert.equal(user.name, 'Node');
  assert.equal(new URL(created.headers.get('location'), site).pathname, `/api/users/${user.id}`);

  const gone = await fetch(`${site}/api/users/${user.id}`, { method: 'DELETE' });
  assert.equal(gone.status, 204);

  const wrong = await fetch(`${site}/api/users`, { method: 'POST', body: 'not json' });
  assert.equal(wrong.status, 415);

  const large = await fetch(`${site}/api/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: Buffer.alloc(3_000_000, 0x20),
  });
  assert.equal(large.status, 413);
}

// Keep-alive: a hundred requests, one connection.
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const sockets = new Set();
for (let asked = 0; asked < 100; asked += 1) {
  const request = http.get(`${plain}/api/connection`, { agent });
  const [response] = await once(request, 'response');
  sockets.add(request.socket);
  assert.equal(response.statusCode, 200);
  response.resume();
  await once(response, 'end');
}
assert.equal(sockets.size, 1);
agent.destroy();

// HTTP/2: over TLS and, by prior knowledge, without.
for (const site of [plain, tls]) {
  const session = http2.connect(site);
  const ask = async (headers, body) => {
    const stream = session.request(headers, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    const [answer] = await once(stream, 'response');
    let text = '';
    stream.setEncoding('utf8');
    for await (const chunk of stream) text += chunk;
    return { status: answer[':status'], text };
  };
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => ask({ ':path': '/api/connection' })),
  );
  for (const { status, text } of answers) {
    assert.equal(status, 200);
    assert.equal(JSON.parse(text).protocol, 'HTTP/2');
  }
  const large = await ask(
    { ':path': '/api/users', ':method': 'POST', 'content-type': 'application/json' },
    Buffer.alloc(3_000_000, 0x20),
  );
  assert.equal(large.status, 413);
  const after = await ask({ ':path': '/' });
  assert.equal(after.status, 200);
  session.close();
  await once(session, 'close');
}

console.log('all well');

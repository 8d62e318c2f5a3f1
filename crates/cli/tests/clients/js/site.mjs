// A person with Chromium visits a site of files: twice, with all it holds, then looks around in a listed folder.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [site, artefacts] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.NARAE_CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});

try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  const shot = (name) => page.screenshot({ path: join(artefacts, `${name}.png`), fullPage: true });
  const scheme = new URL(site).protocol.slice(0, -1);

  // What the browser says of everything it loaded for the page.
  const visit = async () => {
    // Encodings and statuses that only the network's side knows.
    const answers = new Map();
    const note = (response) => answers.set(new URL(response.url()).pathname, response);
    page.on('response', note);
    await page.goto(`${site}/`, { waitUntil: 'networkidle' });
    page.off('response', note);
    const entries = await page.evaluate(() =>
      [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map((entry) => ({
        path: new URL(entry.name).pathname,
        protocol: entry.nextHopProtocol,
        transferred: entry.transferSize,
        encoded: entry.encodedBodySize,
        decoded: entry.decodedBodySize,
      })),
    );
    return { answers, entries: new Map(entries.map((entry) => [entry.path, entry])) };
  };

  const first = await visit();
  assert.equal(await page.locator('#said').textContent(), 'the script ran');
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).color), 'rgb(18, 52, 86)');
  assert.equal(await page.locator('img').evaluate((image) => image.naturalWidth), 64);
  for (const path of ['/', '/style.css', '/app.3f2a9c1b.js', '/picture.svg', '/data.json']) {
    const entry = first.entries.get(path);
    assert.equal(entry.protocol, scheme === 'https' ? 'h2' : 'http/1.1', path);
    assert.ok(entry.transferred > entry.encoded, `${path} came over the network`);
    const coding = (await first.answers.get(path).allHeaders())['content-encoding'];
    assert.equal(coding, 'br', path);
    assert.ok(entry.encoded < entry.decoded / 2, `${path} was compressed: ${entry.encoded} of ${entry.decoded}`);
  }

  // The second visit: checked and not sent again, or not even asked for. (Chromium keeps nothing that came with a
  // certificate that it does not know.)
  const second = await visit();
  assert.equal(await page.locator('#said').textContent(), 'the script ran');
  if (scheme === 'http') {
    for (const path of ['/', '/style.css', '/picture.svg', '/data.json']) {
      const entry = second.entries.get(path);
      assert.ok(entry.transferred <= 300, `${path} was sent again: ${entry.transferred} bytes`);
    }
    assert.equal(second.entries.get('/app.3f2a9c1b.js').transferred, 0, 'the hashed name was asked for again');
  }

  // A resumed download, as a page does it.
  const parts = await page.evaluate(async () => {
    const range = async (range) => {
      const answer = await fetch('/large.bin', { headers: { Range: range }, cache: 'no-store' });
      return [answer.status, answer.headers.get('content-range'), (await answer.arrayBuffer()).byteLength];
    };
    return [await range('bytes=0-999'), await range('bytes=2999000-')];
  });
  assert.deepEqual(parts, [
    [206, 'bytes 0-999/3000000', 1000],
    [206, 'bytes 2999000-2999999/3000000', 1000],
  ]);

  // Look around, with the keyboard.
  await page.goto(`${site}/folder/`);
  const names = () => page.locator('tbody tr:not(.above) td:first-child').allTextContents();
  assert.deepEqual(await names(), [
    'drafts/', 'pictures/', '<b>bold & "quoted".txt', 'a long name that goes on and on until it needs another line on a small screen.txt',
    'archive.tar.gz', 'Report.pdf', '한글.txt',
  ]);
  await shot(`listing-${scheme}`);
  await page.getByRole('link', { name: 'Size' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(/sort=size&order=asc/);
  assert.equal((await names())[2], '한글.txt');
  await page.getByRole('link', { name: 'Size' }).click();
  await page.waitForURL(/sort=size&order=desc/);
  assert.equal((await names())[2], 'archive.tar.gz');
  for (const name of ['<b>bold & "quoted".txt', '한글.txt']) {
    const target = await page.getByRole('link', { name, exact: true }).getAttribute('href');
    // Not from within the page: its policy lets it load nothing.
    const answer = await context.request.get(new URL(target, page.url()).href);
    assert.equal(answer.status(), 200, name);
  }
  await page.getByRole('link', { name: 'pictures/' }).click();
  await page.waitForURL(`${site}/folder/pictures/`);
  await page.getByRole('link', { name: 'Parent folder' }).click();
  await page.waitForURL(`${site}/folder/`);
  await page.setViewportSize({ width: 390, height: 800 });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(overflow <= 0, `the page is ${overflow} px too wide`);
  await shot(`listing-${scheme}-phone`);
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await shot(`listing-${scheme}-dark`);
  assert.deepEqual(complaints, []);
  console.log('all well');
} finally {
  await browser.close();
}

// A person with Chromium: adds, edits and deletes a user over https, reloads, looks at every page.

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
  const shot = (name, options) => page.screenshot({ path: join(artefacts, `${name}.png`), ...options });
  const card = (name) => page.locator('#users li.user').filter({ has: page.locator('.name', { hasText: name }) });

  await page.goto(`${site}/`);
  const protocol = await page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol);
  assert.equal(protocol, 'h2');
  await card('').first().waitFor();

  // Add, with the keyboard alone.
  await page.locator('#add').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.type('Hedy Lamarr <b>');
  await page.keyboard.press('Enter');
  await card('Hedy Lamarr <b>').waitFor();
  await page.reload();
  await card('Hedy Lamarr <b>').waitFor();

  // Edit.
  await card('Hedy Lamarr <b>').locator('[data-action=edit]').click();
  await page.locator('form.user-form [name=name]').fill('Hedy Kiesler');
  await page.locator('form.user-form [name=note]').fill('frequency hopping, 1942');
  await page.locator('form.user-form [type=submit]').click();
  await card('Hedy Kiesler').waitFor();
  await page.reload();
  await card('Hedy Kiesler').getByText('frequency hopping').waitFor();
  assert.equal(await card('Hedy Lamarr <b>').count(), 0);
  await shot('board', { fullPage: true });

  // Delete.
  await card('Hedy Kiesler').locator('[data-action=delete]').click();
  await page.locator('#confirm button[value=delete]').click();
  await card('Hedy Kiesler').waitFor({ state: 'detached' });
  await page.reload();
  await card('').first().waitFor();
  assert.equal(await card('Hedy Kiesler').count(), 0);

  // The other pages, and how the board looks elsewhere.
  await page.goto(`${site}/connection`);
  assert.match(await page.locator('main').innerText(), /HTTP\/2[\s\S]*TLS 1\.3/);
  await shot('connection');
  await page.goto(`${site}/about`);
  await shot('about', { fullPage: true });
  assert.deepEqual(complaints, []);

  const missing = await page.goto(`${site}/nothing-here`);
  assert.equal(missing.status(), 404);
  await shot('not-found');
  for (const path of ['/fail', '/boom']) {
    const failed = await page.goto(`${site}${path}`);
    assert.equal(failed.status(), 500);
    assert.doesNotMatch(await page.content(), /asked to/);
  }
  await shot('failure');

  const phone = await browser.newContext({
    ignoreHTTPSErrors: true,
    viewport: { width: 360, height: 740 },
    isMobile: true,
    hasTouch: true,
  });
  const small = await phone.newPage();
  await small.goto(`${site}/`);
  await small.locator('#users li.user').first().waitFor();
  assert.ok(await small.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await small.screenshot({ path: join(artefacts, 'phone.png') });

  const night = await browser.newContext({ ignoreHTTPSErrors: true, colorScheme: 'dark' });
  const dark = await night.newPage();
  await dark.goto(`${site}/`);
  await dark.locator('#users li.user').first().waitFor();
  await dark.screenshot({ path: join(artefacts, 'dark.png') });

  console.log('all well');
} finally {
  await browser.close();
}

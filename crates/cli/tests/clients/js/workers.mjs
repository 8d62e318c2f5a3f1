// A person with Chromium at the workers page: kills a worker that does not answer, then the one that does, then
// one without scripts; each time another process takes the place.

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

const open = async (options) => {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  const page = await context.newPage();
  await page.goto(`${site}/workers`);
  await page.locator('#workers tr').first().waitFor();
  return page;
};
const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
const rows = (page, which = '') => page.locator(`#workers tr${which}`);
const pidOf = (row) => row.getAttribute('data-pid');
const slotOf = (row) => row.locator('[data-fact=slot]').innerText();
/// Waits for another process in the slot, and returns its row.
const successor = async (page, slot, pid) => {
  const handle = await page.waitForFunction(([slot, pid]) => {
    const rows = [...document.querySelectorAll('#workers tr')];
    return rows.find((row) => {
      const text = (name) => row.querySelector(`[data-fact=${name}]`).textContent;
      return text('slot') === slot && row.dataset.pid !== pid && text('state') === 'serving';
    });
  }, [slot, pid]);
  return handle.asElement();
};
const restarts = async (row) => Number(await (await row.$('[data-fact=restarts]')).innerText());

try {
  const page = await open({ viewport: { width: 1280, height: 900 } });
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  const shot = (name, options) => page.screenshot({ path: join(artefacts, `${name}.png`), ...options });

  const count = await rows(page).count();
  assert.ok(count >= 1);
  const answering = rows(page, '[data-served]');
  await answering.waitFor();
  assert.equal(await page.locator('#served [data-fact=pid]').innerText(), await pidOf(answering));
  await shot('workers', { fullPage: true });

  // One that does not answer, with the keyboard; the page goes on without a hitch.
  if (count > 1) {
    const other = rows(page, ':not([data-served])').first();
    const [slot, pid] = [await slotOf(other), await pidOf(other)];
    await other.locator('button').focus();
    await page.keyboard.press('Enter');
    assert.ok((await restarts(await successor(page, slot, pid))) >= 1);
    await page.locator('#status', { hasText: `after process ${pid} was killed` }).waitFor();
    assert.equal(await rows(page, `[data-pid="${pid}"]`).count(), 0);
    await shot('workers-killed', { fullPage: true });
    assert.deepEqual(complaints, []);
  }

  // The one that answers: its answer comes first, and the next question is another one's to answer.
  const [slot, pid] = [await slotOf(answering), await pidOf(answering)];
  await answering.locator('button').click();
  assert.ok((await restarts(await successor(page, slot, pid))) >= 1);
  await page.waitForFunction((pid) => document.querySelector('#served [data-fact=pid]').textContent !== pid, pid);
  if (count === 1) await shot('workers-killed', { fullPage: true });

  // Paused, the page rests.
  await page.locator('#pause').click();
  assert.equal(await page.locator('#pause').getAttribute('aria-pressed'), 'true');

  const phone = await open({ viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
  assert.ok(await fits(phone));
  await phone.screenshot({ path: join(artefacts, 'workers-phone.png'), fullPage: true });

  const dark = await open({ colorScheme: 'dark' });
  assert.ok(await fits(dark));
  await dark.screenshot({ path: join(artefacts, 'workers-dark.png'), fullPage: true });

  // Without scripts: a form and a link.
  const plain = await open({ javaScriptEnabled: false });
  const last = rows(plain, ':not([data-served])').or(rows(plain)).last();
  const victim = await pidOf(last);
  await last.locator('button').click();
  await plain.getByText(`Process ${victim} was killed`).waitFor();
  await plain.screenshot({ path: join(artefacts, 'workers-plain.png'), fullPage: true });
  await plain.locator('#again').click();
  assert.equal(plain.url(), `${site}/workers`);

  console.log('all well');
} finally {
  await browser.close();
}

// Persons with Chromium at the account page: log in, see their devices, end sessions; and stay logged in while
// workers are killed, replaced by a reload, and the whole demo is started anew, for which whoever runs this
// script is asked: a line "please …" on the standard output is answered by a line with the site's address.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

let [site, artefacts] = process.argv.slice(2);
const scheme = new URL(site).protocol.slice(0, -1);
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const please = async (what) => {
  console.log(`please ${what}`);
  site = (await answers.next()).value;
};
const browser = await chromium.launch({
  executablePath: process.env.NARAE_CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
const PHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Safari/604.1';

const open = async (options) => {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  const page = await context.newPage();
  await page.goto(`${site}/account`);
  return page;
};
const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
const navigation = (page) => page.locator('nav ul').evaluate((list) => list.clientHeight);
const visits = async (page) => {
  const words = await page.locator('#visits').innerText();
  return words === 'once' ? 1 : Number(words.replace(' times', ''));
};
const worker = async (page) => Number((await page.locator('#worker').innerText()).match(/process (\d+)/)[1]);
const greeting = (page, name) => page.getByRole('heading', { name: `Hello, ${name}` });
const form = (page) => page.locator('form[action="/account/login"]');
const notice = (page, text) => page.locator('.notice', { hasText: text });
const look = (page) => page.goto(`${site}/account`);
const click = (page) => page.locator('nav a', { hasText: 'Account' }).click();
const logIn = async (page, name, password = 'narae') => {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
};
const press = (page, name) => page.getByRole('button', { name, exact: true }).click();

try {
  const page = await open({ viewport: { width: 1280, height: 900 } });
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  const shot = (page, name) => page.screenshot({ path: join(artefacts, `account-${scheme}-${name}.png`), fullPage: true });

  // Looks are counted.
  assert.equal(await visits(page), 1);
  await page.reload();
  assert.equal(await visits(page), 2);

  // A wrong password is said once; the form keeps the name.
  await logIn(page, 'Nuri', 'wrong');
  await notice(page, 'not the password').waitFor();
  assert.equal(await page.getByLabel('Name').inputValue(), 'Nuri');
  await shot(page, 'login');
  await page.reload();
  assert.equal(await page.locator('.notice').count(), 0);

  // Log in with the keyboard alone.
  await page.getByLabel('Name').focus();
  await page.keyboard.type('Nuri');
  await page.keyboard.press('Tab');
  await page.keyboard.type('narae');
  await page.keyboard.press('Enter');
  await greeting(page, 'Nuri').waitFor();
  await notice(page, 'Welcome, Nuri.').waitFor();
  const before = await visits(page);
  await click(page);
  await greeting(page, 'Nuri').waitFor();
  assert.equal(await page.locator('.notice').count(), 0);
  assert.equal(await visits(page), before + 1);
  const cookies = await page.context().cookies();
  const [cookie] = cookies;
  assert.equal(cookies.length, 1);
  assert.equal(cookie.name, scheme === 'https' ? '__Host-sid' : 'sid');
  assert.deepEqual([cookie.httpOnly, cookie.secure, cookie.sameSite], [true, scheme === 'https', 'Lax']);
  assert.equal(cookie.expires, -1);

  // Another browser, without scripts, that stays logged in.
  const phone = await open({
    viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, userAgent: PHONE, javaScriptEnabled: false,
  });
  assert.equal(await visits(phone), 1);
  await phone.getByLabel('Stay logged in').check();
  await logIn(phone, 'Nuri');
  await greeting(phone, 'Nuri').waitFor();
  assert.ok((await phone.context().cookies())[0].expires > Date.now() / 1000 + 29 * 24 * 3600);
  await shot(phone, 'phone');
  await click(page);
  const devices = page.locator('#devices li');
  assert.equal(await devices.count(), 2);
  assert.match(await devices.nth(0).innerText(), /Chrome on Linux[\s\S]*this device/);
  assert.match(await devices.nth(1).innerText(), /Safari on iPhone[\s\S]*Log out/);
  await shot(page, 'devices');

  // Another site's page cannot log anybody out.
  const evil = await page.context().newPage();
  const trap = `<form method="post" action="${site}/account/logout-everywhere"><button>Win</button></form>`;
  await evil.route('http://evil.example/', (route) => route.fulfill({ contentType: 'text/html', body: trap }));
  await evil.goto('http://evil.example/');
  const [refused] = await Promise.all([evil.waitForResponse(`${site}/**`), evil.locator('button').click()]);
  assert.equal(refused.status(), 403);
  await evil.close();

  // Whatever happens to the processes, both stay logged in, and no look is lost.
  const stays = async (after, changed) => {
    const [count, pid] = [await visits(page), await worker(page)];
    await please(after(pid));
    for (const [one, least] of [[page, count + 1], [phone, 1]]) {
      await look(one);
      await greeting(one, 'Nuri').waitFor();
      assert.ok((await visits(one)) >= least);
    }
    assert.equal(await visits(page), count + 1);
    if (changed) assert.notEqual(await worker(page), pid);
  };
  await stays((pid) => `kill ${pid}`, true);
  await stays(() => 'reload', true);
  await stays(() => 'restart', true);
  await stays((pid) => `kill ${pid}`, true);

  // One logs the other out, which is at the login form at its next click.
  await devices.nth(1).getByRole('button').click();
  await notice(page, 'Logged out: 1 device.').waitFor();
  assert.equal(await devices.count(), 1);
  await click(phone);
  await form(phone).waitFor();

  // Out everywhere else: this one stays.
  await logIn(phone, 'Nuri');
  await greeting(phone, 'Nuri').waitFor();
  await press(phone, 'Log out everywhere else');
  await greeting(phone, 'Nuri').waitFor();
  await click(page);
  await form(page).waitFor();

  // Out everywhere: nobody stays.
  await logIn(page, 'Nuri');
  await press(page, 'Log out everywhere');
  await notice(page, 'logged out everywhere: 2 devices').waitFor();
  await form(page).waitFor();
  await press(phone, 'Log out');
  await notice(phone, 'not logged in any more').waitFor();
  await form(phone).waitFor();
  await phone.reload();
  assert.equal(await phone.locator('.notice').count(), 0);

  // Out of this one.
  await logIn(page, '나래');
  await greeting(page, '나래').waitFor();
  await press(page, 'Log out');
  await notice(page, 'You are logged out.').waitFor();
  await page.goBack();
  await page.goForward();
  await form(page).waitFor();
  // Chromium says so of its own when connections end under it, and of nothing else.
  assert.deepEqual(complaints.filter((text) => !text.includes('net::ERR_')), []);

  const dark = await open({ viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
  await logIn(dark, 'Nuri');
  assert.ok(await fits(dark));
  assert.ok((await navigation(dark)) < 60, 'the navigation is one line');
  await shot(dark, 'dark');
  const small = await open({ viewport: { width: 340, height: 700 } });
  assert.ok(await fits(small));
  assert.ok((await navigation(small)) < 60, 'the navigation is one line');

  console.log('all well');
} finally {
  await browser.close();
  process.stdin.destroy();
}

// Keeps the workers page up to date, once a second, and kills a worker without leaving the page.
//
// In: `GET /api/workers`. Out: rows of the table, keyed by process. Without this script the page is the same,
// as of the moment when it was asked for.

const PAUSE = 1000; // milliseconds between two questions
const LONG_PAUSE = 5000; // and after one that was not answered twice in a row

const byId = (id) => document.getElementById(id);
const table = byId('workers');
const served = byId('served');
const status = byId('status');
const pause = byId('pause');
const seen = new Map(); // slot to process id, as last shown
const killed = new Set(); // process ids that this page killed
let failures = 0; // in a row

function span(seconds) {
  for (const [unit, length] of [['h', 3600], ['min', 60]]) {
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

/// The texts of a row, by the names of their places.
function facts(worker) {
  return { ...worker, age: span(worker.age_seconds), memory: `${(worker.memory / 2 ** 20).toFixed(1)} MiB` };
}

function write(place, value) {
  const text = String(value ?? 'none');
  if (place && place.textContent !== text) place.textContent = text;
}

function rowOf(pid) {
  return table.querySelector(`tr[data-pid="${pid}"]`);
}

function made(worker) {
  const row = byId('row').content.firstElementChild.cloneNode(true);
  row.dataset.pid = worker.pid;
  row.dataset.new = '';
  const form = row.querySelector('form');
  if (form) {
    form.action = `/workers/${worker.pid}/kill`;
    form.querySelector('.visually-hidden').textContent = ` worker ${worker.slot}, process ${worker.pid}`;
  }
  return row;
}

function show(answer) {
  for (const [name, value] of Object.entries(answer.served_by)) {
    write(served.querySelector(`[data-fact="${name}"]`), value);
  }
  for (const place of document.querySelectorAll('[data-whole]')) {
    const value = answer.cluster?.[place.dataset.whole];
    write(place, Array.isArray(value) ? value.join(', ') : value);
  }
  byId('broken').hidden = !answer.cluster?.broken_slots.length;
  const hadFocus = document.activeElement?.closest('tr')?.dataset.pid;
  answer.workers.forEach((worker, index) => {
    const row = rowOf(worker.pid) ?? made(worker);
    for (const [name, value] of Object.entries(facts(worker))) {
      write(row.querySelector(`[data-fact="${name}"]`), value);
    }
    row.querySelector('.state').dataset.state = worker.state;
    row.toggleAttribute('data-served', worker.pid === answer.served_by.pid);
    if (table.children[index] !== row) table.insertBefore(row, table.children[index] ?? null);
    tell(worker);
  });
  const pids = new Set(answer.workers.map((worker) => String(worker.pid)));
  for (const row of [...table.children]) {
    if (!pids.has(row.dataset.pid)) row.remove();
  }
  if (hadFocus && !pids.has(hadFocus)) pause.focus();
}

/// Says once that another process has taken a place.
function tell(worker) {
  if (worker.state !== 'serving' || seen.get(worker.slot) === worker.pid) return;
  const before = seen.get(worker.slot);
  seen.set(worker.slot, worker.pid);
  if (before === undefined) return;
  const why = killed.has(before) ? ` after process ${before} was killed` : '';
  status.textContent = `Worker ${worker.slot} serves again as process ${worker.pid}${why}; restarts so far: ${worker.restarts}.`;
}

async function look() {
  try {
    const response = await fetch('/api/workers', { cache: 'no-store' });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail);
    show(answer);
    failures = 0;
  } catch (error) {
    failures += 1;
    status.textContent = `No news: ${error.message}. Asking again.`;
  }
}

async function kill(pid) {
  killed.add(pid);
  try {
    const response = await fetch(`/api/workers/${pid}/kill`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{}',
    });
    const answer = await response.json();
    status.textContent = response.ok ? `Worker ${answer.slot}, process ${pid}, is killed.` : `${answer.detail}.`;
  } catch {
    status.textContent = `Process ${pid} ended before it could answer.`;
  }
}

const isPaused = () => pause.getAttribute('aria-pressed') === 'true';

async function keepLooking() {
  for (;;) {
    if (!isPaused() && !document.hidden) await look();
    await new Promise((done) => setTimeout(done, failures > 1 ? LONG_PAUSE : PAUSE));
  }
}

// Without a cluster there is nothing to look at.
if (table) {
  pause.hidden = false;
  pause.addEventListener('click', () => pause.setAttribute('aria-pressed', String(!isPaused())));
  byId('again').addEventListener('click', (event) => {
    event.preventDefault();
    look();
  });
  table.addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = event.target.querySelector('button');
    button.disabled = true;
    await kill(Number(event.target.closest('tr').dataset.pid));
  });
  keepLooking();
}

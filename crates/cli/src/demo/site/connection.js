// Asks the server again who it is, and counts which process answered.

const facts = document.getElementById('facts');
const tally = document.getElementById('tally');
const status = document.getElementById('status');
const counts = new Map(); // process and worker to number of answers

async function ask(times) {
  status.textContent = '';
  try {
    for (let asked = 0; asked < times; asked += 1) {
      const response = await fetch('/api/connection', { cache: 'no-store' });
      if (!response.ok) throw new Error(response.statusText);
      const served = await response.json();
      const who = `${served.pid} ${served.worker}`;
      counts.set(who, (counts.get(who) ?? 0) + 1);
      show(served);
    }
    status.textContent = times === 1 ? 'Asked once.' : `Asked ${times} times.`;
  } catch {
    status.textContent = 'The server could not be reached; is it still running?';
  }
}

function show(served) {
  for (const [name, value] of Object.entries(served)) {
    const fact = facts.querySelector(`[data-fact="${name}"]`);
    const text = String(value ?? 'none');
    if (fact && fact.textContent !== text) fact.textContent = text;
  }
  const rows = [...counts].map(([who, count]) => {
    const row = document.createElement('tr');
    for (const text of [...who.split(' '), count]) row.insertCell().textContent = text;
    return row;
  });
  tally.tBodies[0].replaceChildren(...rows);
  tally.hidden = false;
}

for (const button of document.querySelectorAll('[data-times]')) {
  button.addEventListener('click', async () => {
    button.disabled = true;
    await ask(Number(button.dataset.times));
    button.disabled = false;
    button.focus();
  });
}

// The users board: shows the list and turns buttons into requests.
//
// In: what the person does, and what the API answers. Out: requests, through
// `wire.js`. All text from the API enters the page as `textContent`, so a name
// can never become markup.

import { send } from './wire.js';
import { UserForm } from './user_form.js';

const TYPING_PAUSE = 200; // milliseconds without a key before a search is sent
const TOAST_SHOWN = 6000; // milliseconds
const AVATAR_COLOURS = 6;

const byId = (id) => document.getElementById(id);
const list = byId('users');
const search = byId('search');
const more = byId('more');
const add = byId('add');
const toast = byId('status');
const confirmation = byId('confirm');

const characters = new Intl.Segmenter(); // a flag or a family is one character, too
const users = new Map(); // id to user, as last seen
let next = null; // address of the next page of the list
let doomed = null; // id that the dialog asks about
let newest = 0; // number of the newest list request: answers to older ones are dropped

// ---- the list ----

async function load() {
  const question = ++newest;
  const text = search.value.trim();
  const answer = await send('GET', text ? `/api/users?q=${encodeURIComponent(text)}` : '/api/users');
  if (question !== newest) return;
  list.removeAttribute('aria-busy');
  if (!answer.ok) {
    say(`The users could not be loaded: ${answer.data?.detail ?? answer.reason}.`, 'bad');
    return;
  }
  const focused = document.activeElement;
  for (const id of users.keys()) {
    if (!answer.data.some((user) => user.id === id)) forget(id);
  }
  next = answer.next;
  answer.data.forEach(show);
  reorder();
  if (focused?.isConnected && focused !== document.activeElement) focused.focus();
  summarize();
}

async function loadMore() {
  const answer = await send('GET', next);
  if (!answer.ok) {
    say(`There is more, but it could not be loaded: ${answer.data?.detail ?? answer.reason}.`, 'bad');
    return;
  }
  next = answer.next;
  answer.data.forEach(show);
  reorder();
  summarize();
  if (answer.data.length > 0) card(answer.data[0].id)?.querySelector('button').focus();
}

/// Puts a user on the board, or brings its card up to date.
function show(user) {
  const before = users.get(user.id);
  users.set(user.id, user);
  const existing = card(user.id);
  if (existing && (before?.version === user.version || existing.classList.contains('editing'))) return;
  const made = existing ?? byId('user-template').content.firstElementChild.cloneNode(true);
  made.dataset.id = user.id;
  paint(made, user);
  if (!existing) list.append(made);
}

function paint(made, user) {
  const part = (selector) => made.querySelector(selector);
  part('.avatar').textContent = initials(user.name);
  part('.avatar').className = `avatar tint-${user.id % AVATAR_COLOURS}`;
  part('.name').textContent = user.name;
  part('.role').textContent = user.role;
  part('.email').hidden = !user.email;
  part('.email').textContent = user.email ?? '';
  part('.email').href = `mailto:${encodeURIComponent(user.email ?? '')}`;
  part('.note').hidden = !user.note;
  part('.note').textContent = user.note;
  part('time').dateTime = user.updated_at;
  part('time').textContent = ago(new Date(user.updated_at));
  part('time').title = new Date(user.updated_at).toLocaleString('en');
  part('.version').textContent = user.version;
  part('[data-action=star]').setAttribute('aria-pressed', user.starred);
  part('[data-action=star]').setAttribute('aria-label', `Star ${user.name}`);
  part('[data-action=edit]').setAttribute('aria-label', `Edit ${user.name}`);
  part('[data-action=delete]').setAttribute('aria-label', `Delete ${user.name}`);
}

function forget(id) {
  users.delete(id);
  card(id)?.remove();
}

/// Newest first, as the API lists them.
function reorder() {
  const cards = [...list.children];
  const ordered = cards.toSorted((a, b) => b.dataset.id - a.dataset.id);
  if (ordered.some((made, index) => made !== cards[index])) list.append(...ordered);
}

function summarize() {
  const count = users.size;
  more.hidden = next === null;
  byId('count').textContent =
    count === 0 ? '' : `${count}${next ? '+' : ''} ${count === 1 ? 'user' : 'users'}`;
  byId('nobody').hidden = count > 0;
  byId('nobody-text').textContent = search.value.trim()
    ? `Nobody matches “${search.value.trim()}”.`
    : 'Nobody is aboard yet. Add the first user.';
}

function card(id) {
  return list.querySelector(`[data-id="${id}"]`);
}

// ---- what a person can do ----

function openNew() {
  hush();
  const place = byId('new-user');
  if (place.firstElementChild) {
    place.querySelector('input').focus();
    return;
  }
  const close = () => {
    place.replaceChildren();
    add.focus();
  };
  const done = (user) => {
    close();
    saved(user);
  };
  const form = new UserForm({ save: store, done, cancel: close });
  place.append(form.element);
  form.focus();
}

function openEdit(id) {
  hush();
  const made = card(id);
  if (made.classList.contains('editing')) return;
  const close = () => {
    form.element.remove();
    made.classList.remove('editing');
    if (users.has(id)) paint(made, users.get(id));
    made.querySelector('[data-action=edit]').focus();
  };
  const done = (user) => {
    close();
    if (user.id !== id) forget(id); // it was deleted elsewhere and became a new user
    saved(user);
  };
  const form = new UserForm({ user: users.get(id), save: store, done, cancel: close });
  made.classList.add('editing');
  made.append(form.element);
  form.focus();
}

/// The whole form is the whole user, so an edit is a PUT.
function store(draft, user) {
  if (user) return send('PUT', `/api/users/${user.id}`, { body: draft, version: user.version });
  return send('POST', '/api/users', { body: draft });
}

function saved(user) {
  const created = !users.has(user.id);
  show(user);
  reorder();
  summarize();
  flash(card(user.id));
  say(created ? `${user.name} was added.` : `${user.name} was saved.`);
}

/// One field changes, so this is a PATCH.
async function star(id) {
  const user = users.get(id);
  const answer = await send('PATCH', `/api/users/${id}`, {
    body: { starred: !user.starred },
    version: user.version,
    type: 'application/merge-patch+json',
  });
  if (answer.ok) {
    show(answer.data);
    say(answer.data.starred ? `${user.name} has a star.` : `${user.name} has no star any more.`);
  } else {
    refused(id, answer);
  }
}

/// Asks first. Escape and "Keep" close the dialog, and nothing has happened.
function askToRemove(id) {
  hush();
  doomed = id;
  byId('confirm-title').textContent = `Delete ${users.get(id).name}?`;
  confirmation.showModal();
}

async function remove(id) {
  const user = users.get(id);
  const answer = await send('DELETE', `/api/users/${id}`, { version: user.version });
  if (!answer.ok) {
    refused(id, answer);
    return;
  }
  const neighbour = card(id).nextElementSibling ?? card(id).previousElementSibling;
  forget(id);
  summarize();
  (neighbour?.querySelector('[data-action=delete]') ?? add).focus();
  say(`${user.name} was deleted.`);
}

/// A change that the server did not make: says why, and shows the newer value.
function refused(id, answer) {
  const name = users.get(id).name;
  if (answer.status === 412) {
    show(answer.data.current);
    flash(card(id));
    say(`${name} was changed elsewhere. Nothing was overwritten; this is the newer version.`, 'bad');
  } else if (answer.status === 404) {
    forget(id);
    summarize();
    add.focus();
    say(`${name} was deleted elsewhere.`, 'bad');
  } else {
    say(`That did not work: ${answer.data?.detail ?? answer.reason}.`, 'bad');
  }
}

// ---- small things ----

let hiding;
function say(text, tone = 'good') {
  clearTimeout(hiding);
  toast.textContent = text;
  toast.className = `toast shown ${tone}`;
  if (tone === 'good') hiding = setTimeout(hush, TOAST_SHOWN);
}

function hush() {
  toast.classList.remove('shown');
}

function flash(made) {
  made.classList.remove('flash');
  requestAnimationFrame(() => made.classList.add('flash'));
}

function initials(name) {
  const first = (word) => [...characters.segment(word)][0]?.segment ?? '';
  const words = name.split(/\s+/);
  return words.length > 1 ? first(words[0]) + first(words.at(-1)) : first(name);
}

function ago(date) {
  const steps = [
    ['day', 86400],
    ['hour', 3600],
    ['minute', 60],
  ];
  const seconds = (date - Date.now()) / 1000;
  const step = steps.find(([, length]) => Math.abs(seconds) >= length);
  if (!step) return 'just now';
  return new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(
    Math.round(seconds / step[1]),
    step[0],
  );
}

const actions = { star, edit: openEdit, delete: askToRemove };
list.addEventListener('click', (event) => {
  const button = event.target.closest('.user > .actions [data-action]');
  if (button) actions[button.dataset.action](Number(button.closest('.user').dataset.id));
});
confirmation.addEventListener('submit', (event) => {
  if (event.submitter.value === 'delete') remove(doomed);
});
add.addEventListener('click', openNew);
more.addEventListener('click', loadMore);
byId('refresh').addEventListener('click', load);

let typing;
search.addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(load, TYPING_PAUSE);
});
byId('search-form').addEventListener('submit', (event) => {
  event.preventDefault();
  clearTimeout(typing);
  load();
});

load();

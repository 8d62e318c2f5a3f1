// Sends requests to the API and shows each of them in the list "On the wire".
//
// In: a method, a path and perhaps a user. Out: the answer, in one shape for
// success, refusal and a dead connection. Knows nothing about the board.

const MOST_SHOWN = 40;

const list = document.getElementById('wire');

/// Sends one request. `version` makes a change conditional: it fails with 412
/// unless the user still has that version.
export async function send(method, path, { body, version, type = 'application/json' } = {}) {
  const headers = {};
  if (body !== undefined) headers['Content-Type'] = type;
  if (version !== undefined) headers['If-Match'] = `"${version}"`;
  const sent = { method, path, headers, body: body === undefined ? undefined : JSON.stringify(body) };
  const started = performance.now();
  const answer = await receive(sent);
  answer.milliseconds = performance.now() - started;
  show(sent, answer);
  return answer;
}

async function receive(sent) {
  try {
    const response = await fetch(sent.path, { method: sent.method, headers: sent.headers, body: sent.body });
    const text = await response.text();
    const json = /[/+]json/.test(response.headers.get('Content-Type') ?? '');
    return {
      ok: response.ok,
      status: response.status,
      reason: response.statusText,
      next: nextPage(response.headers.get('Link')),
      text,
      data: json ? JSON.parse(text) : null,
    };
  } catch {
    const detail = 'the server could not be reached';
    return { ok: false, status: 0, reason: 'no answer', next: null, text: '', data: { detail } };
  }
}

/// The target of `Link: <…>; rel="next"`.
function nextPage(link) {
  return link?.match(/<([^>]*)>; rel="next"/)?.[1] ?? null;
}

function show(sent, answer) {
  const verb = element('span', `verb ${sent.method.toLowerCase()}`, sent.method);
  const path = element('code', 'path', decodeURI(sent.path));
  const status = element('span', `code ${answer.ok ? 'good' : 'bad'}`, answer.status || 'failed');
  const summary = element('summary');
  summary.append(verb, path, status);

  const details = element('details');
  details.append(
    summary,
    message('Request', [`${sent.method} ${sent.path}`, ...headerLines(sent.headers)], sent.body),
    message(
      `Answer after ${answer.milliseconds.toFixed(0)} ms`,
      [`${answer.status} ${answer.reason}`],
      answer.text,
    ),
    copyButton(asCurl(sent)),
  );
  const item = element('li');
  item.append(details);
  list.prepend(item);
  while (list.children.length > MOST_SHOWN) list.lastElementChild.remove();
}

function headerLines(headers) {
  return Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
}

function message(title, head, body) {
  const box = element('div', 'message');
  const text = body ? [...head, '', indented(body)] : head;
  const content = element('pre', '', text.join('\n'));
  content.tabIndex = 0;
  box.append(element('h3', '', title), content);
  return box;
}

function indented(body) {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}

function copyButton(text) {
  const button = element('button', 'small', 'Copy as curl');
  button.type = 'button';
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Copying is not allowed here';
    }
  });
  return button;
}

function asCurl(sent) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parts = ['curl', '-i', '-X', sent.method, quoted(location.origin + sent.path)];
  for (const line of headerLines(sent.headers)) parts.push('-H', quoted(line));
  if (sent.body !== undefined) parts.push('--data', quoted(sent.body));
  return parts.join(' ');
}

function element(name, classes = '', text = '') {
  const made = document.createElement(name);
  made.className = classes;
  made.textContent = text;
  return made;
}

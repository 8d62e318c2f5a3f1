// The form that adds or edits one user.
//
// In: a user (or none), and `save`, which stores a draft. Out: the saved user,
// by way of `done`. The server is the only judge of what is valid; the form
// shows its verdict field by field, and never loses what was typed.

const LONGEST_NOTE = 280;

const template = document.getElementById('form-template');
const FIELDS = ['name', 'email', 'role', 'note'];
let made = 0;

export class UserForm {
  /// `save(draft, user)` sends the draft; `user` is the version it is based on,
  /// or null to create. `done(user)` runs after a save, `cancel()` instead.
  constructor({ user = null, save, done, cancel }) {
    this.user = user;
    this.save = save;
    this.done = done;
    this.cancel = cancel;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.banner = this.element.querySelector('.banner');
    this.submit = this.element.querySelector('[type=submit]');
    this.connectLabels();
    this.element.addEventListener('submit', (event) => this.submitted(event));
    this.element.querySelector('[data-action=cancel]').addEventListener('click', () => this.cancel());
    this.element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && !event.isComposing) this.cancel();
    });
    this.input('note').addEventListener('input', () => this.countNote());
    this.fill(user ?? {});
    this.entitle();
  }

  focus() {
    this.input('name').focus();
  }

  input(field) {
    return this.element.elements[field];
  }

  fill(user) {
    this.input('name').value = user.name ?? '';
    this.input('email').value = user.email ?? '';
    this.input('role').value = user.role ?? 'passenger';
    this.input('note').value = user.note ?? '';
    this.countNote();
  }

  draft() {
    return {
      name: this.input('name').value,
      email: this.input('email').value || null,
      role: this.input('role').value,
      note: this.input('note').value,
      starred: this.user?.starred ?? false,
    };
  }

  entitle() {
    this.element.querySelector('.form-title').textContent = this.user
      ? `Edit ${this.user.name}`
      : 'Add a user';
    this.submit.textContent = this.user ? 'Save' : 'Add';
  }

  connectLabels() {
    made += 1;
    for (const field of FIELDS) {
      const box = this.box(field);
      const id = `form-${made}-${field}`;
      this.input(field).id = id;
      box.querySelector('label').htmlFor = id;
      box.querySelector('.error').id = `${id}-error`;
    }
  }

  box(field) {
    return this.element.querySelector(`[data-field="${field}"]`);
  }

  countNote() {
    const left = LONGEST_NOTE - [...this.input('note').value.trim()].length;
    const counter = this.element.querySelector('.left');
    counter.textContent = left < 60 ? `${left} left` : '';
    counter.classList.toggle('over', left < 0);
  }

  async submitted(event) {
    event.preventDefault();
    if (this.submit.disabled) return;
    this.submit.disabled = true;
    this.clearErrors();
    const answer = await this.save(this.draft(), this.user);
    this.submit.disabled = false;
    if (answer.ok) this.done(answer.data);
    else if (answer.status === 422 && answer.data?.errors) this.showErrors(answer.data.errors);
    else if (answer.status === 412 && answer.data?.current) this.showConflict(answer.data.current);
    else if (answer.status === 404 && this.user) this.showDeleted();
    else this.say(`Not saved: ${answer.data?.detail ?? answer.reason}.`);
  }

  clearErrors() {
    this.banner.hidden = true;
    this.banner.replaceChildren();
    for (const field of FIELDS) this.showError(field, null);
  }

  showError(field, message) {
    const input = this.input(field);
    const error = this.box(field).querySelector('.error');
    error.hidden = message === null;
    error.textContent = message === null ? '' : `${input.labels[0].firstChild.textContent.trim()} ${message}`;
    if (message === null) {
      input.removeAttribute('aria-invalid');
      input.removeAttribute('aria-describedby');
    } else {
      input.setAttribute('aria-invalid', 'true');
      input.setAttribute('aria-describedby', error.id);
    }
  }

  showErrors(errors) {
    const wrong = FIELDS.filter((field) => field in errors);
    for (const field of wrong) this.showError(field, errors[field]);
    if (wrong.length > 0) this.input(wrong[0]).focus();
    else this.say('Not saved: the server did not accept these fields.');
  }

  /// Somebody saved a newer version. The person who typed decides.
  showConflict(current) {
    const theirs = button('Use the newer version', () => {
      this.user = current;
      this.fill(current);
      this.clearErrors();
      this.entitle();
      this.focus();
    });
    const mine = button('Keep my text', () => {
      this.user = current;
      this.clearErrors();
      this.submit.focus();
    });
    const changes = document.createElement('ul');
    for (const field of FIELDS) {
      if ((this.input(field).value || null) === (current[field] || null)) continue;
      const change = document.createElement('li');
      const label = document.createElement('strong');
      label.textContent = this.input(field).labels[0].firstChild.textContent.trim();
      change.append(label, ` is now ${current[field] ? `“${current[field]}”` : 'empty'}`);
      changes.append(change);
    }
    this.say(
      'Somebody saved a newer version while you were editing. Nothing was overwritten.',
      changes,
      theirs,
      mine,
    );
    theirs.focus();
  }

  /// The user is gone, the text is not: it can become a new user.
  showDeleted() {
    this.user = null;
    this.entitle();
    this.say('This user was deleted while you were editing. You can add your text as a new user, or cancel.');
    this.submit.focus();
  }

  say(text, ...more) {
    const sentence = document.createElement('p');
    sentence.textContent = text;
    this.banner.replaceChildren(sentence, ...more);
    this.banner.hidden = false;
  }
}

function button(label, act) {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = 'small';
  made.textContent = label;
  made.addEventListener('click', act);
  return made;
}

// The live parts of the console. Pages come whole from the server; this replaces, in the
// page that is there, the regions that have changed. Text is never parsed as HTML here.

const { path, login, page } = document.body.dataset;
const live = document.getElementById('live');
const pollEvery = 5000;
let asking = false, again = false, timer = 0, held = null;
let instance = document.body.dataset.instance, heard = Date.now(); // whose numbers this page shows
const otherAfter = 15000;

// get fetches a page as a document, in which no script runs.
function get(url, form) {
  return new Promise((done, failed) => {
    const x = new XMLHttpRequest();
    x.open(form ? 'POST' : 'GET', url);
    x.responseType = 'document';
    x.timeout = 15000;
    x.setRequestHeader('Accept', 'text/html');
    if (!form) x.setRequestHeader('X-Live', '1'); // looking on is no use of the session
    x.onload = () => done(x);
    x.onerror = x.ontimeout = () => failed(new Error('no answer'));
    x.send(form ? new URLSearchParams(new FormData(form)) : null);
  });
}

const busy = node => node.contains(document.activeElement) && document.activeElement !== document.body;

function replace(old, fresh) {
  const next = document.importNode(fresh, true);
  const scrolled = [...old.querySelectorAll('.wide')].map(w => w.scrollLeft);
  old.replaceWith(next);
  next.querySelectorAll('.wide').forEach((w, i) => { w.scrollLeft = scrolled[i] || 0; });
}

// hold keeps new rows of the event list back, behind a button that says how many.
function hold(old, fresh) {
  const newest = Number(old.querySelector('[data-seq]')?.dataset.seq || 0);
  const more = [...fresh.querySelectorAll('[data-seq]')].filter(row => Number(row.dataset.seq) > newest).length;
  held = fresh;
  if (!more || new URLSearchParams(location.search).has('before')) return;
  let button = old.querySelector('.more');
  if (!button) {
    button = document.createElement('button');
    button.className = 'more';
    button.addEventListener('click', () => replace(document.getElementById('stream'), held));
    old.prepend(button);
  }
  const text = more >= 100 ? '100 or more new' : more + ' new';
  if (button.textContent !== text) button.textContent = text;
}

async function refresh() {
  if (document.hidden) return;
  if (asking) { again = true; return; }
  asking = true;
  try {
    const x = await get(page === 'preview' || page === 'given' ? path : location.pathname + location.search);
    if (ended(x)) { askLogin(refresh); return; }
    if (x.status !== 200 || !x.response) { say('cannot be renewed: status ' + x.status); return; }
    // Behind a load balancer another instance may answer: its events are others.
    const from = x.response.body.dataset.instance;
    if (from === instance || Date.now() - heard > otherAfter) { instance = from; heard = Date.now(); }
    for (const fresh of x.response.querySelectorAll('[data-live], [data-held]')) {
      const old = document.getElementById(fresh.id);
      if (!old || busy(old) || old.isEqualNode(fresh) || ('own' in fresh.dataset && from !== instance)) continue;
      if ('held' in fresh.dataset) hold(old, fresh); else replace(old, fresh);
    }
    say('live, ' + new Date().toISOString().slice(11, 19));
  } catch {
    say('▲ no answer since ' + new Date().toISOString().slice(11, 19) + '; this is what was known');
  } finally {
    asking = false;
    if (again) { again = false; setTimeout(refresh, 1000); }
  }
}

function say(text) { live.textContent = text; }

// ended reports whether an answer says that nobody is logged in any more.
const ended = x => x.status === 401 || (login && new URL(x.responseURL).pathname === login);

// askLogin lets an operator log in again without leaving the page.
function askLogin(then) {
  if (!login || document.querySelector('dialog')) return;
  const make = (name, props, ...inside) => {
    const node = Object.assign(document.createElement(name), props);
    node.append(...inside);
    return node;
  };
  const says = make('p', { role: 'alert', textContent: 'Your session has ended. Log in again; the page stays.' });
  const form = make('form', {}, says,
    make('p', {}, make('label', { htmlFor: 'again-name', textContent: 'User name' }), make('input', { id: 'again-name', name: 'username', required: true, autocomplete: 'username' })),
    make('p', {}, make('label', { htmlFor: 'again-password', textContent: 'Password' }), make('input', { id: 'again-password', name: 'password', type: 'password', required: true, autocomplete: 'current-password' })),
    make('p', {}, make('button', { className: 'strong', textContent: 'Log in' })));
  const dialog = make('dialog', {}, form);
  dialog.setAttribute('aria-label', 'Log in again');
  form.addEventListener('submit', async event => {
    event.preventDefault();
    try {
      const data = new URLSearchParams(new FormData(form));
      data.set('next', path);
      const answer = await fetch(login, { method: 'POST', body: data });
      if (!answer.ok || new URL(answer.url).pathname === login) {
        says.textContent = answer.status === 429 ? 'Too many attempts: wait, and try again.' : 'That is not right; try again.';
        return;
      }
      dialog.close();
      dialog.remove();
      connect();
      then();
    } catch { says.textContent = 'No answer; try again.'; }
  });
  document.body.append(dialog);
  dialog.showModal();
}

// Orders are sent from the page, so that a session which has ended loses no form.
document.addEventListener('submit', async event => {
  const form = event.target;
  if (!form.action || !new URL(form.action).pathname.startsWith(path + 'orders/')) return;
  event.preventDefault();
  const send = async () => {
    const button = form.querySelector('button');
    button.disabled = true;
    try {
      const x = await get(form.action, form);
      if (ended(x)) { askLogin(send); return; }
      const main = x.response?.querySelector('main');
      if (!main) { say('▲ the order was refused: status ' + x.status); return; }
      const next = document.importNode(main, true);
      document.querySelector('main').replaceWith(next);
      document.title = x.response.title;
      document.body.dataset.page = 'given';
      next.focus();
      refresh();
    } catch {
      say('▲ no answer: the order may or may not be in force; see the audit');
    } finally { button.disabled = false; }
  };
  await send();
});

// Server-sent events say when to look; without them the page looks every five seconds.
let source = null;
function connect() {
  source?.close();
  source = new EventSource(path + 'api/live');
  source.addEventListener('change', () => { clearInterval(timer); timer = 0; refresh(); });
  source.onerror = () => { if (!timer) timer = setInterval(refresh, pollEvery); };
}
document.addEventListener('visibilitychange', () => {
  if (document.hidden) { source?.close(); clearInterval(timer); timer = 0; } else { connect(); refresh(); }
});
addEventListener('pagehide', () => source?.close());
if (document.querySelector('[data-live]')) connect();

// Keys: / looks up, g and a letter goes to a screen, ? helps.
const screens = { f: '', n: 'now', w: 'who', o: 'orders', k: 'keys' };
let going = false;
document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, select, textarea, dialog')) return;
  if (going && event.key in screens) location.href = path + screens[event.key];
  else if (event.key === '/') { event.preventDefault(); document.getElementById('look')?.focus(); }
  else if (event.key === '?') location.href = path + 'help';
  going = event.key === 'g';
});

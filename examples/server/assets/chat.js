// The JustPing chat widget: one socket, one conversation, plain DOM.
//
//   import { JustPingChat } from '/assets/chat.js';
//   const chat = JustPingChat.mount(element, { channel: 'chn_…' });
//   chat.send('Hello');  chat.destroy();
//
// An element with `data-justping-channel` is mounted by itself, so a page needs no inline script.
// Text of a message only ever becomes a text node; nothing here builds HTML from strings.

import {
  MAX_TEXT_CHARS,
  Memory,
  Timeline,
  backoffDelay,
  frameOf,
  optionsOf,
  safeHref,
  socketUrl,
  splitLinks,
  uuid,
} from './chat-model.js';

const PING_EVERY_MS = 25_000;
const PONG_WITHIN_MS = 10_000;
const WELCOME_WITHIN_MS = 10_000;
const STABLE_AFTER_MS = 5_000;
const TYPING_SHOWN_MS = 8_000;
const NEAR_BOTTOM_PX = 80;
const SVG = 'http://www.w3.org/2000/svg';

const ICONS = {
  clock: ['M8 4.5V8l2.4 1.6', 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8'],
  tick: ['M3 8.6l3.1 3.1L13 4.8'],
  alert: ['M8 4.6v4.2', 'M8 11.2v.2', 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8'],
  send: ['M2.6 8h10', 'M8.6 3.6 13 8l-4.4 4.4'],
  down: ['M8 3v9.4', 'M3.8 8.4 8 12.6l4.2-4.2'],
  file: ['M4 1.8h5.2L12.4 5v9.2H4z', 'M9 1.8V5h3.4'],
};

/** Keeps one conversation in step with the server: connects, resends, acknowledges, reconnects. */
class Session {
  timeline = new Timeline();
  name = '';
  state = 'connecting';
  partial = '';
  isTyping = false;
  notice = '';
  #url;
  #memory;
  #onChange;
  #socket = null;
  #attempt = 0;
  #readyAt = 0;
  #lastRead = 0;
  #timers = new Map();
  #isClosed = false;

  constructor({ url, memory, onChange }) {
    this.#url = url;
    this.#memory = memory;
    this.#onChange = onChange;
    for (const entry of memory.unsent()) this.timeline.queue(entry);
  }

  start() {
    this.#clear('retry');
    if (this.#isClosed || this.#socket) return;
    this.#setState('connecting');
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#timer('welcome', WELCOME_WITHIN_MS, () => this.#drop(socket));
    socket.onopen = () => this.#hello();
    socket.onmessage = (event) => this.#socket === socket && this.#receive(event.data);
    socket.onclose = () => this.#drop(socket);
  }

  stop() {
    this.#isClosed = true;
    for (const name of [...this.#timers.keys()]) this.#clear(name);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  /** Connects at once instead of waiting for the back-off, for example when the network is back. */
  hurry() {
    if (!this.#socket) this.start();
  }

  post(content) {
    const entry = { clientId: uuid(), at: new Date().toISOString(), content };
    this.notice = '';
    this.timeline.queue(entry);
    this.#memory.save(entry);
    this.#sendIfReady(frameOf(entry));
    this.#onChange();
  }

  retry(clientId) {
    if (!this.timeline.retry(clientId)) return;
    const entry = this.timeline.pending.find((candidate) => candidate.clientId === clientId);
    this.#memory.save(entry);
    this.#sendIfReady(frameOf(entry));
    this.#onChange();
  }

  /** Tells the server what the visitor has seen; each seq once. */
  markRead() {
    const last = this.timeline.messages.findLast((message) => message.direction === 'outbound');
    if (!last || last.seq <= this.#lastRead || this.state !== 'online') return;
    this.#lastRead = last.seq;
    this.#sendIfReady({ type: 'read', seq: last.seq });
  }

  #hello() {
    this.#put({ type: 'hello', token: this.#memory.token, after: this.timeline.cursor });
  }

  #receive(data) {
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    this.#clear('pong');
    const handlers = {
      welcome: () => this.#welcome(frame),
      message: () => this.#message(frame),
      accepted: () => this.#accepted(frame),
      delta: () => this.#delta(frame),
      typing: () => this.#typing(),
      status: () => this.timeline.setStatus(frame.seq, frame.status),
      error: () => this.#error(frame),
    };
    if (!frame || !Object.hasOwn(handlers, frame.type)) return;
    handlers[frame.type]();
    this.#onChange();
  }

  #welcome(frame) {
    const before = this.timeline.cursor;
    const isStranger = this.#memory.token !== null && this.#memory.token !== frame.token;
    this.#memory.token = frame.token;
    this.name = frame.name ?? this.name;
    if (isStranger && before > 0) return this.#restart();
    for (const message of frame.messages ?? []) this.#show(message);
    if (frame.more && this.timeline.cursor > before) return this.#hello();
    this.#clear('welcome');
    this.#readyAt = Date.now();
    this.#setState('online');
    this.#heartbeat();
    for (const entry of this.timeline.unsent) this.#put(frameOf(entry));
    return undefined;
  }

  /** The token now names another conversation: forget what was shown, keep what is unsent. */
  #restart() {
    const pending = this.timeline.pending;
    this.timeline = new Timeline();
    this.#lastRead = 0;
    for (const entry of pending) this.timeline.queue(entry);
    this.#hello();
  }

  #message(frame) {
    if (frame.message?.direction === 'outbound') this.#endPartial();
    this.#show(frame.message, frame.client_id);
  }

  #show(message, clientId) {
    const id = clientId ?? message?.client_id ?? null;
    if (this.timeline.apply(message, id) !== 'ignored' && id) this.#memory.forget(id);
  }

  #accepted({ client_id: clientId, seq }) {
    if (this.timeline.accept(clientId, seq)) this.#memory.forget(clientId);
  }

  #delta({ text }) {
    if (typeof text === 'string') this.partial += text;
    this.isTyping = false;
    this.#clear('typing');
  }

  #typing() {
    if (this.partial) return;
    this.isTyping = true;
    this.#timer('typing', TYPING_SHOWN_MS, () => {
      this.isTyping = false;
      this.#onChange();
    });
  }

  #error({ detail, code, client_id: clientId }) {
    const reason = String(detail || code || 'Something went wrong.');
    if (clientId && this.timeline.fail(clientId, reason)) return this.#memory.forget(clientId);
    if (!clientId) this.notice = reason;
    return undefined;
  }

  #endPartial() {
    this.partial = '';
    this.isTyping = false;
    this.#clear('typing');
  }

  #heartbeat() {
    this.#timer('ping', PING_EVERY_MS, () => {
      const socket = this.#socket;
      this.#put({ type: 'ping' });
      // A dead link often stays "open" for minutes; silence after a ping is the only sign of it.
      this.#timer('pong', PONG_WITHIN_MS, () => this.#drop(socket));
      this.#heartbeat();
    });
  }

  #drop(socket) {
    if (!socket || this.#socket !== socket) return;
    this.#socket = null;
    socket.close();
    if (this.#readyAt && Date.now() - this.#readyAt > STABLE_AFTER_MS) this.#attempt = 0;
    this.#readyAt = 0;
    for (const name of ['welcome', 'ping', 'pong']) this.#clear(name);
    this.#endPartial();
    this.#timer('retry', backoffDelay(this.#attempt), () => this.start());
    this.#attempt += 1;
    this.#setState('offline');
  }

  #sendIfReady(frame) {
    if (this.state === 'online') this.#put(frame);
  }

  #put(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #setState(state) {
    // Between two attempts the visitor is still offline; flicker would only worry them.
    this.state = state === 'connecting' && this.#attempt > 0 ? 'offline' : state;
    this.#onChange();
  }

  #timer(name, ms, action) {
    this.#clear(name);
    const fire = () => {
      this.#timers.delete(name);
      action();
    };
    this.#timers.set(name, setTimeout(fire, ms));
  }

  #clear(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

/** Draws a session into an element and turns key presses into calls of the session. */
class View {
  #session;
  #parts;
  #rows = new Map();
  #isVisible = true;
  #cleanup = [];

  constructor(root, session, labels) {
    this.#session = session;
    this.#parts = scaffold(root, labels);
    this.#listen();
  }

  render() {
    const { log, tail, status, notice, jump, name } = this.#parts;
    const session = this.#session;
    const wasNear = this.#isNearBottom();
    if (session.name) name.textContent = session.name;
    this.#renderRows();
    this.#renderTail(tail);
    setText(status.lastChild, statusText(session));
    status.dataset.state = session.state;
    setText(notice, session.notice);
    notice.hidden = session.notice === '';
    log.dataset.empty = String(session.timeline.isEmpty && session.state === 'online');
    const [last] = session.timeline.pending.slice(-1);
    const isOwnNew = last && last.clientId !== this.lastOwn;
    if (last) this.lastOwn = last.clientId;
    if (wasNear || isOwnNew) this.#toBottom();
    jump.hidden = this.#isNearBottom();
    this.#markRead();
  }

  destroy() {
    for (const undo of this.#cleanup) undo();
    this.#parts.panel.remove();
  }

  #renderRows() {
    const { timeline } = this.#session;
    const answers = timeline.answers();
    const items = [...timeline.messages, ...timeline.pending.map(pendingItem)];
    const kept = new Set();
    let next = this.#parts.log.firstChild;
    for (const item of items) {
      const key = item.client_id ? `c:${item.client_id}` : `s:${item.seq}`;
      kept.add(key);
      const row = this.#row(key, item, answers.get(item.seq));
      if (row === next) next = next.nextSibling;
      else this.#parts.log.insertBefore(row, next);
    }
    for (const [key, { row }] of this.#rows) {
      if (kept.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
  }

  #row(key, item, answer) {
    const signature = JSON.stringify([{ ...item, status: undefined }, answer]);
    const known = this.#rows.get(key);
    const retry = (clientId) => this.#session.retry(clientId);
    if (known?.signature === signature) {
      // A receipt changes the ticks only: a focused or half-pressed option must stay what it is.
      if (known.row.dataset.status !== String(item.status)) fillMeta(known.row, item, retry);
      return known.row;
    }
    const row = known?.row ?? el('div', { class: 'jp-item', 'data-testid': 'chat-bubble' });
    fillRow(row, item, answer, {
      choose: (option) => this.#choose(option),
      retry,
      name: this.#session.name,
    });
    this.#rows.set(key, { row, signature });
    return row;
  }

  #renderTail(tail) {
    const { partial, isTyping } = this.#session;
    tail.partial.hidden = partial === '';
    setText(tail.partialText, partial);
    tail.typing.hidden = !isTyping || partial !== '';
  }

  #choose(option) {
    this.#session.post({ type: 'reply', option: option.id, title: option.title });
    // The pressed chip is now disabled; hand the focus on without opening a phone's keyboard.
    const { input, log } = this.#parts;
    (matchMedia('(pointer: fine)').matches ? input : log).focus({ preventScroll: true });
  }

  #submit() {
    const { input } = this.#parts;
    const text = input.value.trim();
    if (text === '') return;
    input.value = '';
    this.#resize();
    this.#session.post({ type: 'text', text });
    input.focus({ preventScroll: true });
  }

  #resize() {
    const { input, send } = this.#parts;
    input.style.height = 'auto';
    const edges = input.offsetHeight - input.clientHeight;
    input.style.height = `${input.scrollHeight + edges}px`;
    send.setAttribute('aria-disabled', String(input.value.trim() === ''));
  }

  #listen() {
    const { form, input, jump, scroll, panel } = this.#parts;
    this.#on(form, 'submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#on(input, 'keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    this.#on(input, 'input', () => this.#resize());
    this.#on(jump, 'click', () => {
      this.#toBottom();
      input.focus({ preventScroll: true });
    });
    this.#on(scroll, 'scroll', () => {
      jump.hidden = this.#isNearBottom();
      this.#markRead();
    });
    this.#on(document, 'visibilitychange', () => this.#markRead());
    this.#on(window, 'online', () => this.#session.hurry());
    const observer = new IntersectionObserver((entries) => {
      this.#isVisible = entries.at(-1).isIntersecting;
      this.#markRead();
    });
    observer.observe(panel);
    this.#cleanup.push(() => observer.disconnect());
  }

  #on(target, type, handler) {
    target.addEventListener(type, handler);
    this.#cleanup.push(() => target.removeEventListener(type, handler));
  }

  #markRead() {
    const isSeen = this.#isVisible && document.visibilityState === 'visible';
    if (isSeen && this.#isNearBottom()) this.#session.markRead();
  }

  #isNearBottom() {
    const { scroll } = this.#parts;
    return scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_BOTTOM_PX;
  }

  #toBottom() {
    const { scroll } = this.#parts;
    scroll.scrollTop = scroll.scrollHeight;
  }
}

/** The fixed parts of the widget; `labels.name` is shown until the server says better. */
function scaffold(root, labels) {
  const name = el('h2', { class: 'jp-name' }, labels.name);
  const status = el(
    'p',
    { class: 'jp-status', role: 'status', 'data-testid': 'chat-status', 'data-state': 'connecting' },
    [el('span', { class: 'jp-dot', 'aria-hidden': 'true' }), el('span', {}, '')],
  );
  const avatar = el('span', { class: 'jp-avatar', 'aria-hidden': 'true' }, initial(labels.name));
  const head = el('header', { class: 'jp-head' }, [avatar, el('div', {}, [name, status])]);
  const log = el('div', {
    class: 'jp-log',
    role: 'log',
    tabindex: '0',
    'aria-live': 'polite',
    'aria-relevant': 'additions',
    'aria-label': 'Conversation',
    'data-testid': 'chat-log',
  });
  const tail = tailParts();
  const scroll = el('div', { class: 'jp-scroll' }, [log, tail.partial, tail.typing]);
  const jump = el('button', { class: 'jp-jump', type: 'button', hidden: '' }, [
    icon('down'),
    el('span', {}, 'Latest'),
  ]);
  const notice = el('p', { class: 'jp-notice', role: 'alert', hidden: '' });
  const composer = composerParts();
  const body = el('div', { class: 'jp-body' }, [scroll, jump]);
  const panel = el('section', { class: 'jp-chat', 'aria-label': `Chat with ${labels.name}` }, [
    head,
    body,
    notice,
    composer.form,
  ]);
  root.replaceChildren(panel);
  return { panel, name, status, log, tail, scroll, jump, notice, ...composer };
}

/** What moves while the agent answers. Hidden from readers: the final message is announced. */
function tailParts() {
  const partialText = el('span', {});
  const partial = el(
    'div',
    {
      class: 'jp-item jp-partial',
      hidden: '',
      'aria-hidden': 'true',
      'data-direction': 'outbound',
      'data-testid': 'chat-partial',
    },
    [el('div', { class: 'jp-bubble' }, [el('p', { class: 'jp-text' }, [partialText])])],
  );
  const dots = [1, 2, 3].map(() => el('span', { class: 'jp-typing-dot', 'aria-hidden': 'true' }));
  const typing = el(
    'div',
    { class: 'jp-typing', hidden: '', 'data-testid': 'chat-typing', role: 'img', 'aria-label': 'Typing' },
    dots,
  );
  return { partial, partialText, typing };
}

function composerParts() {
  const id = `jp-input-${uuid().slice(0, 8)}`;
  const input = el('textarea', {
    id,
    class: 'jp-input',
    rows: '1',
    maxlength: String(MAX_TEXT_CHARS),
    placeholder: 'Write a message…',
    autocomplete: 'off',
    enterkeyhint: 'send',
    'data-testid': 'chat-input',
  });
  const send = el(
    'button',
    { class: 'jp-send', type: 'submit', 'aria-disabled': 'true', 'data-testid': 'chat-send' },
    [icon('send'), el('span', { class: 'jp-hidden' }, 'Send')],
  );
  const label = el('label', { class: 'jp-hidden', for: id }, 'Message');
  return { form: el('form', { class: 'jp-form' }, [label, input, send]), input, send };
}

function fillRow(row, item, answer, actions) {
  row.dataset.direction = item.direction;
  row.dataset.status = item.status;
  if (item.seq !== null) row.dataset.seq = item.seq;
  if (item.client_id) row.dataset.clientId = item.client_id;
  const speaker = item.direction === 'inbound' ? 'You' : actions.name || 'Agent';
  const bubble = el('div', { class: 'jp-bubble' }, [
    el('span', { class: 'jp-hidden' }, `${speaker}: `),
    ...contentNodes(item.content ?? {}),
  ]);
  const options = optionsOf(item.content);
  const chips = item.direction === 'outbound' && options.length > 0;
  row.replaceChildren(
    bubble,
    ...(chips ? [optionNodes(item.content, options, answer, actions.choose)] : []),
    metaNodes(item, actions.retry),
  );
}

/** Shows how far the message of a filled row got. */
function fillMeta(row, item, retry) {
  row.dataset.status = item.status;
  row.lastChild.replaceWith(metaNodes(item, retry));
}

function contentNodes(content) {
  switch (content.type) {
    case 'text':
      return [textNode(content.text)];
    case 'reply':
      return [textNode(content.title || content.option)];
    case 'buttons':
    case 'list':
      return [
        content.header ? el('p', { class: 'jp-header' }, linked(content.header)) : null,
        textNode(content.text),
        content.footer ? el('p', { class: 'jp-footer' }, linked(content.footer)) : null,
      ].filter(Boolean);
    case 'media':
      return mediaNodes(content);
    default:
      return [el('p', { class: 'jp-unsupported' }, 'This message cannot be shown here.')];
  }
}

/** Media of our own origin plays in place; anything else is a link the visitor may follow. */
function mediaNodes(content) {
  const href = safeHref(content.url, location.href);
  const title = String(content.caption || content.filename || `Open ${content.kind || 'file'}`);
  const caption = content.caption ? [textNode(content.caption)] : [];
  if (href === null) return [textNode(title)];
  const isOwn = new URL(href).origin === location.origin;
  if (isOwn && (content.kind === 'image' || content.kind === 'sticker')) {
    return [el('img', { class: 'jp-image', src: href, alt: title, loading: 'lazy' }), ...caption];
  }
  if (isOwn && (content.kind === 'audio' || content.kind === 'video')) {
    const player = el(content.kind, { class: 'jp-player', src: href, preload: 'metadata', title });
    player.controls = true;
    return [player, ...caption];
  }
  const label = String(content.filename || `Open ${content.kind || 'file'}`);
  return [link(href, [icon('file'), el('span', {}, label)], 'jp-file'), ...caption];
}

function optionNodes(content, options, answer, choose) {
  const isList = content.type === 'list';
  const group = el('div', {
    class: isList ? 'jp-options jp-options-list' : 'jp-options',
    role: 'group',
    'aria-label': (isList && content.button) || 'Options',
  });
  let section = '';
  for (const option of options) {
    if (option.section !== section) {
      section = option.section;
      if (section) group.append(el('p', { class: 'jp-section' }, section));
    }
    group.append(chip(option, answer, choose));
  }
  return group;
}

function chip(option, answer, choose) {
  const button = el(
    'button',
    { class: 'jp-chip', type: 'button', 'data-testid': 'chat-option', 'data-option': option.id },
    [
      el('span', {}, option.title),
      option.description ? el('span', { class: 'jp-chip-more' }, option.description) : null,
    ].filter(Boolean),
  );
  if (answer !== undefined) {
    button.disabled = true;
    button.setAttribute('aria-pressed', String(answer === option.id));
  }
  button.addEventListener('click', () => choose(option));
  return button;
}

function metaNodes(item, retry) {
  const meta = el('div', { class: 'jp-meta' });
  const at = new Date(item.at ?? NaN);
  if (!Number.isNaN(at.getTime())) {
    const shown = at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    meta.append(el('time', { datetime: at.toISOString() }, shown));
  }
  if (item.direction !== 'inbound') return meta;
  const [label, glyph] = {
    sending: ['Sending', 'clock'],
    failed: ['Not sent', 'alert'],
  }[item.status] ?? ['Sent', 'tick'];
  const isFailed = item.status === 'failed';
  meta.append(
    el('span', { class: 'jp-tick', 'data-testid': 'chat-tick', 'data-state': label }, [
      icon(glyph),
      el('span', { class: isFailed ? '' : 'jp-hidden' }, label),
    ]),
  );
  if (isFailed && item.reason) meta.append(el('span', { class: 'jp-reason' }, item.reason));
  if (isFailed && item.seq === null) {
    const again = el(
      'button',
      { class: 'jp-retry', type: 'button', 'data-testid': 'chat-retry' },
      'Try again',
    );
    again.addEventListener('click', () => retry(item.client_id));
    meta.append(again);
  }
  return meta;
}

function pendingItem(entry) {
  return {
    seq: null,
    direction: 'inbound',
    at: entry.at,
    status: entry.state,
    reason: entry.reason,
    content: entry.content,
    client_id: entry.clientId,
  };
}

function statusText(session) {
  const waiting = session.timeline.unsent.length > 0;
  if (session.state === 'online') return 'Online';
  if (session.state === 'connecting') return 'Connecting…';
  const lead = navigator.onLine ? 'Reconnecting…' : 'You are offline.';
  return waiting ? `${lead} Your message will be sent.` : lead;
}

function textNode(text) {
  return el('p', { class: 'jp-text' }, linked(String(text ?? '')));
}

function linked(text) {
  return splitLinks(String(text)).map((part) => (part.href ? link(part.href, part.text) : part.text));
}

function link(href, children, className = '') {
  return el(
    'a',
    { href, class: className, target: '_blank', rel: 'noopener noreferrer nofollow' },
    children,
  );
}

function initial(name) {
  return [...String(name).trim()][0]?.toUpperCase() ?? '•';
}

function setText(node, text) {
  // Writing the same text again would make a screen reader repeat it.
  if (node.textContent !== text) node.textContent = text;
}

function el(tag, attributes = {}, children = []) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== '' || key === 'hidden') node.setAttribute(key, value);
  }
  node.append(...(Array.isArray(children) ? children : [children]));
  return node;
}

function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', 'jp-icon');
  svg.setAttribute('aria-hidden', 'true');
  for (const d of ICONS[name]) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', d);
    svg.append(path);
  }
  return svg;
}

function storage() {
  try {
    return window.localStorage;
  } catch {
    return undefined;
  }
}

export const JustPingChat = {
  /** Puts a chat into `element` and connects. Returns `{ send(text), destroy() }`. */
  mount(element, { channel, url, name = 'Chat' }) {
    let view = null;
    const session = new Session({
      url: socketUrl(location.href, channel, url),
      memory: new Memory(storage(), channel),
      onChange: () => view?.render(),
    });
    view = new View(element, session, { name });
    view.render();
    session.start();
    return {
      send: (text) => session.post({ type: 'text', text: String(text) }),
      destroy() {
        session.stop();
        view.destroy();
      },
    };
  },
};

globalThis.JustPingChat = JustPingChat;

for (const element of document.querySelectorAll('[data-justping-channel]')) {
  const { justpingChannel: channel, justpingUrl: url, justpingName: name } = element.dataset;
  if (channel) JustPingChat.mount(element, { channel, url, name });
}

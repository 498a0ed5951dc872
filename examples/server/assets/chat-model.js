// The pure half of the chat widget: no DOM, no socket, no clock of its own.
// Everything here is a function of its arguments, so `node --test` can prove it.

export const BACKOFF_BASE_MS = 500;
export const BACKOFF_CAP_MS = 15_000;
export const MAX_TEXT_CHARS = 4_000;

const STATUS_RANK = { received: 0, queued: 0, sent: 1, delivered: 2, read: 3, failed: 4 };

/** Milliseconds to wait before connection attempt `attempt` (0 is the first retry). */
export function backoffDelay(attempt, random = Math.random) {
  const ceiling = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.max(0, attempt));
  // Half is fixed so that a retry is never immediate; half is jitter so that clients spread out.
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
}

/** A version 4 UUID. `crypto.randomUUID` is missing on plain http outside localhost. */
export function uuid(source = globalThis.crypto) {
  if (source.randomUUID) return source.randomUUID();
  const bytes = source.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [8, 12, 16, 20].reduceRight((id, at) => `${id.slice(0, at)}-${id.slice(at)}`, hex);
}

/** The socket address of a channel; `override` may be http(s), ws(s) or relative to the page. */
export function socketUrl(pageUrl, channel, override) {
  const url = new URL(override || `/chat/${encodeURIComponent(channel)}/socket`, pageUrl);
  if (url.protocol === 'http:') url.protocol = 'ws:';
  if (url.protocol === 'https:') url.protocol = 'wss:';
  url.hash = '';
  return url.href;
}

/** The address when it is http or https, else null: `javascript:` never becomes a link. */
export function safeHref(candidate, base) {
  try {
    const url = new URL(candidate, base);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
  } catch {
    return null;
  }
}

/** Splits text into plain runs and http(s) links: `[{text, href|null}]`, nothing lost. */
export function splitLinks(text) {
  const parts = [];
  const push = (run, href) => {
    if (run === '') return;
    const last = parts.at(-1);
    if (last && last.href === null && href === null) last.text += run;
    else parts.push({ text: run, href });
  };
  let at = 0;
  for (const match of text.matchAll(/\bhttps?:\/\/[^\s<>"'`]+/gi)) {
    const shown = trimLinkEnd(match[0]);
    push(text.slice(at, match.index), null);
    push(shown, hasHost(shown) ? safeHref(shown) : null);
    at = match.index + shown.length;
  }
  push(text.slice(at), null);
  return parts;
}

/** Drops punctuation that belongs to the sentence, keeping a bracket the link itself opened. */
function trimLinkEnd(link) {
  let end = link.length;
  for (; end > 0; end -= 1) {
    const last = link[end - 1];
    if ('.,;:!?*_~'.includes(last)) continue;
    if (last === ')' && count(link, '(', end) < count(link, ')', end)) continue;
    if (last === ']' && count(link, '[', end) < count(link, ']', end)) continue;
    break;
  }
  return link.slice(0, end);
}

function count(text, char, end) {
  let found = 0;
  for (let i = 0; i < end; i += 1) if (text[i] === char) found += 1;
  return found;
}

function hasHost(link) {
  return /^https?:\/\/[^/?#]/i.test(link);
}

/** The options a content offers, flattened: `[{id, title, description, section}]`. */
export function optionsOf(content) {
  const flat = (options, section) =>
    (Array.isArray(options) ? options : []).map((option) => ({
      id: String(option.id),
      title: String(option.title ?? option.id),
      description: option.description ? String(option.description) : '',
      section: section ? String(section) : '',
    }));
  if (content?.type === 'buttons') return flat(content.options, '');
  if (content?.type === 'list' && Array.isArray(content.sections)) {
    return content.sections.flatMap((section) => flat(section?.options, section?.title));
  }
  return [];
}

/** What the visitor wrote but the server has not accepted yet, as a frame for the socket. */
export function frameOf(entry) {
  return entry.content.type === 'reply'
    ? { type: 'choice', id: entry.clientId, option: entry.content.option, title: entry.content.title }
    : { type: 'message', id: entry.clientId, text: entry.content.text };
}

/**
 * The conversation as one visitor sees it: server messages by `seq`, then the visitor's own
 * unsent entries in the order written. Each thing is shown once, however often it arrives.
 */
export class Timeline {
  #messages = [];
  #pending = [];
  #cursor = 0;

  /** The highest seq received in the server's own stream; `hello.after` continues from here. */
  get cursor() {
    return this.#cursor;
  }

  /** Messages to show, in seq order. Notes are the team's own and are left out. */
  get messages() {
    return this.#messages.filter((message) => message.direction !== 'note');
  }

  get pending() {
    return [...this.#pending];
  }

  /** Entries to put on the wire after a (re)connect: everything not refused by the server. */
  get unsent() {
    return this.#pending.filter((entry) => entry.state === 'sending');
  }

  get isEmpty() {
    return this.messages.length === 0 && this.#pending.length === 0;
  }

  /** Takes one message of the server's stream; returns `added`, `updated` or `ignored`. */
  apply(message, clientId = message?.client_id ?? null) {
    if (!Number.isSafeInteger(message?.seq) || message.seq < 0) return 'ignored';
    this.#cursor = Math.max(this.#cursor, message.seq);
    this.#dropPending(clientId);
    return this.#insert({ ...message, client_id: clientId });
  }

  /**
   * The server accepted entry `clientId` as `seq`. The cursor stays: an accept overtakes messages
   * still on their way, and a reconnect must not skip those.
   */
  accept(clientId, seq, at) {
    const entry = this.#pending.find((candidate) => candidate.clientId === clientId);
    if (!entry || !Number.isSafeInteger(seq)) return false;
    this.#dropPending(clientId);
    this.#insert({
      seq,
      id: null,
      direction: 'inbound',
      at: entry.at ?? at,
      status: 'received',
      content: entry.content,
      client_id: clientId,
    });
    return true;
  }

  /** Queues what the visitor wrote; a second time with the same id changes nothing. */
  queue(entry) {
    const known = this.#pending.some((candidate) => candidate.clientId === entry.clientId);
    const stored = this.#messages.some((message) => message.client_id === entry.clientId);
    if (known || stored) return false;
    this.#pending.push({ state: 'sending', ...entry });
    return true;
  }

  /** The server refused `clientId`. Returns whether such an entry was waiting. */
  fail(clientId, reason) {
    return this.#patchPending(clientId, { state: 'failed', reason });
  }

  /** Puts a refused entry back in the queue, under its old id so that the server can dedupe. */
  retry(clientId) {
    return this.#patchPending(clientId, { state: 'sending', reason: undefined });
  }

  /** Moves a status forward; a late or repeated receipt never moves it back. */
  setStatus(seq, status) {
    const message = this.#messages.find((candidate) => candidate.seq === seq);
    const next = STATUS_RANK[status];
    if (!message || next === undefined || next <= (STATUS_RANK[message.status] ?? -1)) return false;
    message.status = status;
    return true;
  }

  /** Which offered option was chosen: Map of message seq to option id (nearest offer wins). */
  answers() {
    const chosen = new Map();
    const offers = [];
    for (const item of [...this.messages, ...this.#pending]) {
      if (item.direction === 'outbound') {
        const ids = new Set(optionsOf(item.content).map((option) => option.id));
        if (ids.size > 0) offers.push({ seq: item.seq, ids });
      } else if (item.content?.type === 'reply') {
        const option = String(item.content.option);
        const offer = offers.findLast(({ seq, ids }) => ids.has(option) && !chosen.has(seq));
        if (offer) chosen.set(offer.seq, option);
      }
    }
    return chosen;
  }

  #insert(message) {
    let at = this.#messages.length;
    while (at > 0 && this.#messages[at - 1].seq > message.seq) at -= 1;
    const same = this.#messages[at - 1];
    if (same?.seq !== message.seq) {
      this.#messages.splice(at, 0, message);
      return 'added';
    }
    const isOlder = (STATUS_RANK[message.status] ?? -1) < (STATUS_RANK[same.status] ?? -1);
    const merged = { ...message, client_id: message.client_id ?? same.client_id };
    if (isOlder) merged.status = same.status;
    if (JSON.stringify(merged) === JSON.stringify(same)) return 'ignored';
    this.#messages[at - 1] = merged;
    return 'updated';
  }

  #dropPending(clientId) {
    if (clientId === null || clientId === undefined) return;
    this.#pending = this.#pending.filter((entry) => entry.clientId !== clientId);
  }

  #patchPending(clientId, patch) {
    const entry = this.#pending.find((candidate) => candidate.clientId === clientId);
    if (entry) Object.assign(entry, patch);
    return Boolean(entry);
  }
}

/**
 * What survives a reload: the visitor's token and the unsent entries, one key each, so that two
 * tabs of one visitor never overwrite each other's queue. Storage may refuse (private mode).
 */
export class Memory {
  #storage;
  #prefix;

  constructor(storage, channel) {
    this.#storage = storage;
    this.#prefix = `justping:${channel}:`;
  }

  get token() {
    return this.#try(() => this.#storage.getItem(`${this.#prefix}token`)) ?? null;
  }

  set token(value) {
    const key = `${this.#prefix}token`;
    this.#try(() => (value ? this.#storage.setItem(key, value) : this.#storage.removeItem(key)));
  }

  save(entry) {
    const { clientId, at, content } = entry;
    const value = JSON.stringify({ clientId, at, content });
    this.#try(() => this.#storage.setItem(`${this.#prefix}unsent:${clientId}`, value));
  }

  forget(clientId) {
    this.#try(() => this.#storage.removeItem(`${this.#prefix}unsent:${clientId}`));
  }

  /** The unsent entries of earlier visits, oldest first; a broken one is dropped. */
  unsent() {
    const prefix = `${this.#prefix}unsent:`;
    const keys = this.#try(() =>
      Array.from({ length: this.#storage.length }, (_, i) => this.#storage.key(i)),
    );
    return (keys ?? [])
      .filter((key) => key?.startsWith(prefix))
      .map((key) => this.#try(() => JSON.parse(this.#storage.getItem(key))))
      .filter((entry) => entry?.clientId && entry?.content?.type)
      .sort((a, b) => String(a.at).localeCompare(String(b.at)));
  }

  #try(action) {
    try {
      return action();
    } catch {
      return undefined;
    }
  }
}

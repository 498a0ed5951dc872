// Run with: node --test examples/server/assets/
import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  BACKOFF_CAP_MS,
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

const text = (seq, direction = 'outbound', extra = {}) => ({
  seq,
  id: `msg_${seq}`,
  direction,
  at: '2030-01-01T00:00:00Z',
  status: direction === 'inbound' ? 'received' : 'sent',
  content: { type: 'text', text: `message ${seq}` },
  client_id: null,
  ...extra,
});
const entry = (clientId, content = { type: 'text', text: clientId }) => ({
  clientId,
  at: `2030-01-01T00:00:0${clientId.length}Z`,
  content,
});
const seqs = (timeline) => timeline.messages.map((message) => message.seq);

function fakeStorage() {
  const map = new Map();
  return {
    get length() {
      return map.size;
    },
    key: (i) => [...map.keys()][i] ?? null,
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, value) => map.set(key, String(value)),
    removeItem: (key) => map.delete(key),
  };
}

test('back-off doubles, is jittered, and never passes the cap', () => {
  const low = [0, 1, 2, 3, 4, 5, 50, 5000].map((attempt) => backoffDelay(attempt, () => 0));
  const high = [0, 1, 2, 3, 4, 5, 50, 5000].map((attempt) => backoffDelay(attempt, () => 1));
  assert.deepEqual(low, [250, 500, 1000, 2000, 4000, 7500, 7500, 7500]);
  assert.deepEqual(high, [500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]);
  for (let i = 0; i < 1000; i += 1) assert.ok(backoffDelay(i) <= BACKOFF_CAP_MS);
});

test('uuid is version 4 with and without randomUUID', () => {
  const shape = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  assert.match(uuid(), shape);
  const plain = { getRandomValues: (bytes) => bytes.fill(255) };
  assert.equal(uuid(plain), 'ffffffff-ffff-4fff-bfff-ffffffffffff');
});

test('the socket address follows the page and the override', () => {
  const page = 'https://shop.example/help?x=1#top';
  assert.equal(socketUrl(page, 'chn_1'), 'wss://shop.example/chat/chn_1/socket');
  assert.equal(socketUrl('http://[::1]:8080/', 'a/b'), 'ws://[::1]:8080/chat/a%2Fb/socket');
  assert.equal(socketUrl(page, 'c', 'http://api.example/s'), 'ws://api.example/s');
  assert.equal(socketUrl(page, 'c', '/other'), 'wss://shop.example/other');
});

test('links are split out and nothing of the text is lost', () => {
  const cases = [
    ['no link', []],
    ['see https://a.example/x?y=1#z now', ['https://a.example/x?y=1#z']],
    ['(https://a.example/wiki/A_(b)).', ['https://a.example/wiki/A_(b)']],
    ['https://a.example, http://b.example!', ['https://a.example', 'http://b.example']],
    ['HTTPS://A.EXAMPLE/Q', ['HTTPS://A.EXAMPLE/Q']],
    ['javascript:alert(1) data:text/html,x ftp://a.example', []],
    ['xhttps://a.example', []],
    ['https:// and http://', []],
    ['<a href="https://a.example">', ['https://a.example']],
  ];
  for (const [input, links] of cases) {
    const parts = splitLinks(input);
    assert.equal(parts.map((part) => part.text).join(''), input);
    assert.deepEqual(parts.filter((part) => part.href).map((part) => part.text), links, input);
  }
});

test('only http and https addresses are safe', () => {
  assert.equal(safeHref('https://a.example/'), 'https://a.example/');
  assert.equal(safeHref('/media/1', 'https://a.example/'), 'https://a.example/media/1');
  for (const bad of ['javascript:alert(1)', 'data:text/html,x', 'blob:x', '::', '', null]) {
    assert.equal(safeHref(bad), null, String(bad));
  }
});

test('messages are shown once, in seq order, whatever the order of arrival', () => {
  const timeline = new Timeline();
  for (const seq of [5, 2, 9, 2, 5, 1]) timeline.apply(text(seq));
  assert.deepEqual(seqs(timeline), [1, 2, 5, 9]);
  assert.equal(timeline.cursor, 9);
  assert.equal(timeline.apply(text(5)), 'ignored');
  assert.equal(timeline.apply(text(6)), 'added');
  assert.equal(timeline.apply({ ...text(6), status: 'read' }), 'updated');
});

test('broken messages are ignored and notes are hidden but counted as seen', () => {
  const timeline = new Timeline();
  for (const bad of [null, {}, { seq: '1' }, { seq: -1 }, { seq: 1.5 }]) {
    assert.equal(timeline.apply(bad), 'ignored');
  }
  timeline.apply(text(3, 'note'));
  assert.deepEqual(seqs(timeline), []);
  assert.equal(timeline.cursor, 3);
});

test('an accepted entry becomes a message once, even when it is echoed', () => {
  const timeline = new Timeline();
  assert.equal(timeline.queue(entry('a')), true);
  assert.equal(timeline.queue(entry('a')), false);
  assert.equal(timeline.accept('a', 4), true);
  assert.equal(timeline.accept('a', 4), false);
  assert.equal(timeline.apply(text(4, 'inbound'), 'a'), 'updated');
  assert.deepEqual(seqs(timeline), [4]);
  assert.equal(timeline.messages[0].client_id, 'a');
  assert.equal(timeline.queue(entry('a')), false, 'a stored id is not queued again');
  assert.equal(timeline.pending.length, 0);
});

test('an echo before the accept also clears the queue', () => {
  const timeline = new Timeline();
  timeline.queue(entry('a'));
  timeline.apply(text(4, 'inbound'), 'a');
  assert.equal(timeline.accept('a', 4), false);
  assert.deepEqual(seqs(timeline), [4]);
  assert.equal(timeline.pending.length, 0);
});

test('an accept does not move the cursor past messages still on their way', () => {
  const timeline = new Timeline();
  timeline.apply(text(1));
  timeline.queue(entry('a'));
  timeline.accept('a', 3);
  assert.equal(timeline.cursor, 1);
  timeline.apply(text(2));
  assert.deepEqual(seqs(timeline), [1, 2, 3]);
});

test('unsent entries keep their order and id through failure and retry', () => {
  const timeline = new Timeline();
  ['a', 'b', 'c'].forEach((id) => timeline.queue(entry(id)));
  assert.equal(timeline.fail('b', 'too long'), true);
  assert.deepEqual(timeline.unsent.map((item) => item.clientId), ['a', 'c']);
  assert.equal(timeline.pending[1].reason, 'too long');
  assert.equal(timeline.retry('b'), true);
  assert.deepEqual(timeline.unsent.map((item) => item.clientId), ['a', 'b', 'c']);
  assert.equal(timeline.fail('nobody'), false);
});

test('a status only moves forward', () => {
  const timeline = new Timeline();
  timeline.apply(text(1));
  assert.equal(timeline.setStatus(1, 'read'), true);
  assert.equal(timeline.setStatus(1, 'delivered'), false);
  assert.equal(timeline.setStatus(1, 'nonsense'), false);
  assert.equal(timeline.setStatus(2, 'read'), false);
  timeline.apply(text(1));
  assert.equal(timeline.messages[0].status, 'read', 'a replayed message does not move it back');
});

test('options of buttons and lists are flattened, anything else offers none', () => {
  const list = {
    type: 'list',
    sections: [{ title: 'One', options: [{ id: 1, title: 'A', description: 'd' }] }, {}, null],
  };
  assert.deepEqual(optionsOf(list), [{ id: '1', title: 'A', description: 'd', section: 'One' }]);
  assert.equal(optionsOf({ type: 'buttons', options: [{ id: 'x' }] })[0].title, 'x');
  for (const other of [null, {}, { type: 'buttons' }, { type: 'list' }, { type: 'text' }]) {
    assert.deepEqual(optionsOf(other), []);
  }
});

test('a choice answers the nearest open offer of that option', () => {
  const offer = (seq) =>
    text(seq, 'outbound', { content: { type: 'buttons', options: [{ id: 'yes' }, { id: 'no' }] } });
  const reply = { type: 'reply', option: 'yes', title: 'Yes' };
  const timeline = new Timeline();
  timeline.apply(offer(1));
  timeline.apply(text(2, 'inbound', { content: reply }));
  timeline.apply(offer(3));
  assert.deepEqual([...timeline.answers()], [[1, 'yes']]);
  timeline.queue(entry('a', { ...reply, option: 'no' }));
  assert.deepEqual([...timeline.answers()], [[1, 'yes'], [3, 'no']]);
});

test('frames carry the client id, so that a resend is recognised', () => {
  assert.deepEqual(frameOf(entry('a')), { type: 'message', id: 'a', text: 'a' });
  const choice = entry('b', { type: 'reply', option: 'o', title: 'T' });
  assert.deepEqual(frameOf(choice), { type: 'choice', id: 'b', option: 'o', title: 'T' });
});

test('memory keeps a token and a queue per channel', () => {
  const storage = fakeStorage();
  const one = new Memory(storage, 'one');
  const two = new Memory(storage, 'two');
  one.token = 'secret';
  assert.deepEqual([one.token, two.token], ['secret', null]);
  one.save(entry('bb'));
  one.save(entry('a'));
  storage.setItem('justping:one:unsent:broken', '{');
  assert.deepEqual(one.unsent().map((item) => item.clientId), ['a', 'bb']);
  assert.deepEqual(two.unsent(), []);
  one.forget('a');
  one.token = null;
  assert.deepEqual(one.unsent().map((item) => item.clientId), ['bb']);
  assert.equal(one.token, null);
});

test('memory that refuses to work is not an error', () => {
  const refuse = () => {
    throw new Error('denied');
  };
  const storage = { getItem: refuse, setItem: refuse, removeItem: refuse, key: refuse, length: 1 };
  for (const memory of [new Memory(storage, 'c'), new Memory(undefined, 'c')]) {
    memory.token = 'x';
    memory.save(entry('a'));
    memory.forget('a');
    assert.equal(memory.token, null);
    assert.deepEqual(memory.unsent(), []);
  }
});

// Tools for AI agents: a customer's loyalty points, which are never less than none.
import * as kv from 'justping:plugin/kv@0.1.0';
import * as log from 'justping:plugin/log@0.1.0';

/** The most points that one call may move: models make mistakes. */
const POINTS_MAX = 1000;

/** How long a call is remembered, in milliseconds. */
const REMEMBERED_MS = 86_400_000;

const points = { type: 'integer', minimum: 1, maximum: POINTS_MAX, description: 'How many' };
const one = { type: 'object', properties: { points }, required: ['points'], additionalProperties: false };
const none = { type: 'object', properties: {}, additionalProperties: false };

const all = {
  add_points: { description: 'Adds loyalty points to the customer.', parameters: one, run: add },
  spend_points: { description: 'Spends loyalty points of the customer, if there are enough.', parameters: one, run: spend },
  tell_points: { description: 'Tells how many loyalty points the customer has.', parameters: none, run: tell },
};

export const tools = {
  describe: () => Object.entries(all).map(([name, { description, parameters }]) => (
    { name, description, parameters: JSON.stringify(parameters) }
  )),

  call(scope, contactId, tool, args) {
    const found = all[tool] ?? fail('unknown_tool', `there is no tool ${tool}`);
    if (!contactId) fail('no_contact', 'points belong to a contact');
    return JSON.stringify(found.run(scope, contactId, JSON.parse(args)));
  },
};

function add(scope, contact, { points }) {
  return move(scope, contact, amount(points));
}

function spend(scope, contact, { points }) {
  const have = balance(contact);
  if (have < amount(points)) return { spent: false, points: have };
  return { spent: true, ...move(scope, contact, -points) };
}

function tell(_scope, contact) {
  return { points: balance(contact) };
}

/** Moves points once, however often the same call is made again. */
function move({ callId }, contact, by) {
  const done = `done/${callId}`;
  if (kv.get(done)) return { points: balance(contact) };
  const sum = kv.increment(key(contact), by);
  kv.set(done, new Uint8Array([1]), REMEMBERED_MS);
  log.write('info', `${by > 0 ? 'added' : 'spent'} ${Math.abs(by)}`);
  return { points: sum };
}

function balance(contact) {
  const bytes = kv.get(key(contact));
  return bytes ? Number(String.fromCharCode(...bytes)) : 0;
}

function amount(points) {
  const fits = Number.isInteger(points) && points >= 1 && points <= POINTS_MAX;
  return fits ? points : fail('invalid_points', `points must be 1 to ${POINTS_MAX}`);
}

const key = (contact) => `points/${contact}`;

function fail(code, message) {
  throw { code, message, retryAfterMs: null };
}

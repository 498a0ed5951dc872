// A channel: receives webhooks and hands messages over.
import * as http from 'justping:plugin/http@0.1.0';
import * as secrets from 'justping:plugin/secrets@0.1.0';

const GATEWAY = 'https://gateway.example.com/messages';

export const channels = {
  describe: () => ({
    kind: 'sms',
    title: 'My gateway',
    capabilities: JSON.stringify({ text_max: 1600 }),
  }),

  receive({ headers, body }) {
    const signature = headers.find(([name]) => name === 'x-signature')?.[1] ?? '';
    if (!secrets.verifyHmacSha256('webhook_key', body, unhex(signature))) throw { tag: 'unauthorized' };
    const { id, from, text } = JSON.parse(String.fromCharCode(...body));
    const message = {
      type: 'message', provider_ref: id, from: [{ kind: 'sms', id: from }], content: { type: 'text', text },
    };
    return { inbound: [JSON.stringify(message)], reply: new Uint8Array() };
  },

  send({ to, content, idempotencyKey }) {
    const { text } = JSON.parse(content);
    const reply = http.send({
      method: 'post',
      url: GATEWAY,
      headers: [
        { name: 'authorization', value: { tag: 'secret', val: { name: 'token', prefix: 'Bearer ' } } },
        { name: 'content-type', value: { tag: 'text', val: 'application/json' } },
      ],
      body: bytes(JSON.stringify({ to, text, key: idempotencyKey })),
      timeoutMs: 4000,
    });
    if (reply.status >= 500) throw { tag: 'unknown', val: `the gateway answered ${reply.status}` };
    if (reply.status >= 300) throw { tag: 'rejected', val: `the gateway answered ${reply.status}` };
    return JSON.parse(String.fromCharCode(...reply.body)).id;
  },
};

/** UTF-8. */
const bytes = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (c) => c.charCodeAt(0));
const unhex = (text) => Uint8Array.from(text.match(/[0-9a-f]{2}/gi) ?? [], (pair) => parseInt(pair, 16));

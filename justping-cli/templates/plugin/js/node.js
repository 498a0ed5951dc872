// A node of flows. See REFERENCE.md of the contract for all that it is told and may decide.
import * as log from 'justping:plugin/log@0.1.0';

const schema = {
  type: 'object',
  properties: { greeting: { type: 'string', title: 'Greeting' } },
  required: ['greeting'],
};

export const nodes = {
  describe: () => [{
    name: 'greet',
    title: 'Greet',
    summary: 'Greets the contact by name',
    schema: JSON.stringify(schema),
    exits: [{ name: 'greeted', title: 'Greeted' }],
    waits: false,
  }],

  enter(context) {
    const { greeting } = JSON.parse(context.config);
    const name = context.contact.name ?? 'you';
    log.write('info', 'greeted somebody');
    return leave('greeted', [{ type: 'text', text: `${greeting}, ${name}!` }], { name });
  },

  resume() {
    throw { code: 'never_waits', message: 'the node does not wait', retryAfterMs: null };
  },
};

function leave(exit, messages, output) {
  return {
    messages: messages.map((message) => JSON.stringify(message)),
    output: JSON.stringify(output),
    contact: null,
    next: { tag: 'leave', val: exit },
  };
}

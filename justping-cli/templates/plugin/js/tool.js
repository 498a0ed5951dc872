// A tool that AI agents and flows can have called.
const parameters = {
  type: 'object',
  properties: { price: { type: 'number', description: 'The price without tax' } },
  required: ['price'],
};

export const tools = {
  describe: () => [{
    name: 'add_tax',
    description: 'Adds the tax to a price.',
    parameters: JSON.stringify(parameters),
  }],

  call(scope, contactId, tool, args) {
    if (tool !== 'add_tax') {
      throw { code: 'unknown_tool', message: `there is no tool ${tool}`, retryAfterMs: null };
    }
    const { price } = JSON.parse(args);
    return JSON.stringify({ total: Math.round(price * 119) / 100 });
  },
};

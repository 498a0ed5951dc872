// A hook: looks at every message on its way.
export const hooks = {
  beforeSend(message) {
    return verdict(message);
  },

  afterReceive() {
    return { tag: 'pass' };
  },
};

function verdict(message) {
  const { type } = JSON.parse(message.content);
  const calm = message.text.replaceAll(/!+/g, '.');
  if (type !== 'text' || calm === message.text) return { tag: 'pass' };
  return { tag: 'change', val: JSON.stringify({ type: 'text', text: calm }) };
}

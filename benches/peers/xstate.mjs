// "lead-gen-5" as a state machine of xstate. Its guards and actions are code, not data.

import { assign, createActor, setup } from 'xstate';

const OPTIONS = ['Free', 'Pro', 'Team'];

/** What the actions of the turn under way say. */
let out = [];

const say = (text) => () => {
  out.push(typeof text === 'function' ? text() : text);
};

const machine = setup({
  guards: {
    isOption: ({ event }) => OPTIONS.some((o) => o.toLowerCase() === event.text.trim().toLowerCase()),
    isNumber: ({ event }) => event.text.trim() !== '' && Number.isFinite(Number(event.text)),
    isAdult: ({ context }) => context.age >= 18,
  },
}).createMachine({
  id: 'lead',
  initial: 'start',
  context: {},
  states: {
    start: {
      on: { message: { target: 'name', actions: [say('Welcome to Acme!'), say('What is your name?')] } },
    },
    name: {
      on: {
        message: {
          target: 'plan',
          actions: [
            assign({ name: ({ event }) => event.text }),
            ({ context }) => out.push(`Nice to meet you, ${context.name}.`),
            say('Which plan interests you?'),
          ],
        },
      },
    },
    plan: {
      on: {
        message: [
          {
            guard: 'isOption',
            target: 'age',
            actions: [assign({ plan: ({ event }) => event.text }), say('How old are you?')],
          },
          { actions: say('Which plan interests you?') },
        ],
      },
    },
    age: {
      on: {
        message: [
          { guard: 'isNumber', target: 'decide', actions: assign({ age: ({ event }) => Number(event.text) }) },
          { actions: say('Please send a number.') },
        ],
      },
    },
    decide: {
      always: [
        {
          guard: 'isAdult',
          target: 'done',
          actions: ({ context }) => out.push(`Thanks ${context.name}, the ${context.plan} plan is yours.`),
        },
        {
          target: 'done',
          actions: ({ context }) => out.push(`Sorry ${context.name}, ${context.plan} is for adults.`),
        },
      ],
    },
    done: { type: 'final' },
  },
});

/** Takes one turn: the state as text (null at first) and a message; gives the new state and what is said. */
export async function turn(state, text) {
  out = [];
  const actor = createActor(machine, state === null ? {} : { snapshot: JSON.parse(state) });
  actor.start();
  actor.send({ type: 'message', text });
  const next = JSON.stringify(actor.getPersistedSnapshot());
  actor.stop();
  return { state: next, texts: out };
}

// "lead-gen-5" as an adaptive dialog of the Bot Framework.

import { MemoryStorage, TurnContext, ConversationState, UserState, BotAdapter } from 'botbuilder';
import { DialogManager, ListStyle } from 'botbuilder-dialogs';
import adaptive from 'botbuilder-dialogs-adaptive';

const {
  AdaptiveDialog, OnBeginDialog, SendActivity, TextInput, ChoiceInput, NumberInput, IfCondition, EndDialog,
  ActivityTemplate,
} = adaptive;
import expressions from 'adaptive-expressions';

const { ArrayExpression, BoolExpression, EnumExpression, StringExpression } = expressions;

const configured = (input, settings) => Object.assign(input, settings);

function dialog() {
  const root = new AdaptiveDialog('lead');
  root.autoEndDialog = new BoolExpression(true);
  const name = configured(new TextInput(), {
    property: new StringExpression('user.name'),
    prompt: new ActivityTemplate('What is your name?'),
    alwaysPrompt: new BoolExpression(true),
  });
  const plan = configured(new ChoiceInput(), {
    property: new StringExpression('user.plan'),
    prompt: new ActivityTemplate('Which plan interests you?'),
    choices: new ArrayExpression([{ value: 'Free' }, { value: 'Pro' }, { value: 'Team' }]),
    style: new EnumExpression(ListStyle.none),
    alwaysPrompt: new BoolExpression(true),
  });
  const age = configured(new NumberInput(), {
    property: new StringExpression('user.age'),
    prompt: new ActivityTemplate('How old are you?'),
    unrecognizedPrompt: new ActivityTemplate('Please send a number.'),
    alwaysPrompt: new BoolExpression(true),
  });
  const adult = new IfCondition('user.age >= 18');
  adult.actions = [new SendActivity('Thanks ${user.name}, the ${user.plan} plan is yours.')];
  adult.elseActions = [new SendActivity('Sorry ${user.name}, ${user.plan} is for adults.')];
  root.triggers = [
    new OnBeginDialog([
      new SendActivity('Welcome to Acme!'),
      name,
      new SendActivity('Nice to meet you, ${user.name}.'),
      plan,
      age,
      adult,
      new EndDialog(),
    ]),
  ];
  return root;
}

/** Keeps what is said; its storage is the state of one conversation. */
class Adapter extends BotAdapter {
  texts = [];
  async sendActivities(_, activities) {
    for (const activity of activities) if (activity.text) this.texts.push(activity.text);
    return activities.map(() => ({ id: '1' }));
  }
  async updateActivity() {}
  async deleteActivity() {}
}

const root = dialog();

export async function turn(state, text) {
  const storage = new MemoryStorage(state === null ? undefined : JSON.parse(state));
  const manager = new DialogManager(root);
  manager.conversationState = new ConversationState(storage);
  manager.userState = new UserState(storage);
  const adapter = new Adapter();
  const context = new TurnContext(adapter, {
    type: 'message',
    id: '1',
    text,
    locale: 'en-us',
    channelId: 'bench',
    from: { id: 'user' },
    recipient: { id: 'bot' },
    conversation: { id: 'c' },
    serviceUrl: 'https://bench.invalid',
  });
  await manager.onTurn(context);
  await manager.conversationState.saveChanges(context, false);
  await manager.userState.saveChanges(context, false);
  return { state: JSON.stringify(storage.memory), texts: adapter.texts };
}

// A subscriber: hears what happens.
import * as log from 'justping:plugin/log@0.1.0';

export const subscriber = {
  interests: () => ['conversation.*'],

  handle(events) {
    for (const { name, id } of events) log.write('info', `${name} ${id}`);
  },
};

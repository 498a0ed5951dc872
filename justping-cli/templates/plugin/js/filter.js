// A function for texts: in a flow, a node that gives what it makes of a value.
export const filters = {
  describe: () => [{ name: 'shout', summary: 'Makes everything large' }],

  apply(filter, value, args) {
    if (filter !== 'shout') {
      throw { code: 'unknown_filter', message: `there is no filter ${filter}`, retryAfterMs: null };
    }
    return JSON.stringify(String(JSON.parse(value)).toUpperCase());
  },
};

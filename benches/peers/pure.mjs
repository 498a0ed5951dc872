// The pure tier: every turn begins and ends with the state as text; no store, no network.
// `node pure.mjs ENGINE CONVERSATIONS` prints one JSON line.

const SCRIPT = ['hi', 'Ada', 'Pro', 'abc', '36'];
const TRANSCRIPT = [
  'Welcome to Acme!',
  'What is your name?',
  'Nice to meet you, Ada.',
  'Which plan interests you?',
  'How old are you?',
  'Please send a number.',
  'Thanks Ada, the Pro plan is yours.',
];

const [engine, count] = [process.argv[2], Number(process.argv[3])];
const { turn } = await import(`./${engine}.mjs`);
const took = [];

async function converse() {
  let state = null;
  let longest = 0;
  const texts = [];
  for (const message of SCRIPT) {
    const begun = process.hrtime.bigint();
    const result = await turn(state, message);
    took.push(Number(process.hrtime.bigint() - begun) / 1000);
    state = result.state;
    longest = Math.max(longest, Buffer.byteLength(state));
    texts.push(...result.texts);
  }
  if (JSON.stringify(texts) !== JSON.stringify(TRANSCRIPT)) {
    throw new Error(`${engine} says ${JSON.stringify(texts)}`);
  }
  return longest;
}

for (let warm = 0; warm < Math.min(count, 200); warm += 1) await converse();
took.length = 0;
const before = process.cpuUsage();
let bytes = 0;
for (let n = 0; n < count; n += 1) bytes = await converse();
const { user, system } = process.cpuUsage(before);
took.sort((a, b) => a - b);
console.log(
  JSON.stringify({
    engine,
    turns_per_cpu_second: (count * SCRIPT.length) / ((user + system) / 1e6),
    p50_us: took[Math.floor(took.length * 0.5)],
    p99_us: took[Math.floor(took.length * 0.99)],
    state_bytes: bytes,
    rss_mib: process.memoryUsage().rss / 2 ** 20,
  }),
);

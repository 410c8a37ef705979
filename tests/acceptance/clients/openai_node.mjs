// The official Node SDK: every surface an app uses. The base URL is the environment's.
import assert from 'node:assert/strict';
import OpenAI, { toFile } from 'openai';

const client = new OpenAI({ maxRetries: 0 });
const messages = [{ role: 'user', content: 'hi' }];
const said = Array.from({ length: 8 }, (_, at) => `frontier-0-${at} `).join('');
const tool = (name) => ({
  type: 'function',
  function: { name, parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } },
});

const { data: whole, response, request_id } = await client.chat.completions
  .create({ model: 'gpt-4o', messages }).withResponse();
assert.equal(whole.choices[0].message.content, said);
assert.equal(response.headers.get('openai-processing-ms'), '7');
assert.match(request_id, /^req_frontier/);

let text = '';
let last;
for await (const chunk of await client.chat.completions.create(
  { model: 'gpt-4o', messages, stream: true, stream_options: { include_usage: true } })) {
  text += chunk.choices[0]?.delta?.content ?? '';
  last = chunk;
}
assert.equal(text, said);
assert.deepEqual(last.choices, []);
assert.ok(last.usage.total_tokens > 0);

const helper = client.chat.completions.stream({ model: 'gpt-4o', messages, tools: [tool('weather'), tool('time')] });
const calls = (await helper.finalChatCompletion()).choices[0].message.tool_calls;
assert.deepEqual(calls.map((call) => call.function.name), ['weather', 'time']);
assert.deepEqual(JSON.parse(calls[0].function.arguments), { city: 'value' });
const after = await client.chat.completions.create({
  model: 'gpt-4o', tools: [tool('weather')],
  messages: [...messages, { role: 'assistant', tool_calls: [calls[0]] },
    { role: 'tool', tool_call_id: calls[0].id, content: 'sunny' }],
});
assert.equal(after.choices[0].message.content, said);

const schema = { type: 'object', properties: { intent: { type: 'string' } }, required: ['intent'], additionalProperties: false };
const parsed = await client.chat.completions.parse({
  model: 'gpt-4o', messages, response_format: { type: 'json_schema', json_schema: { name: 'triage', strict: true, schema } },
});
assert.deepEqual(parsed.choices[0].message.parsed, { intent: 'value' });

const two = await client.chat.completions.create({ model: 'gpt-4o', messages, n: 2, logprobs: true, top_logprobs: 1 });
assert.deepEqual(two.choices.map((choice) => choice.logprobs.content.length), [8, 8]);

assert.equal((await client.responses.create({ model: 'gpt-4o', input: 'hi' })).output_text, said);
const numbers = [];
let ended;
for await (const event of await client.responses.create({ model: 'gpt-4o', input: 'hi', stream: true })) {
  numbers.push(event.sequence_number);
  ended = event.type;
}
assert.deepEqual(numbers, numbers.map((_, at) => at));
assert.equal(ended, 'response.completed');

const vectors = await client.embeddings.create({ model: 'text-embedding-3-small', input: ['a', 'b'] });
assert.deepEqual(vectors.data.map((one) => one.embedding.length), [8, 8]);

const names = [];
for await (const model of client.models.list()) names.push(model.id);
assert.ok(names.includes('gpt-4o'));
assert.equal((await client.models.retrieve('acme/gpt:tuned')).id, 'acme/gpt:tuned');

const bytes = Buffer.from(Array.from({ length: 5000 }, (_, at) => at % 256));
const file = await client.files.create({ file: await toFile(bytes, 'train.jsonl'), purpose: 'fine-tune' });
assert.equal(file.bytes, bytes.length);
assert.deepEqual(Buffer.from(await (await client.files.content(file.id)).arrayBuffer()), bytes);
const heard = await client.audio.transcriptions.create({
  file: await toFile(bytes, 'a.wav'), model: 'whisper-1', response_format: 'verbose_json', timestamp_granularities: ['word', 'segment'],
});
assert.equal(heard.text, 'a.wav: 5000 bytes');
assert.equal((await (await client.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: 'x' })).arrayBuffer()).byteLength, 2048);

await assert.rejects(client.chat.completions.create({ model: 'missing-1', messages }),
  (error) => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
await assert.rejects(new OpenAI({ apiKey: 'sk-junk', maxRetries: 0 }).chat.completions.create({ model: 'gpt-4o', messages }),
  OpenAI.AuthenticationError);

const early = await client.chat.completions.create({ model: 'gpt-4o', messages, stream: true });
for await (const _ of early) break;
console.log('ok');

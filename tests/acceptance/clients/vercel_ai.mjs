// The Vercel AI SDK, whose zod schemas refuse what is not OpenAI's: text, stream, object, tools, embeddings.
import assert from 'node:assert/strict';
import { createOpenAI } from '@ai-sdk/openai';
import { embed, generateObject, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY });
for (const model of [openai.chat('gpt-4o'), openai.responses('gpt-4o')]) {
  const whole = await generateText({ model, prompt: 'hi', maxRetries: 0 });
  assert.match(whole.text, /^frontier-0-0 frontier-0-1/);
  const stream = streamText({ model, prompt: 'hi', maxRetries: 0 });
  let text = '';
  for await (const part of stream.textStream) text += part;
  assert.equal(text, whole.text);
  assert.ok((await stream.usage).totalTokens > 0);
  const { object } = await generateObject({ model, prompt: 'triage', maxRetries: 0, schema: z.object({ intent: z.string(), urgent: z.boolean() }) });
  assert.deepEqual(object, { intent: 'value', urgent: true });
  const asked = [];
  const weather = tool({
    description: 'weather', inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => { asked.push(city); return 'sunny'; },
  });
  const run = streamText({ model, prompt: 'weather?', tools: { weather }, stopWhen: stepCountIs(3), maxRetries: 0 });
  let last = '';
  for await (const part of run.textStream) last += part;
  assert.deepEqual(asked, ['value']);
  assert.match(last, /^frontier-0-0/);
}
const { embedding } = await embed({ model: openai.embedding('text-embedding-3-small'), value: 'x', maxRetries: 0 });
assert.equal(embedding.length, 8);
console.log('ok');

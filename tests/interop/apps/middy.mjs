import middy from '@middy/core';
import cors from '@middy/http-cors';
import httpErrorHandler from '@middy/http-error-handler';
import httpHeaderNormalizer from '@middy/http-header-normalizer';
import jsonBodyParser from '@middy/http-json-body-parser';
import validator from '@middy/validator';
import { transpileSchema } from '@middy/validator/transpile';

const schema = {
  type: 'object',
  required: ['body'],
  properties: {
    body: {
      type: 'object',
      required: ['creditCardNumber', 'expiryMonth'],
      properties: {
        creditCardNumber: { type: 'string', minLength: 12, maxLength: 19, pattern: '\\d+' },
        expiryMonth: { type: 'integer', minimum: 1, maximum: 12 },
      },
    },
  },
};

const processPayment = async (event) => {
  const { creditCardNumber, expiryMonth } = event.body;
  if (expiryMonth === 12) throw new Error('the processor is on holiday');
  return {
    statusCode: 200,
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ result: 'success', last: creditCardNumber.slice(-4) }),
  };
};

export const handler = middy()
  .use(httpHeaderNormalizer())
  .use(jsonBodyParser())
  .use(validator({ eventSchema: transpileSchema(schema) }))
  .use(cors({ origins: ['https://shop.example'], credentials: true }))
  .use(httpErrorHandler({ fallbackMessage: 'Try again later' }))
  .handler(processPayment);

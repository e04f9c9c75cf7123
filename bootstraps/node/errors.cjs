'use strict';
/* Errors as AWS's clients for nodejs report and name them. */
const { isNativeError } = require('util').types;

const NOT_SETTLED =
  'The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly ' +
  'caused by a Promise that was never settled. For more information, see ' +
  'https://nodejs.org/docs/latest/api/process.html#exit-codes';
const NO_CALLBACKS =
  'ERROR: AWS Lambda has removed support for callback-based function handlers starting with ' +
  'Node.js 24. You need to modify this function to use a supported handler signature to use ' +
  'Node.js 24 or later. For more information see ' +
  'https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.';
const CALLBACK_WARNING =
  'AWS Lambda plans to remove support for callback-based function handlers starting with Node.js ' +
  '24. You will need to update this function to use an async handler to use Node.js 24 or later. ' +
  'For more information and to provide feedback on this change, see ' +
  'https://github.com/aws/aws-lambda-nodejs-runtime-interface-client/issues/137. To disable this ' +
  'warning, set the AWS_LAMBDA_NODEJS_DISABLE_CALLBACK_WARNING environment variable.';
const UNREADABLE =
  'callback called with Error argument, but there was a problem while retrieving one or more of ' +
  'its message, name, and stack';

/* An error of the runtime itself: name is one of AWS's Runtime.* types. */
function make(name, message) {
  const error = new Error(message);
  /* Not enumerable, as in a class: logs print own enumerable properties. */
  Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true });
  Error.captureStackTrace(error, make); // composes the first line anew
  return error;
}

/* An error of the runtime that stands for one of the user's; the trace leads to the user's code. */
function wrap(name, cause) {
  const error = make(name, String(cause));
  if (typeof cause.stack === 'string') error.stack = `${name}: ${error.message}\n${cause.stack}`;
  return error;
}

function unhandledRejection(reason, promise) {
  let message;
  try {
    message = String(reason);
  } catch {
    message = typeof reason;
  }
  const error = make('Runtime.UnhandledPromiseRejection', message);
  error.reason = reason;
  error.promise = promise;
  return error;
}

function looksLikeError(value) {
  return (
    value &&
    typeof value.name === 'string' &&
    typeof value.message === 'string' &&
    typeof value.stack === 'string' &&
    value.name !== '' &&
    value.message !== ''
  );
}

/* What the caller of the function receives. DEL may not stand in a header, where AWS puts these. */
function toObject(error) {
  const clean = (text) => text.replaceAll('\x7F', '%7F');
  try {
    if (isNativeError(error) || looksLikeError(error)) {
      return {
        errorType: clean(error.name),
        errorMessage: clean(error.message),
        trace: clean(error.stack).split('\n'),
      };
    }
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  } catch {
    return { errorType: 'handled', errorMessage: UNREADABLE, trace: [] };
  }
}

module.exports = {
  CALLBACK_WARNING,
  make,
  wrap,
  toObject,
  unhandledRejection,
  nodeJsExit: () => make('Runtime.NodeJsExit', NOT_SETTLED),
  callbackHandler: () => make('Runtime.CallbackHandlerDeprecated', NO_CALLBACKS),
};

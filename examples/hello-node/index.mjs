// An event in, a JSON answer out: virga deploy examples/hello-node
export const handler = async (event, context) => {
  const name = event.name ?? 'World';
  console.log('greeting', name);
  return {
    statusCode: 200,
    body: JSON.stringify({
      message: `Hello, ${name}!`,
      remainingMs: context.getRemainingTimeInMillis(),
      requestId: context.awsRequestId,
    }),
  };
};

// The answer goes out while it is made. Handler: index.count
export const count = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType('text/plain');
  for (let n = 1; n <= (event.to ?? 3); n++) {
    stream.write(`${n}\n`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  stream.end();
});

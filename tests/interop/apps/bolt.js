const { App, AwsLambdaReceiver } = require('@slack/bolt');

const receiver = new AwsLambdaReceiver({ signingSecret: process.env.SLACK_SIGNING_SECRET });
const app = new App({
  receiver,
  /* What an installation store would answer; `token` would ask Slack who it is. */
  authorize: async ({ teamId }) => ({ botToken: 'xoxb-local', botId: 'B1', botUserId: 'U1', teamId }),
});

app.command('/echo', async ({ command, ack }) => {
  await ack(`${command.user_name} says ${command.text}`);
});
app.action('approve', async ({ ack }) => ack());
app.event('app_mention', async ({ event, logger }) => {
  logger.info(`mentioned by ${event.user}`);
});

module.exports.handler = async (event, context, callback) => {
  const handler = await receiver.start();
  return handler(event, context, callback);
};

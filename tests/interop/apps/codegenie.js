const serverlessExpress = require('@codegenie/serverless-express');
const app = require('./express_app');

exports.handler = serverlessExpress({ app, binarySettings: { contentTypes: ['image/*', 'application/octet-stream'] } });

const serverless = require('serverless-http');
const app = require('./express_app');

module.exports.handler = serverless(app, { binary: ['image/png', 'application/octet-stream'] });

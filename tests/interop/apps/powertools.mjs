import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { MetricUnit, Metrics } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import { Tracer } from '@aws-lambda-powertools/tracer';
import { captureLambdaHandler } from '@aws-lambda-powertools/tracer/middleware';
import middy from '@middy/core';

const logger = new Logger({ serviceName: 'airline' });
const metrics = new Metrics({ namespace: 'Airline', serviceName: 'airline' });
const tracer = new Tracer({ serviceName: 'airline' });

const book = async (event) => {
  logger.appendKeys({ booking: event.booking });
  logger.info('booking', { seats: event.seats });
  const segment = tracer.getSegment()?.addNewSubsegment('### seats');
  tracer.putAnnotation('booking', event.booking);
  metrics.addMetric('seats', MetricUnit.Count, event.seats);
  metrics.addDimension('class', 'economy');
  segment?.close();
  try {
    if (event.seats > 100) throw new RangeError('no such aircraft');
  } catch (error) {
    logger.error('refused', error);
    throw error;
  }
  return { booked: event.seats, trace: tracer.getRootXrayTraceId(), isSampled: tracer.isTraceSampled() };
};

export const handler = middy(book)
  .use(captureLambdaHandler(tracer))
  .use(injectLambdaContext(logger, { logEvent: true, resetKeys: true }))
  .use(logMetrics(metrics, { captureColdStartMetric: true }));

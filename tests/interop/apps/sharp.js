const sharp = require('sharp');

exports.handler = async (event) => {
  const image = Buffer.from(event.body, 'base64');
  const { width, height, format } = await sharp(image).metadata();
  const made = await Promise.all(event.sizes.map((size) => sharp(image).resize(size).webp().toBuffer({ resolveWithObject: true })));
  return {
    from: { width, height, format },
    made: made.map(({ data, info }) => ({ body: data.toString('base64'), width: info.width, height: info.height, format: info.format })),
    threads: sharp.concurrency(),
    path: require.resolve('sharp'),
  };
};

const { execFile } = require('child_process');
const fs = require('fs/promises');
const { promisify } = require('util');

const run = promisify(execFile);
const ffmpeg = (...args) => run('/opt/bin/ffmpeg', ['-hide_banner', '-loglevel', 'error', '-y', ...args]);

exports.handler = async (event) => {
  await ffmpeg('-f', 'lavfi', '-i', `testsrc=duration=${event.seconds}:size=320x240:rate=10`,
    '-f', 'lavfi', '-i', `sine=duration=${event.seconds}`, '-c:v', 'libx264', '-c:a', 'aac', '/tmp/clip.mp4');
  await ffmpeg('-ss', '0.5', '-i', '/tmp/clip.mp4', '-frames:v', '1', '-vf', 'scale=64:-1', '/tmp/thumbnail.jpg');
  const { stderr } = await run('/opt/bin/ffmpeg', ['-i', '/tmp/clip.mp4']).catch((error) => error);
  return { bytes: (await fs.stat('/tmp/clip.mp4')).size, info: stderr,
    thumbnail: await fs.readFile('/tmp/thumbnail.jpg', 'base64') };
};

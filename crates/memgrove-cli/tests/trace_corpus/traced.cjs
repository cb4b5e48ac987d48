// Writes the recordings of traced or checked modules at the end; what takes the originals' place is told by
// `own_js/replaced.cjs`. PROFILES: folder for the recordings.
const fs = require('fs');
const path = require('path');
const { seen } = require('../../../memgrove-lab/tests/own_js/replaced.cjs');

process.on('exit', () => {
  seen.filter(({ instance }) => instance.exports.memgrove_profile).forEach(({ instance }, at) => {
    instance.exports.memgrove_finish?.();
    const memory = Buffer.from(instance.exports.memgrove_profile.buffer);
    fs.writeFileSync(path.join(process.env.PROFILES, `${at}.memory`), memory);
  });
});

// Serves one module over standard input and output: one JSON message a line, strictly in turn; `javascriptEngine` stands
// before it. The other side asks; while a function of the host runs, this side has asked and serves until the answer.
const fs = require('fs');

const pending = [];          // whole lines that were read
let rest = Buffer.alloc(0);  // the beginning of the next

function receive() {
  while (pending.length === 0) {
    const chunk = Buffer.alloc(1 << 16);
    let size;
    try {
      size = fs.readSync(0, chunk, 0, chunk.length, null);
    } catch (error) {
      if (error.code === 'EAGAIN') { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); continue; }
      if (error.code === 'EOF') process.exit(0);
      throw error;
    }
    if (size === 0) process.exit(0);
    rest = Buffer.concat([rest, chunk.subarray(0, size)]);
    for (let end; (end = rest.indexOf(10)) >= 0; rest = rest.subarray(end + 1)) {
      pending.push(JSON.parse(rest.subarray(0, end).toString()));
    }
  }
  return pending.shift();
}

function send(message) {
  let bytes = Buffer.from(JSON.stringify(message) + '\n');
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(fs.writeSync(1, bytes));
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

function askHost(question) {
  send(question);
  for (;;) {
    const message = receive();
    if (message.operation === 'return' || message.operation === 'throw') return message;
    send(serve(message));
  }
}

const serve = javascriptEngine(askHost);
send({ ok: { version: `${process.version} (V8 ${process.versions.v8})` } });
for (;;) send(serve(receive()));

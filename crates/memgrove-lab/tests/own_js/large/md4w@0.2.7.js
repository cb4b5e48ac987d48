import('./js/index.js').then(async m => {
  await m.init('small');
  for (const lines of [10, 60000, 300]) {
    const text = Array.from({ length: lines }, (_, n) => `## Part ${n}\n\n* *a* [l${n}](http://x.y/${n})\n* \`c\`\n\n| a | b |\n|---|---|\n| ${n} | ~~x~~ |\n`).join('\n');
    const html = m.mdToHtml(text);
    console.log(html.length, hash(Buffer.from(html)), hash(Buffer.from(JSON.stringify(m.mdToJSON(text)))));
  }
});

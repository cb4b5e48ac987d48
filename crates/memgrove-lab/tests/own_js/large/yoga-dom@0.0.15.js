Promise.resolve(require('./dist/Yoga.cjs.js')).then(Y => {
  const all = [];
  const make = (depth, width) => {
    const node = new Y.Node();
    all.push(node);
    if (depth) {
      for (let n = 0; n < width; n++) node.insertChild(make(depth - 1, width), n);
    } else {
      node.width = { value: 3.5, unit: 1 };
      node.height = { value: 1 + all.length % 3, unit: 1 };
    }
    return node;
  };
  const root = make(4, 10);
  root.calculateLayout(1000, 1000, 1);
  const layouts = all.filter((_, n) => n % 50 === 0).map(node => JSON.stringify(node.getComputedLayout()));
  console.log(all.length, layouts[7], hash(Buffer.from(layouts.join())));
});

// Allocates, grows, links and drops, so that the compiler keeps the whole run-time.
class Node {
  next: Node | null = null;
  items: Array<i32> = new Array<i32>();
  name: string = "";
}

let head: Node | null = null;

export function push(n: i32): i32 {
  const node = new Node();
  for (let i = 0; i < n; i++) node.items.push(i);
  node.name = "node " + n.toString();
  node.next = head;
  head = node;
  return node.items.length + node.name.length;
}

export function pop(): i32 {
  const node = head;
  if (node === null) return 0;
  head = node.next;
  return node.items.length;
}

export function bytes(n: i32): ArrayBuffer {
  return new ArrayBuffer(n);
}

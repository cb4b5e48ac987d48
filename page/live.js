// For a page of one's own: `<script src="live.js"></script>` before its other scripts. What stands in the package stands before this.
const bytes = Uint8Array.from(atob('{{module}}'), (c) => c.charCodeAt(0));
globalThis.memgrove = watch(WebAssembly.compile(unpacked(bytes)).then((module) => new Core(module)));

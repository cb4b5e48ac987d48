// Arithmetic and raw memory only: code of this compiler that is no allocator.
export function checksum(at: usize, n: i32): u32 {
  let crc: u32 = 0xffffffff;
  for (let i = 0; i < n; i++) {
    crc ^= <u32>load<u8>(at + i);
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc;
}

export function blur(at: usize, w: i32, h: i32): void {
  for (let y = 1; y < h - 1; y++) {
    for (let x = 1; x < w - 1; x++) {
      const i = at + y * w + x;
      const sum = <i32>load<u8>(i - 1) + <i32>load<u8>(i + 1) + <i32>load<u8>(i - w) + <i32>load<u8>(i + w);
      store<u8>(i, <u8>(sum >> 2));
    }
  }
}

export function sine(x: f64): f64 {
  return Math.sin(x) * Math.exp(x) + Math.pow(x, 1.5);
}

//! Records traces from the real programs, as a 32-bit module runs them.

use std::fs;

use anyhow::{Context, Result};
use xshell::cmd;

use super::Builder;

/// Name of the workload and per cent of its standard size: enough calls to be a load, few enough bytes to ship.
const RECORDED: &[(&str, u32)] =
    &[("json", 30), ("regex", 100), ("script", 100), ("markdown", 25), ("strings", 15)];
const SEED: u32 = 1;

/// Writes the trace of one workload of a module to a file.
const SCRIPT: &str = r#"
const fs = require("fs");
const [module, name, scale, seed, out] = process.argv.slice(1);
const { exports: guest } = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(module)), {});
const bytes = (pair) => {
  const both = BigInt.asUintN(64, pair);
  return Buffer.from(guest.memory.buffer, Number(both >> 32n), Number(both & 0xffffffffn));
};
for (let i = 0; i < guest.workload_count(); i++) {
  if (bytes(guest.workload_name(i)).toString() === name) {
    fs.writeFileSync(out, bytes(guest.record(i, Number(scale), Number(seed))));
    process.exit(0);
  }
}
throw new Error(`no workload ${name}`);
"#;

pub fn run(builder: &Builder<'_>) -> Result<()> {
    let sh = builder.workspace.shell()?;
    let module = builder.target.join("recording.wasm");
    fs::write(
        &module,
        builder.compile("guest", "release", "recording,programs", &[], &[], "std,panic_abort")?,
    )?;
    let folder = builder.workspace.root().join("crates/memgrove-trace/traces");
    fs::create_dir_all(&folder)?;
    for (name, scale) in RECORDED {
        let out = folder.join(format!("{name}.mgtr"));
        let (scale, seed) = (scale.to_string(), SEED.to_string());
        cmd!(sh, "node -e {SCRIPT} {module} {name} {scale} {seed} {out}").quiet().run().context("node")?;
        println!("guests: {name}.mgtr, {} bytes", fs::metadata(&out)?.len());
    }
    Ok(())
}

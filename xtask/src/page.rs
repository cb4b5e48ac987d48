//! The page: one file that inspects and mends modules, offline and from `file://` too.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use base64::prelude::{BASE64_STANDARD, Engine};
use sha2::{Digest, Sha256};

use crate::npm;
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub struct PageArgs {}

const SOURCES: &str = "page";
/// What draws a heap profile.
const PROFILE_SCRIPT: &str = "crates/memgrove-view/src/profile/profile.js";

pub fn run(workspace: &Workspace, _: &PageArgs) -> Result<()> {
    let page = write(workspace, &npm::packed(workspace)?)?;
    println!("{}: {} bytes", page.display(), fs::metadata(&page)?.len());
    Ok(())
}

/// What pages of one's own are watched with, beside the page.
pub const LIVE: &str = "live.js";

/// Places in the sources where something else is put, but for the policy's, which is a comment until then.
const PLACES: [&str; 4] = ["{{style}}", "{{worker}}", "{{module}}", "{{script}}"];

/// Whether everything was put into a page, or into [`LIVE`].
pub fn is_whole(text: &str) -> bool {
    !PLACES.iter().any(|place| text.contains(place))
}

/// Puts everything into `out/page/index.html`, and [`LIVE`] beside it.
pub fn write(workspace: &Workspace, packed: &npm::Packed) -> Result<PathBuf> {
    let root = workspace.root();
    let read = |name: &str| {
        let path = root.join(SOURCES).join(name);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let core = classic(&fs::read_to_string(root.join(npm::PACKAGE).join("core.js"))?)?;
    let reader = classic(&fs::read_to_string(root.join(npm::READER))?)?;
    let unpacker = classic(&npm::unpacker(workspace, &packed.unpacker)?)?;
    let server = fs::read_to_string(root.join(npm::SERVER))?;
    let worker = format!("{server}\n{core}\n{reader}\n{unpacker}\n{}", read("worker.js")?);
    let script = read("page.js")?;
    for part in [&worker, &script] {
        // It would end the element that it stands in.
        if part.to_ascii_lowercase().contains("</script") {
            bail!("a script of the page ends its own element");
        }
    }
    let hash = |script: &str| BASE64_STANDARD.encode(Sha256::digest(script.as_bytes()));
    // A heap profile stands in a frame of its own, where its script runs and cannot see this page.
    let profile = fs::read_to_string(root.join(PROFILE_SCRIPT))?;
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}' 'sha256-{}' 'wasm-unsafe-eval'; worker-src blob:; \
         style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(&script),
        hash(&profile)
    );
    let policy = format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">");
    let page = read("index.html")?
        .replace("<!-- {{csp}} -->", &policy)
        .replace("{{style}}", &read("style.css")?)
        .replace("{{worker}}", &worker)
        .replace("{{module}}", &BASE64_STANDARD.encode(&packed.module))
        .replace("{{script}}", &script);
    let folder = workspace.out().join("page");
    fs::create_dir_all(&folder)?;
    // For pages of one's own, which may have a policy that lets no script in but from a file.
    let hook = classic(&fs::read_to_string(root.join(npm::PACKAGE).join("hook.js"))?)?;
    let live = classic(&fs::read_to_string(root.join(npm::PACKAGE).join("live.js"))?)?;
    let start = read("live.js")?.replace("{{module}}", &BASE64_STANDARD.encode(&packed.module));
    let parts = [&*server, &*core, &*reader, &*unpacker, &*hook, &*live, &*start];
    fs::write(folder.join(LIVE), format!("(() => {{\n{}\n}})();\n", parts.join("\n")))?;
    let path = folder.join("index.html");
    fs::write(&path, page)?;
    Ok(path)
}

/// A module of JavaScript as a part of a script: its imports stand before it already, and nobody imports it.
fn classic(module: &str) -> Result<String> {
    let lines = module.lines().filter(|line| !line.starts_with("import "));
    let script: String =
        lines.map(|line| format!("{}\n", line.strip_prefix("export ").unwrap_or(line))).collect();
    if script.lines().any(|line| line.starts_with("export")) || script.contains("import.meta") {
        bail!("a part has become more than imports in one line each and exports of declarations");
    }
    Ok(script)
}

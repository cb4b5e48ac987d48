//! DHAT's JSON, version 2, which valgrind's `dh_view.html` shows.
//!
//! Format: the comment "File format" in valgrind's `dhat/dh_main.c`.

use serde::Serialize;

use super::Export;
use crate::summary::NodeSummary;

#[derive(Serialize)]
struct File {
    #[serde(rename = "dhatFileVersion")]
    version: u32,
    mode: &'static str,
    verb: &'static str,
    /// Block lifetimes are known.
    bklt: bool,
    /// Accesses are not.
    bkacc: bool,
    /// The unit of time, and a million of it.
    tu: &'static str,
    #[serde(rename = "Mtu")]
    mega_tu: &'static str,
    /// A lifetime below this is short.
    tuth: u64,
    cmd: String,
    pid: u32,
    /// The time of the peak, and of the end.
    tg: u64,
    te: u64,
    pps: Vec<Point>,
    ftbl: Vec<String>,
}

/// A program point: total, greatest, at the peak, at the end; bytes and blocks.
#[derive(Serialize)]
struct Point {
    tb: u64,
    tbk: u64,
    tl: u64,
    mb: u64,
    mbk: u64,
    gb: u64,
    gbk: u64,
    eb: u64,
    ebk: u64,
    fs: Vec<usize>,
}

impl Export<'_> {
    /// A file for valgrind's `dh_view.html`.
    ///
    /// # Errors
    /// What the serialiser says; there is no value here that it refuses.
    pub fn dhat(&self) -> serde_json::Result<Vec<u8>> {
        let frames = self.frames();
        // The viewer keeps the first place for the root of its tree.
        let mut table = vec!["[root]".to_owned()];
        table.extend(frames.list.iter().map(|frame| match frame.offset {
            Some(offset) => format!("{offset:#x}: {}", dhat_name(frame)),
            None => frame.label(),
        }));
        let point = |(&node, figures): (&u32, &NodeSummary)| Point {
            tb: figures.bytes,
            tbk: figures.count,
            tl: figures.lifetimes,
            mb: figures.max_bytes,
            mbk: figures.max_blocks,
            gb: figures.at_peak_bytes,
            gbk: figures.at_peak_blocks,
            eb: figures.final_bytes,
            ebk: figures.final_blocks,
            fs: self.stack(&frames, node).into_iter().map(|frame| frame + 1).collect(),
        };
        let summary = self.summary;
        let mut cmd = self.module.to_owned();
        for remark in self.remarks() {
            cmd.push_str("; ");
            cmd.push_str(&remark);
        }
        serde_json::to_vec(&File {
            version: 2,
            mode: "heap",
            verb: "Allocated",
            bklt: true,
            bkacc: false,
            tu: "changes",
            mega_tu: "Mchanges",
            tuth: 10,
            cmd,
            pid: 0,
            tg: summary.peak_at,
            te: summary.changes,
            // A stack that only refused or never held a block is no program point.
            pps: summary.nodes.iter().filter(|(_, figures)| figures.count > 0).map(point).collect(),
            ftbl: table,
        })
    }
}

fn dhat_name(frame: &super::Frame) -> String {
    match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!("{} ({file}:{line})", frame.function),
        (Some(file), None) => format!("{} ({file})", frame.function),
        _ => frame.function.clone(),
    }
}

//! From a file's bytes to the modules and components inside it. Bytes in, values out: no file is read here.
//!
//! ```text
//! bytes ─► gzip, zstd (one inside the other) ─► binary format ─► itself
//!                                            ─► text format   ─► assembled
//!                                            ─► tar, zip      ─► each member that holds one
//!                                            ─► JavaScript, HTML: each module inlined as base64 or as a string
//! ```
//!
//! What it is goes by what is in it, not by its name. Time and memory are linear in the input and in the bound on what is
//! unpacked.
#![forbid(unsafe_code)]

mod archive;
mod base64_text;
mod compressed;
mod each;
mod error;
mod identify;
mod inlined;
mod older_text;
mod string_text;
mod text_format;

use std::io::Read;
use std::ops::ControlFlow;

pub use each::{Found, Limits, each_binary};
pub use error::{OpenError, Place};
pub use identify::{holds_wasm, is_archive, may_inline};

use self::each::{Location, Nested, Visit};

/// The most bytes that a file may have, unpacked too, unless the user says otherwise.
pub const DEFAULT_MAX_BYTES: u64 = 512 << 20;

/// A file that begins with so many zero bytes is not read further.
const HEAD_BYTES: u64 = 1 << 20;

/// A module or component, and what was around it.
#[derive(Debug, PartialEq, Eq)]
pub struct Binary {
    /// It in the binary format.
    pub bytes: Vec<u8>,
    /// What it was wrapped in, outermost first: `gzip`, `base64 at offset 0x1f3`,
    /// `string at offset 0x1f3`. Empty if it was the file itself.
    pub wrapped_in: Vec<String>,
    /// Its path in an archive, where it was in one.
    pub member: Option<String>,
}

impl Binary {
    /// Whether it was inlined in a script or page.
    #[must_use]
    pub fn is_inlined(&self) -> bool {
        self.wrapped_in.last().is_some_and(|around| inlined::is_script(around))
    }
}

/// The modules and components in a file, at least one: itself, or what is compressed, written as text or inlined in it.
///
/// `name` helps to say what a file is that holds none. Nothing may unpack to more than `max_bytes`.
///
/// # Errors
/// [`OpenError`]: it holds none, or cannot be unpacked or assembled.
pub fn binaries(bytes: Vec<u8>, name: &str, max_bytes: u64) -> Result<Vec<Binary>, OpenError> {
    let limits = Limits { max_bytes, max_ratio: u64::MAX, max_archives: 1 };
    let visit = Visit { limits: &limits, nested: Nested::Ignored, total_bytes: Some(max_bytes) };
    let mut found = Ok(Vec::new());
    let _ = visit.file(bytes, name, Location::default(), &mut |next| {
        match (next.result, next.member, &mut found) {
            (Ok(binary), _, Ok(binaries)) => {
                binaries.push(binary);
                return ControlFlow::Continue(());
            }
            (Err(error), Some(path), _) => {
                found = Err(OpenError::Member { path, source: Box::new(error) });
            }
            (Err(error), None, _) => found = Err(error),
            (Ok(_), _, Err(_)) => {}
        }
        ControlFlow::Break(())
    });
    found
}

/// Reads to the end of a file, or fails when it has more than `max_bytes`. Of one that begins with a MiB of zeros that MiB:
/// nothing that begins like this holds a module, and some of it never ends (`/dev/zero`).
///
/// # Errors
/// [`OpenError::TooLarge`], or [`OpenError::Read`] with what the reader says.
pub fn read_at_most(reader: impl Read, max_bytes: u64) -> Result<Vec<u8>, OpenError> {
    read_expecting(reader, 0, max_bytes)
}

/// The same of a file that says how long it is: then room for that much is taken at once, and not by doubling. A file
/// may say what it likes; all of it is read, and no more.
///
/// # Errors
/// Those of [`read_at_most`].
pub fn read_expecting(reader: impl Read, expected_bytes: u64, max_bytes: u64) -> Result<Vec<u8>, OpenError> {
    let mut bytes = Vec::new();
    // Where there is not as much memory, reading tells.
    let _ = bytes.try_reserve_exact(usize::try_from(expected_bytes.min(max_bytes)).unwrap_or(0));
    let mut reader = reader.take(max_bytes.saturating_add(1));
    reader.by_ref().take(HEAD_BYTES).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == HEAD_BYTES && bytes.iter().all(|&byte| byte == 0) {
        return Ok(bytes);
    }
    reader.read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(OpenError::TooLarge { max_bytes });
    }
    Ok(bytes)
}

/// Whether it has the magic number and is not what a text editor left of a module.
fn is_binary(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm") && !bytes.starts_with("\0asm\u{fffd}".as_bytes())
}

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::each::MAX_DEPTH;
    use super::*;

    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

    #[track_caller]
    fn error(bytes: &[u8], name: &str) -> String {
        binaries(bytes.to_vec(), name, 1000).unwrap_err().to_string()
    }

    #[test]
    fn a_binary_is_itself() {
        let found = binaries(EMPTY.to_vec(), "a", 1000).unwrap();
        assert_eq!(found, [Binary { bytes: EMPTY.to_vec(), wrapped_in: Vec::new(), member: None }]);
    }

    #[test]
    fn text_and_inlined_modules_are_found() {
        let found = binaries(b";; c\n(module)".to_vec(), "a", 1000).unwrap();
        assert_eq!(
            found,
            [Binary { bytes: EMPTY.to_vec(), wrapped_in: vec!["text format".to_owned()], member: None }]
        );
        let found = binaries(b"load('AGFzbQEAAAA=')".to_vec(), "a.js", 1000).unwrap();
        assert_eq!(found[0].wrapped_in, ["base64 at offset 0x6"]);
        assert_eq!(found[0].bytes, EMPTY);
    }

    /// Files of an archive, one of them a script with a module inlined and one an archive.
    const MEMBERS: [(&str, &[u8]); 5] = [
        ("package/a.wasm", EMPTY),
        ("package/read.me", b"no module"),
        ("package/b.js", b"load('AGFzbQEAAAA=')"),
        ("package/other.js", b"load('nothing')"),
        ("package/c.wat", b"(memory 1)"),
    ];

    fn tar() -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, bytes) in MEMBERS {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, path, bytes).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn zip() -> Vec<u8> {
        use std::io::Write;
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (path, bytes) in MEMBERS {
            zip.start_file(path, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn members_of_archives_keep_their_path() {
        use std::io::Write;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar()).unwrap();
        for (bytes, around) in
            [(tar(), vec!["tar"]), (zip(), vec!["zip"]), (gzip.finish().unwrap(), vec!["gzip", "tar"])]
        {
            assert!(is_archive(&bytes), "{around:?}");
            let found = binaries(bytes, "a", 100_000).unwrap();
            let paths: Vec<_> = found.iter().filter_map(|binary| binary.member.as_deref()).collect();
            assert_eq!(paths, ["package/a.wasm", "package/b.js", "package/c.wat"]);
            assert_eq!(found[0].wrapped_in, around);
            assert_eq!(found[1].wrapped_in.last().unwrap(), "base64 at offset 0x6");
            assert_eq!((&found[0].bytes[..], &found[1].bytes[..]), (EMPTY, EMPTY));
        }
    }

    #[test]
    fn archives_are_bounded_and_their_faults_are_told() {
        assert!(binaries(tar(), "a", 20).unwrap_err().to_string().contains("unpacking tar"));
        let mut cut = zip();
        cut.truncate(cut.len() / 2);
        assert!(binaries(cut, "a", 1000).unwrap_err().to_string().contains("unpacking zip"));
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        let text = b"(module (func (i33.const)))";
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, "bad.wat", &text[..]).unwrap();
        assert_eq!(error(&tar.into_inner().unwrap(), "a.tar"), "its member \"bad.wat\"");
        let empty = tar::Builder::new(Vec::new()).into_inner().unwrap();
        assert!(error(&empty, "a.tar").contains("zero bytes"));
    }

    /// What [`each_binary`] finds: its place, and a byte count or an error.
    fn each(bytes: Vec<u8>, limits: &Limits) -> Vec<String> {
        let mut seen = Vec::new();
        each_binary(bytes, "a", limits, &mut |found| {
            let member = found.member.unwrap_or_else(|| "-".to_owned());
            let result = match found.result {
                Ok(binary) => format!("{} bytes", binary.bytes.len()),
                Err(error) => std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source())
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(": "),
            };
            seen.push(format!("{member}: {result}"));
            ControlFlow::Continue(())
        });
        seen
    }

    fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, bytes) in members {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, path, *bytes).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn each_goes_on_behind_a_member_that_cannot_be_had() {
        let inner = zip();
        let huge = [EMPTY, &[1; 5000]].concat();
        let tar = tar_of(&[
            ("a.wasm", EMPTY),
            ("bad.wat", b"(module (func (i33.const)))"),
            ("huge.wasm", &huge),
            ("lib.jar", &inner),
            ("z.wasm", EMPTY),
        ]);
        let limits = Limits { max_bytes: 4000, ..Limits::default() };
        let expected = [
            "a.wasm: 8 bytes",
            "bad.wat: unknown operator or unexpected token (at line 1, column 16)",
            "huge.wasm: it has more than 4000 bytes",
            "lib.jar/package/a.wasm: 8 bytes",
            "lib.jar/package/b.js: 8 bytes",
            "lib.jar/package/c.wat: 13 bytes",
            "z.wasm: 8 bytes",
        ];
        assert_eq!(each(tar.clone(), &limits), expected);
        assert_eq!(each(gzip(&tar), &limits), expected);
        let shallow = each(tar.clone(), &Limits { max_archives: 1, ..limits });
        assert_eq!(shallow[3], "lib.jar: it is an archive in 1 archives");
        assert_eq!(shallow.len(), 5);
        // Cut short: what was before is there, and that the rest is not.
        let mut cut = gzip(&tar);
        cut.truncate(cut.len() - 100);
        let cut = each(cut, &limits);
        assert_eq!(cut[0], expected[0]);
        assert!(cut.last().unwrap().starts_with("-: unpacking tar"), "{cut:?}");
    }

    #[test]
    fn each_refuses_what_unpacks_to_far_too_much() {
        let zeros = [EMPTY, &vec![0; 3 << 20]].concat();
        let limits = Limits { max_ratio: 100, ..Limits::default() };
        let bomb = "more than 100 bytes come out of each of its bytes";
        assert_eq!(each(gzip(&zeros), &limits), [format!("-: unpacking gzip: {bomb}")]);
        // Also where what comes out is passed over.
        let tar = tar_of(&[("a.wasm", EMPTY), ("zeros", &zeros[8..])]);
        assert_eq!(
            each(gzip(&tar), &limits),
            ["a.wasm: 8 bytes".to_owned(), format!("-: unpacking tar: {bomb}")]
        );
        assert_eq!(each(gzip(&zeros), &Limits::default()).len(), 1);
        assert_eq!(
            each(tar_of(&[("read.me", b"no")]), &limits),
            ["-: not WebAssembly: a tar archive without a module (at offset 0x0)"]
        );
    }

    #[test]
    fn errors_say_what_and_where() {
        assert_eq!(
            error(b"(module\n  (func (i33.const)))", "a"),
            "unknown operator or unexpected token (at line 2, column 10)"
        );
        assert_eq!(
            error(b"var f = function() {}", "a.js"),
            "not WebAssembly: JavaScript without a module inlined (at offset 0x0)"
        );
        assert_eq!(error(b"", "a"), "not WebAssembly: an empty file (at offset 0x0)");
    }

    #[test]
    fn wrapping_without_end_is_refused() {
        let mut bytes = EMPTY.to_vec();
        for _ in 0..=MAX_DEPTH {
            bytes = ruzstd::encoding::compress_to_vec(
                &bytes[..],
                ruzstd::encoding::CompressionLevel::Uncompressed,
            );
        }
        assert_eq!(error(&bytes, "a"), "it is compressed more than 4 times over");
    }

    #[test]
    fn errors_know_their_offset() {
        let offset = |bytes: &[u8]| binaries(bytes.to_vec(), "a", 1000).unwrap_err().offset();
        assert_eq!(offset(b""), Some(0));
        assert_eq!(offset(b"(module \xff)"), Some(8));
        // Characters of several bytes before it, in other lines and in its own, and a byte order mark.
        let text = "\u{feff}(module\n  ;; \u{e4}\u{1f600}\r\n  (func (; \u{1f600} ;) (i33.const)))";
        assert_eq!(offset(text.as_bytes()), text.find("i33").map(|at| at as u64));
    }

    #[test]
    fn zeros_without_end_are_read_no_further_than_their_head() {
        let head = read_at_most(std::io::repeat(0), u64::MAX).unwrap();
        assert_eq!(head.len() as u64, HEAD_BYTES);
        assert!(read_at_most(std::io::repeat(1), 1000).unwrap_err().is_too_large());
    }

    #[test]
    fn a_file_is_read_whole_whatever_length_it_tells() {
        let file = vec![7; 3 << 20];
        for expected_bytes in [0, 1, 3 << 20, 3 << 21, u64::MAX] {
            assert_eq!(read_expecting(&file[..], expected_bytes, 3 << 20).unwrap(), file);
            assert!(read_expecting(&file[..], expected_bytes, (3 << 20) - 1).unwrap_err().is_too_large());
        }
        let exact = read_expecting(&file[..], 3 << 20, 1 << 30).unwrap();
        assert_eq!(exact.capacity(), file.len());
    }
}

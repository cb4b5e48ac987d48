//! What the inspector says of each module in a file.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use memgrove_inspect::{Knowledge, Report, conclude_with, facts};
use memgrove_open::Binary;
use memgrove_view::report::{Failure, Inspected};

use crate::extract::{CoreModule, core_modules};
use crate::failure;

/// Opens a file's bytes and says what is in it: one result for each module inside, or one that says why there is none.
/// `name` is shown, with the path of a member of an archive and with `#2` behind where there are several; nothing may unpack to more than `max_bytes`.
#[must_use]
pub fn inspect(bytes: Vec<u8>, name: &str, knowledge: &Knowledge, max_bytes: u64) -> Vec<Inspected> {
    each(bytes, name, knowledge, max_bytes, |_, _| ()).into_iter().map(|(inspected, ())| inspected).collect()
}

/// The same, and of each the core modules that lie in it and are no file by themselves.
#[must_use]
pub fn inspect_and_extract(
    bytes: Vec<u8>,
    name: &str,
    knowledge: &Knowledge,
    max_bytes: u64,
) -> Vec<(Inspected, Vec<CoreModule>)> {
    each(bytes, name, knowledge, max_bytes, core_modules)
}

fn each<T: Default>(
    bytes: Vec<u8>,
    name: &str,
    knowledge: &Knowledge,
    max_bytes: u64,
    more: impl Fn(&Binary, &str) -> T,
) -> Vec<(Inspected, T)> {
    let binaries = match memgrove_open::binaries(bytes, name, max_bytes) {
        Ok(binaries) => binaries,
        Err(error) => {
            let result = Err(failure::of_opening(&error));
            let inspected = Inspected { name: name.to_owned(), wrapped_in: Vec::new(), result };
            return vec![(inspected, T::default())];
        }
    };
    // Where several are in one file, or in one member of an archive, they are numbered.
    let mut of_each: BTreeMap<Option<String>, usize> = BTreeMap::new();
    for binary in &binaries {
        *of_each.entry(binary.member.clone()).or_default() += 1;
    }
    let mut seen: BTreeMap<Option<String>, usize> = BTreeMap::new();
    let inspected = binaries.into_iter().map(|binary| {
        let place =
            binary.member.as_ref().map_or_else(|| name.to_owned(), |member| format!("{name}/{member}"));
        let is_alone = of_each.get(&binary.member) == Some(&1);
        let number = seen.entry(binary.member.clone()).or_default();
        *number += 1;
        let name = if is_alone { place } else { format!("{place}#{number}") };
        let more = more(&binary, &name);
        let result = report(&binary.bytes, knowledge);
        (Inspected { name, result, wrapped_in: binary.wrapped_in }, more)
    });
    inspected.collect()
}

/// What the inspector says of one module.
///
/// # Errors
/// A [`Failure`] with the byte offset if it is not valid.
pub fn report(bytes: &[u8], knowledge: &Knowledge) -> Result<Report, Failure> {
    // A defect of ours must cost the user one file of a thousand, not the whole run. Where panics abort, the front end
    // has to see to that.
    let report =
        catch_unwind(AssertUnwindSafe(|| facts(bytes).map(|facts| conclude_with(&facts, knowledge))));
    match report {
        Ok(report) => report.map_err(|error| failure::of_module(&error)),
        Err(_) => Err(Failure {
            message: "internal error while inspecting it".to_owned(),
            offset: None,
            hint: Some("this is a defect of memgrove: please report it with the file".to_owned()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_no_module_is_one_failure_and_several_modules_have_numbers() {
        let none = inspect(b"hello".to_vec(), "a.txt", Knowledge::builtin(), 1 << 20);
        assert!(matches!(&none[..], [one] if one.result.is_err() && one.name == "a.txt"));
        let wat = inspect(b"(module (memory 1))".to_vec(), "a.wat", Knowledge::builtin(), 1 << 20);
        assert!(matches!(&wat[..], [one] if one.result.is_ok() && one.wrapped_in == ["text format"]));
        let script = r#"const a = "AGFzbQEAAAAFAwEAAQ=="; const b = "AGFzbQEAAAAFAwEAAg==";"#;
        let both = inspect(script.into(), "a.js", Knowledge::builtin(), 1 << 20);
        let names: Vec<_> = both.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a.js#1", "a.js#2"]);
    }

    #[test]
    fn a_failure_says_where() {
        let broken = report(b"\0asm\x01\0\0\0\x05\x03", Knowledge::builtin());
        assert!(broken.is_err_and(|failure| failure.offset.is_some() && !failure.message.is_empty()));
    }
}

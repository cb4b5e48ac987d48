//! Functions that take a text to show, by a module author's own names: pointer and length, and nothing comes back.
//!
//! No toolchain stands behind these names, so dropping what they are given is right only if the user says so.

use super::{Answer, Does, Group, fit, has_form};
use crate::module::Module;

/// Names, in lower case, without underscores and points.
const NAMES: [&str; 28] = [
    "consoledebug",
    "consoleerror",
    "consoleinfo",
    "consolelog",
    "consolewarn",
    "debug",
    "debuglog",
    "emitlog",
    "eprint",
    "jslog",
    "log",
    "logdebug",
    "logerror",
    "loginfo",
    "logmessage",
    "logmsg",
    "logstr",
    "logstring",
    "logtext",
    "logwarn",
    "logutf8",
    "print",
    "println",
    "printstr",
    "printstring",
    "hostlog",
    "writelog",
    "wasmlog",
];

/// What is dropped, if it is a logger.
pub(super) fn lookup(module: &Module<'_>, name: &str, import: u32) -> Option<Answer> {
    let plain: String =
        name.chars().filter(|c| !matches!(c, '_' | '.' | '-')).map(|c| c.to_ascii_lowercase()).collect();
    let is_logger = NAMES.contains(&plain.as_str()) && has_form(module, import, &["p p ->"]);
    (is_logger && !module.is_minified()).then(|| fit(module, Does::Return(0), import)).flatten().map(
        |stand_in| Answer {
            stand_in,
            stub: Some(Group::Log),
            why: "by its name and type it shows a text: the text is dropped",
        },
    )
}
